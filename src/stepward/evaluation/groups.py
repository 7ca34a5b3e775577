"""Labelled steps in groups: by position, by length of the trace, by policy and by domain.

Positions are step indexes; the tail that too few steps stand at is one group, so on each axis every labelled step is in
exactly one group. A group with fewer than `FEWEST_STEPS` steps or `FEWEST_PROBLEMS` problems is too small for figures.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from stepward.errors import LabelError
from stepward.evaluation.agreement import LENGTHS
from stepward.evaluation.steps import Judged
from stepward.metrics.bootstrap import ClusteredSteps
from stepward.metrics.calibration import ReliabilityBin, equal_mass_bins

Axis = Literal["all", "position", "length", "policy", "domain"]
"""all: every step in one group."""
AXES: tuple[Axis, ...] = get_args(Axis)[1:]
FEWEST_STEPS = 20
FEWEST_PROBLEMS = 5
BINNED: tuple[Axis, ...] = ("policy", "domain")
"""Axes whose groups keep the bins of their reliability diagrams."""
MOST_BINS, FEWEST_BINS, STEPS_A_BIN = 15, 3, 40


class GroupStep(NamedTuple):
    """One labelled step of a group."""

    problem: str
    trace: int
    score: float
    good: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Steps that share a name on one axis. Traces are numbered as they were given."""

    axis: Axis
    name: str
    steps: Sequence[GroupStep]

    @property
    def clustered(self) -> ClusteredSteps:
        """The steps in rows, as intervals want them."""
        return clustered_steps(self.steps)

    @property
    def bins(self) -> tuple[ReliabilityBin, ...]:
        """Of equal mass, fewer for a small group; none on an axis that draws no reliability diagram."""
        if self.axis not in BINNED:
            return ()
        count = max(FEWEST_BINS, min(MOST_BINS, len(self.steps) // STEPS_A_BIN))
        steps = self.clustered
        return tuple(equal_mass_bins(steps.scores_S, steps.good_S, bins=count))

    @property
    def problems(self) -> int:
        """Problems that the steps are of."""
        return len({step.problem for step in self.steps})

    @property
    def too_few(self) -> str:
        """Why the group is too small for figures; empty where it is not."""
        if len(self.steps) < FEWEST_STEPS:
            return f"fewer than {FEWEST_STEPS} steps"
        return f"fewer than {FEWEST_PROBLEMS} problems" if self.problems < FEWEST_PROBLEMS else ""


def clustered_steps(steps: Sequence[GroupStep]) -> ClusteredSteps:
    """At least one step, in rows."""
    problems, _, scores, good = zip(*steps, strict=True)
    return ClusteredSteps(scores_S=scores, good_S=good, problem_S=problems)


def groups_of(axis: Axis, judged: Sequence[Judged], domain_of: Mapping[str, str]) -> list[Group]:
    """Every labelled step in one group, groups in order of position, length or name."""
    name_of = _names(axis, judged, domain_of)
    found: dict[tuple[float, str], list[GroupStep]] = defaultdict(list)
    for number, each in enumerate(judged):
        for index in each.kept(to_first_error=False):
            label = each.labeled.labels[index]
            step = GroupStep(each.problem_id, number, each.scores.values[index], label is not None and label.good)
            found[name_of(each, index)].append(step)
    if not found:
        raise LabelError("no labelled step to judge", mend="label the traces, or check which labels were read")
    return [Group(axis=axis, name=name, steps=found[place, name]) for place, name in sorted(found)]


def _names(
    axis: Axis, judged: Sequence[Judged], domain_of: Mapping[str, str]
) -> Callable[[Judged, int], tuple[float, str]]:
    """Place and name of the group that a step belongs to."""
    if axis == "position":
        last = _tail(judged)
        return lambda _, index: (min(index, last), f"step {index}" if index < last else f"step {last} and later")
    if axis == "all":
        return lambda _each, _index: (0, "all steps")
    if axis == "length":
        return lambda each, _: _band(len(each.labeled.trace))
    if axis == "policy":
        return lambda each, _: (0, each.labeled.trace.origin.maker)
    unknown = sorted({each.problem_id for each in judged} - set(domain_of))
    if unknown:
        raise LabelError("problems without a domain", got=unknown[:3])
    return lambda each, _: (0, domain_of[each.problem_id])


def _tail(judged: Sequence[Judged]) -> int:
    """The first position that fewer than `FEWEST_STEPS` labelled steps stand at."""
    counts = Counter(index for each in judged for index in each.kept(to_first_error=False))
    return next(at for at in range(max(counts, default=-1) + 2) if counts[at] < FEWEST_STEPS)


def _band(length: int) -> tuple[float, str]:
    low, high = next((low, high) for low, high in LENGTHS if low <= length <= high)
    return low, f"{low:g} to {high:g} steps" if math.isfinite(high) else f"{low:g} steps and more"
