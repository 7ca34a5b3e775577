"""Where a scorer is good: its figures by position, by length of the trace, by policy and by domain.

Each group of steps gets AUROC of right against wrong, accuracy of the threshold 1/2, ECE and Brier score; groups of
whole traces also the share whose first error is named exactly. A scorer that is good on the average of two policies or
on late steps alone shows it here, and so does a calibration that holds on one domain.

A group that is too small (`groups`) is listed without figures, and a figure that cannot be given (one class) is None;
`reason` says why. Intervals are over problems (`metrics.bootstrap`).

Many groups, many looks: of twenty intervals one misses by chance. So whether a group stands out is a test of its own:
its AUROC less that of all steps, both on the same draws of problems, with Holm over all groups of the scorer
(`families`). `average` is the mean over the groups of an axis, each
counting alike: the mean of their limits are its limits, which no correlation between groups can make too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from stepward.errors import LabelError
from stepward.evaluation.families import FamilyTest, in_family, student_p
from stepward.evaluation.groups import AXES, Axis, Group, clustered_steps, groups_of
from stepward.evaluation.label_quality import share_over_problems
from stepward.evaluation.steps import Judged
from stepward.metrics.bootstrap import Interval, auroc_draws, bootstrap_auroc, interval, rarer_problems
from stepward.metrics.calibration import ReliabilityBin
from stepward.metrics.checks import Floats
from stepward.metrics.first_error import decode_threshold
from stepward.metrics.step_intervals import bootstrap_brier, bootstrap_ece

DRAWS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupQuality:
    """A scorer's figures on one group of steps."""

    axis: Axis
    name: str
    problems: int
    traces: int
    steps: int
    wrong_share: float
    auroc: Interval | None = None
    accuracy: Interval | None = None
    """Share of steps that the threshold 1/2 calls as labelled."""
    ece: Interval | None = None
    brier: Interval | None = None
    first_error: Interval | None = None
    """Share of the group's traces whose first step below 1/2, or none, is the labelled first error; not by position."""
    gap: Interval | None = None
    """AUROC of the group less that of all steps, on the same draws; None where the group is all there is."""
    gap_test: FamilyTest | None = None
    """Of the gap, among all groups of the scorer."""
    bins: tuple[ReliabilityBin, ...] = ()
    """Of equal mass, for policies and domains."""
    reason: str = ""
    """Why a figure is None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAverage:
    """Means over the groups of one axis that have the figure, each counting alike."""

    axis: Axis
    groups: int
    """Groups with figures."""
    auroc: Interval | None
    accuracy: Interval | None
    ece: Interval | None
    brier: Interval | None
    first_error: Interval | None


def break_down(
    judged: Sequence[Judged], domain_of: Mapping[str, str], *, seed: int, axes: Sequence[Axis] = AXES
) -> tuple[GroupQuality, ...]:
    """Figures of every group on each of `axes`. `domain_of` names the domain of each problem id.

    Scores must be probabilities. Raises `LabelError` where no step is labelled, or a problem has no domain.
    """
    groups = [group for axis in axes for group in groups_of(axis, judged, domain_of)]
    whole = _Whole.of(groups[0].axis, groups, seed=seed) if groups else None
    found = [_quality(group, judged, seed) for group in groups]
    gaps = [whole.gap(group) if whole and not each.reason else None for group, each in zip(groups, found, strict=True)]
    tests = in_family([None if gap is None else gap.p for gap in gaps])
    return tuple(
        each if gap is None else replace(each, gap=gap.interval, gap_test=test)
        for each, gap, test in zip(found, gaps, tests, strict=True)
    )


def average(groups: Sequence[GroupQuality], axis: Axis) -> GroupAverage:
    """The mean over the groups of `axis`; a figure that no group has is None."""
    own = [group for group in groups if group.axis == axis and group.ece is not None]
    return GroupAverage(
        axis=axis,
        groups=len(own),
        auroc=mean_of([group.auroc for group in own]),
        accuracy=mean_of([group.accuracy for group in own]),
        ece=mean_of([group.ece for group in own]),
        brier=mean_of([group.brier for group in own]),
        first_error=mean_of([group.first_error for group in own]),
    )


def mean_of(intervals: Sequence[Interval | None]) -> Interval | None:
    """The mean of those that there are, with the mean of their limits; None where there is none."""
    there = [each for each in intervals if each is not None]
    if not there:
        return None
    value, low, high = (
        math.fsum(part) / len(there) for part in zip(*((i.value, i.low, i.high) for i in there), strict=True)
    )
    return Interval(value=value, low=low, high=high, level=there[0].level)


class _Gap(NamedTuple):
    interval: Interval
    p: float


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class _Whole:
    """All steps, with their AUROC on every draw."""

    problems: Sequence[str]
    steps: int
    auroc_D: Floats
    seed: int

    @classmethod
    def of(cls, axis: Axis, groups: Sequence[Group], *, seed: int) -> _Whole | None:
        """From the groups of one axis, which hold every step; None where the steps are of one class."""
        rows = sorted(step for group in groups if group.axis == axis for step in group.steps)
        if len({step.good for step in rows}) < 2:
            return None
        steps = clustered_steps(rows)
        problems = [str(problem) for problem in dict.fromkeys(steps.problem_S)]
        return cls(problems=problems, steps=len(rows), auroc_D=auroc_draws(steps, draws=DRAWS, seed=seed), seed=seed)

    def gap(self, group: Group) -> _Gap | None:
        own = group.clustered
        if len(group.steps) == self.steps or rarer_problems(own) < 2:
            return None
        gap_D = auroc_draws(own, draws=DRAWS, seed=self.seed, among=self.problems) - self.auroc_D
        problems = rarer_problems(own)
        found = interval(float(gap_D[0]), gap_D[1:], problems=problems)
        inside = replace(found, low=max(-1.0, found.low), high=min(1.0, found.high))
        return _Gap(inside, student_p(found, problems))


def _quality(group: Group, judged: Sequence[Judged], seed: int) -> GroupQuality:
    good = [step.good for step in group.steps]
    traces = sorted({step.trace for step in group.steps})
    counts = GroupQuality(
        axis=group.axis,
        name=group.name,
        problems=group.problems,
        traces=len(traces),
        steps=len(good),
        wrong_share=1 - sum(good) / len(good),
        reason=group.too_few or ("" if len(set(good)) == 2 else "no AUROC: steps of one class"),
    )
    if group.too_few:
        return counts
    steps = group.clustered
    return replace(
        counts,
        auroc=None if counts.reason else bootstrap_auroc(steps, seed=seed),
        accuracy=share_over_problems(((s.problem, (s.score >= 0.5) == s.good, 1) for s in group.steps), seed),
        ece=bootstrap_ece(steps, seed=seed),
        brier=bootstrap_brier(steps, seed=seed),
        first_error=None if group.axis == "position" else _found([judged[at] for at in traces], seed),
        bins=group.bins,
    )


def _found(judged: Sequence[Judged], seed: int) -> Interval | None:
    """Share of traces whose first error is decoded as labelled; None where no trace tells its first error."""
    rows = []
    for each in judged:
        try:
            actual = each.labeled.first_error
        except LabelError:
            continue
        rows.append((each.problem_id, decode_threshold(each.scores.values) == actual, 1))
    return share_over_problems(rows, seed) if rows else None
