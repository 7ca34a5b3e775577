"""Rows of benchmarks made up by hand."""

from collections.abc import Sequence

from stepward.evaluation.benchmarks.items import CLEAN, SILENT, Call, Item
from stepward.segment.cut import from_steps
from stepward.types import Json, LabeledTrace, Problem, StepKind, StepLabel, StepScores

GOOD = StepLabel(target="prefix", value=1.0, source="human")
BAD = StepLabel(target="prefix", value=0.0, source="human")


def called(index: int | None, count: int) -> tuple[float, ...]:
    """Scores whose first step below 1/2 is `index`, or none."""
    return tuple(0.9 if index is None or step < index else 0.1 for step in range(count))


def row(
    name: str,
    actual: int | None,
    said: int | None = None,
    *,
    count: int = 4,
    scores: Sequence[float] | None = None,
    votes: Sequence[int | None] = (),
    reason: bool | None = None,
    domain: str = "",
    **meta: Json,
) -> Item:
    """An item of problem `name` with first error `actual`, called `said`; votes are -1, an index or None."""
    trace = from_steps(name, [f"step {index} of {name}" for index in range(count)], meta=meta)
    labels = (GOOD,) * count if actual is None else (GOOD,) * actual + (BAD,) + (None,) * (count - actual - 1)
    return Item(
        problem=Problem(id=name, text=f"problem {name}", domain=domain),
        labeled=LabeledTrace(trace=trace, labels=labels),
        scores=None if votes else StepScores(values=tuple(scores or called(said, count))),
        votes=tuple(SILENT if v is None else CLEAN if v < 0 else Call(index=v) for v in votes),
        reason_right=reason,
    )


def valid_row(name: str, good: Sequence[bool], scores: Sequence[float], **meta: Json) -> Item:
    """An item whose every step has a validity label; the note of a wrong step is meta `note`."""
    note = str(meta.pop("note", ""))
    trace = from_steps(name, [f"step {index}" for index in range(len(good))], meta=meta)
    labels = tuple(
        StepLabel(target="validity", value=float(right), source="human", note="" if right else note) for right in good
    )
    return Item(
        problem=Problem(id=name, text=f"problem {name}"),
        labeled=LabeledTrace(trace=trace, labels=labels),
        scores=StepScores(values=tuple(scores)),
    )


def log(name: str, agents: Sequence[str], step: int, scores: Sequence[float], who: str = "") -> Item:
    """A failure log; a Terminal only observes."""
    kinds: list[StepKind] = ["observation" if agent == "Terminal" else "thought" for agent in agents]
    meta: dict[str, Json] = {"agents": list(agents), "mistake_step": step, "mistake_agent": who or agents[step]}
    trace = from_steps(name, [f"{agent}: says {i}" for i, agent in enumerate(agents)], kinds=kinds, meta=meta)
    labels = (GOOD,) * step + (BAD,) + (None,) * (len(agents) - step - 1)
    return Item(
        problem=Problem(id=name, text=f"task {name}"),
        labeled=LabeledTrace(trace=trace, labels=labels),
        scores=StepScores(values=tuple(scores)),
    )


def rated(name: str, ratings: Sequence[int | None], scores: Sequence[float], source: str = "tau2") -> Item:
    """An agent's trajectory with three-way ratings, None for an observation."""
    trace = from_steps(name, [f"message {index}" for index in range(len(ratings))], meta={"ratings": list(ratings)})
    labels = tuple(
        None if rating is None else StepLabel(target="validity", value=float(rating >= 0), source="human")
        for rating in ratings
    )
    return Item(
        problem=Problem(id=name, text=f"query {name}", domain=source),
        labeled=LabeledTrace(trace=trace, labels=labels),
        scores=StepScores(values=tuple(scores)),
    )
