"""Labelled traces in a word: `marked("++-?")` has two good steps, a bad one and an unlabelled one."""

from collections.abc import Sequence

from stepward.segment.cut import from_steps
from stepward.types import Finish, Json, LabeledTrace, Origin, Outcome, Problem, StepLabel, Target, Verdict

PROBLEM = Problem(id="p", text="What is it?", answer="4")
CHOICE = Problem(id="c", text="Which one?", answer="A", answer_kind="choice", meta={"options": 4})
SIGNS = {"+": 1.0, "-": 0.0, "?": None}


def marked(
    signs: str, target: Target = "prefix", *, maker: str = "human", verdict: Outcome | None = None, text: str = "step"
) -> LabeledTrace:
    """One step a sign."""
    labels = tuple(_label(SIGNS[sign], target, maker) for sign in signs)
    trace = from_steps("p", [f"{text} {at}" for at in range(len(signs))], "\n")
    return LabeledTrace(trace=trace, labels=labels, verdict=verdict and Verdict(outcome=verdict))


def _label(value: float | None, target: Target, maker: str) -> StepLabel | None:
    if value is None:
        return None
    return StepLabel(target=target, value=value, source="human", origin=Origin(maker=maker))


def rolled(
    counts: Sequence[tuple[int, int] | None],
    *,
    problem_id: str = "p",
    finish: Finish = "length",
    verdict: Outcome | None = None,
    meta: dict[str, Json] | None = None,
) -> LabeledTrace:
    """Rollout labels k of n; without an end, so that the last one is an estimate too."""
    trace = from_steps(problem_id, [f"step {at}" for at in range(len(counts))], "\n", finish=finish, meta=meta or {})
    labels = tuple(
        pair and StepLabel(target="value", value=pair[0] / pair[1], source="rollout", successes=pair[0], trials=pair[1])
        for pair in counts
    )
    return LabeledTrace(trace=trace, labels=labels, verdict=verdict and Verdict(outcome=verdict))


def signs(labeled: LabeledTrace) -> str:
    """The hard view in a word."""
    return "".join("?" if label is None else "+" if label.good else "-" for label in labeled.labels)


def values(labeled: LabeledTrace) -> list[float | None]:
    """The values, rounded."""
    return [label and round(label.value, 4) for label in labeled.labels]
