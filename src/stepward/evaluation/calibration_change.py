"""What calibration did, group by group: ECE, Brier score and reliability before and after.

A map that is fitted over several policies or domains may mend the average and harm one of them, so each group stands by
itself, with the paired gain of its Brier score. Many groups, many tests: Holm decides over all of them (`families`).

Degenerate case: a group with too few steps or problems is listed without figures, with the reason (`groups`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stepward.errors import LabelError
from stepward.evaluation.families import FamilyTest, in_family, student_p
from stepward.evaluation.groups import Axis, Group, groups_of
from stepward.evaluation.steps import Judged
from stepward.metrics.bootstrap import Interval
from stepward.metrics.calibration import ReliabilityBin
from stepward.metrics.step_intervals import bootstrap_brier, bootstrap_brier_difference, bootstrap_ece


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
    gain_test: FamilyTest | None = None
    """Of that gain, among all groups."""
    bins_before: tuple[ReliabilityBin, ...] = ()
    bins_after: tuple[ReliabilityBin, ...] = ()
    reason: str = ""
    """Why there are no figures."""


def calibration_change(
    before: Sequence[Judged],
    after: Sequence[Judged],
    domain_of: Mapping[str, str],
    *,
    seed: int,
    axes: Sequence[Axis] = ("all", "policy", "domain"),
) -> tuple[CalibrationChange, ...]:
    """The same traces with scores before and after calibration, group by group.

    Of `axes`, one with a single group is left out where "all" is among them: it would say the same once more.
    Raises `LabelError` unless both are of the same labelled traces in one order.
    """
    if [j.labeled for j in before] != [j.labeled for j in after]:
        raise LabelError("before and after must be scores of the same labelled traces, in one order")
    found = []
    for axis in axes:
        groups = groups_of(axis, before, domain_of), groups_of(axis, after, domain_of)
        if axis == "all" or "all" not in axes or len(groups[0]) > 1:
            found += [_change(raw, mapped, seed) for raw, mapped in zip(*groups, strict=True)]
    ps = [None if each.brier_gain is None else student_p(each.brier_gain, each.problems) for each in found]
    return tuple(replace(each, gain_test=test) for each, test in zip(found, in_family(ps), strict=True))


def _change(raw: Group, mapped: Group, seed: int) -> CalibrationChange:
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
        bins_before=raw.bins,
        bins_after=mapped.bins,
    )
