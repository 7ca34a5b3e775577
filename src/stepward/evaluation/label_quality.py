"""Judges labels against truth: how often a labeler calls a step right or wrong correctly, and where it errs.

Both sides are read in their hard view. A step without label on either side is left out and counted.
Agreement on the last step alone says little (it is the verdict), so figures by position stand beside
the pooled one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from stepward.errors import LabelError
from stepward.metrics.bootstrap import Interval, bootstrap_ratio
from stepward.types import LabeledTrace

FEWEST = 20
"""Steps at a position below which no figure is given for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtPosition:
    """Label accuracy at one 0-based step index."""

    position: int
    steps: int
    accuracy: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelQuality:
    """How well labels agree with the truth."""

    problems: int
    steps: int
    unlabelled: int
    accuracy: Interval
    called_right_when_wrong: Interval
    """Share of truly wrong steps that carry a good label."""
    called_wrong_when_right: Interval
    """Share of truly right steps that carry a bad label."""
    by_position: tuple[AtPosition, ...]
    """Each step index that at least `FEWEST` steps stand at."""


@dataclass(frozen=True, slots=True)
class _Call:
    problem_id: str
    position: int
    said: bool
    true: bool


def judge_labels(labels: Sequence[LabeledTrace], truth: Sequence[LabeledTrace], *, seed: int) -> LabelQuality:
    """Compare labels with truth, trace by trace in the same order; `LabelError` where they do not pair up."""
    calls = [call for said, true in zip(labels, truth, strict=True) for call in _calls(said, true)]
    if not calls:
        raise LabelError("labels and truth share no labelled step")
    positions: dict[int, list[_Call]] = defaultdict(list)
    for call in calls:
        positions[call.position].append(call)
    return LabelQuality(
        problems=len({call.problem_id for call in calls}),
        steps=len(calls),
        unlabelled=sum(len(trace.labels) for trace in labels) - len(calls),
        accuracy=_rate(calls, seed),
        called_right_when_wrong=_rate([c for c in calls if not c.true], seed, wrong=True),
        called_wrong_when_right=_rate([c for c in calls if c.true], seed, wrong=True),
        by_position=tuple(
            AtPosition(position=at, steps=len(positions[at]), accuracy=_rate(positions[at], seed))
            for at in sorted(positions)
            if len(positions[at]) >= FEWEST
        ),
    )


def _calls(said: LabeledTrace, true: LabeledTrace) -> list[_Call]:
    if said.trace.id != true.trace.id:
        raise LabelError("labels and truth must be of the same traces", got=(said.trace.id, true.trace.id))
    pairs = enumerate(zip(said.labels, true.labels, strict=True))
    return [_Call(said.trace.problem_id, i, a.good, b.good) for i, (a, b) in pairs if a is not None and b is not None]


def _rate(calls: Sequence[_Call], seed: int, *, wrong: bool = False) -> Interval:
    """Share of calls that are right (or wrong), with an interval over problems; NaN where there is none."""
    sums: dict[str, int] = defaultdict(int)
    sizes: dict[str, int] = defaultdict(int)
    for call in calls:
        sums[call.problem_id] += (call.said == call.true) != wrong
        sizes[call.problem_id] += 1
    if not sizes:
        return Interval(value=float("nan"), low=float("nan"), high=float("nan"))
    return bootstrap_ratio(list(sums.values()), list(sizes.values()), seed=seed)
