"""Where a scorer is good: its figures by position, by length of the trace, by policy and by domain.

Each group of steps gets AUROC of right against wrong, accuracy of the threshold 1/2, ECE and Brier score; groups of
whole traces also the share whose first error is named exactly. A scorer that is good on the average of two policies or
on late steps alone shows it here, and so does a calibration that holds on one domain.

Positions are step indexes; the tail that too few steps stand at is one group, so every labelled step is in exactly one.
A group with fewer than `FEWEST_STEPS` steps or `FEWEST_PROBLEMS` problems is listed without figures, and a figure that
cannot be given (one class) is None; `reason` says why. Intervals are over problems (`metrics.bootstrap`). Many groups,
many looks: of twenty intervals one misses by chance, so `metrics.comparisons.holm` stands before any claim.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

from stepward.errors import LabelError
from stepward.evaluation.agreement import LENGTHS
from stepward.evaluation.label_quality import share_over_problems
from stepward.evaluation.steps import Judged
from stepward.metrics.bootstrap import ClusteredSteps, Interval, bootstrap_auroc
from stepward.metrics.first_error import decode_threshold
from stepward.metrics.step_intervals import bootstrap_brier, bootstrap_brier_difference, bootstrap_ece

Axis = Literal["position", "length", "policy", "domain"]
AXES: tuple[Axis, ...] = get_args(Axis)
FEWEST_STEPS = 20
FEWEST_PROBLEMS = 5


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
    reason: str = ""
    """Why a figure is None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationChange:
    """One group before and after calibration."""

    axis: Axis
    name: str
    problems: int
    steps: int
    ece_before: Interval | None = None
    ece_after: Interval | None = None
    brier_before: Interval | None = None
    brier_after: Interval | None = None
    brier_gain: Interval | None = None
    """Brier score before less after, paired over problems: above 0 calibration helped."""
    reason: str = ""
    """Why there are no figures."""


class _Step(NamedTuple):
    problem: str
    trace: int
    score: float
    good: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Steps that share a name on one axis. Traces are numbered as they were given."""

    axis: Axis
    name: str
    steps: Sequence[_Step]

    @property
    def clustered(self) -> ClusteredSteps:
        problems, _, scores, good = zip(*self.steps, strict=True)
        return ClusteredSteps(scores_S=scores, good_S=good, problem_S=problems)

    @property
    def problems(self) -> int:
        return len({step.problem for step in self.steps})

    @property
    def too_few(self) -> str:
        if len(self.steps) < FEWEST_STEPS:
            return f"fewer than {FEWEST_STEPS} steps"
        return f"fewer than {FEWEST_PROBLEMS} problems" if self.problems < FEWEST_PROBLEMS else ""


def break_down(
    judged: Sequence[Judged], domain_of: Mapping[str, str], *, seed: int, axes: Sequence[Axis] = AXES
) -> tuple[GroupQuality, ...]:
    """Figures of every group on each of `axes`. `domain_of` names the domain of each problem id.

    Scores must be probabilities. Raises `LabelError` where no step is labelled, or a problem has no domain.
    """
    return tuple(_quality(group, judged, seed) for axis in axes for group in _groups(axis, judged, domain_of))


def calibration_change(
    before: Sequence[Judged],
    after: Sequence[Judged],
    domain_of: Mapping[str, str],
    *,
    seed: int,
    axes: Sequence[Axis] = ("policy", "domain"),
) -> tuple[CalibrationChange, ...]:
    """The same traces with scores before and after calibration, group by group.

    Raises `LabelError` unless both are of the same labelled traces in one order.
    """
    if [j.labeled for j in before] != [j.labeled for j in after]:
        raise LabelError("before and after must be scores of the same labelled traces, in one order")
    found = []
    for axis in axes:
        groups = _groups(axis, before, domain_of), _groups(axis, after, domain_of)
        found += [_change(raw, mapped, seed) for raw, mapped in zip(*groups, strict=True)]
    return tuple(found)


def _change(raw: _Group, mapped: _Group, seed: int) -> CalibrationChange:
    counts = CalibrationChange(
        axis=raw.axis, name=raw.name, problems=raw.problems, steps=len(raw.steps), reason=raw.too_few
    )
    if raw.too_few:
        return counts
    first, second = raw.clustered, mapped.clustered
    return replace(
        counts,
        ece_before=bootstrap_ece(first, seed=seed),
        ece_after=bootstrap_ece(second, seed=seed),
        brier_before=bootstrap_brier(first, seed=seed),
        brier_after=bootstrap_brier(second, seed=seed),
        brier_gain=bootstrap_brier_difference(first, second, seed=seed),
    )


def _quality(group: _Group, judged: Sequence[Judged], seed: int) -> GroupQuality:
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


def _groups(axis: Axis, judged: Sequence[Judged], domain_of: Mapping[str, str]) -> list[_Group]:
    """Every labelled step in one group, groups in order of position, length or name."""
    name_of = _names(axis, judged, domain_of)
    found: dict[tuple[float, str], list[_Step]] = defaultdict(list)
    for number, each in enumerate(judged):
        for index in each.kept(to_first_error=False):
            label = each.labeled.labels[index]
            step = _Step(each.problem_id, number, each.scores.values[index], label is not None and label.good)
            found[name_of(each, index)].append(step)
    if not found:
        raise LabelError("no labelled step to judge", mend="label the traces, or check which labels were read")
    return [_Group(axis=axis, name=name, steps=found[place, name]) for place, name in sorted(found)]


def _names(
    axis: Axis, judged: Sequence[Judged], domain_of: Mapping[str, str]
) -> Callable[[Judged, int], tuple[float, str]]:
    """Place and name of the group that a step belongs to."""
    if axis == "position":
        last = _tail(judged)
        return lambda _, index: (min(index, last), f"step {index}" if index < last else f"step {last} and later")
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
