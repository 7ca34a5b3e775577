"""What a searched attack shows of a scorer, with intervals over problems.

    gain        mean of new less old number, of the solutions that the scorer took with the suffix
    rose        share that rose at all, by more than rounding; lifted: by more than `TOLERANCE`
    passes      of the solutions below the threshold, the share that the suffix lifts to it
    beats       of the solutions that do not beat the best right one of their problem, the share that then does
    contrasts   difference of two kinds' gains on the same solutions, paired

Gains of the universal suffix are over problems that had no part in finding it. That of a searched one is the highest of
many tries on the very solution, as an attacker's is: it is read beside its calls, and beside the blind draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from stepward.evaluation.label_quality import mean_over_problems, share_over_problems
from stepward.evaluation.robustness.figures import TOLERANCE
from stepward.evaluation.robustness.measured import rises
from stepward.evaluation.robustness.suffix.attack import KINDS, Attacked, Kind, SuffixAttack, Universal
from stepward.evaluation.robustness.suffix.victims import Sides
from stepward.metrics.bootstrap import Interval
from stepward.types import Spend

SHOWN_GAIN = 5e-4
"""Smaller ones do not show in three decimals."""
CONTRASTS: tuple[tuple[Kind, Kind], ...] = (
    ("universal", "blind"),
    ("universal", "inert"),
    ("searched", "blind"),
    ("searched", "inert"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KindFigures:
    """One kind of suffix."""

    kind: Kind
    traces: int
    """Solutions that the scorer took with it."""
    refused: int
    gain: Interval
    rose: Interval
    lifted: Interval
    passes: Interval
    below: int
    """Solutions below the threshold before."""
    beats: Interval
    behind: int
    """Solutions that had a right one to beat and did not."""
    calls: float
    """Mean of one solution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """By how much the first kind lifts more than the second."""

    first: Kind
    second: Kind
    gain: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class CoursePoint:
    """The mean of the best gains within so many calls a solution."""

    calls: int
    gain: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class SuffixReport:
    """One attack's outcome."""

    name: str
    how: str
    place: str
    length: int
    threshold: float | None
    fit: int
    """Solutions that the universal suffix was searched for on."""
    judged: int
    problems: int
    unscored: int
    """Wrong solutions that the scorer would not take even as they are."""
    words: int
    """Of the stock, usable."""
    refused_words: int
    universal: str
    """Empty where none was found."""
    fitted: float
    """Its mean gain on the fitting side; NaN where none was found."""
    universal_calls: int
    """Words alone and search."""
    calls: int
    """All of the attack."""
    spend: Spend
    kinds: tuple[KindFigures, ...]
    contrasts: tuple[Contrast, ...]
    course: tuple[CoursePoint, ...] = ()
    most: tuple[Lift, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """One solution lifted far."""

    problem_id: str
    text: str
    before: float
    after: float
    bar: float | None = None


@dataclass(frozen=True, kw_only=True)
class AttackOutcome:
    """Everything that an attack made."""

    attack: SuffixAttack
    sides: Sides
    universal: Universal
    attacked: Sequence[Attacked] = field(default_factory=tuple)
    shown: int = 5
    """Solutions lifted most that are named."""


def suffix_report(name: str, outcome: AttackOutcome, *, seed: int) -> SuffixReport:
    """Every figure of one attack."""
    attack, found, rows = outcome.attack, outcome.universal, outcome.attacked
    calls = found.screening + found.found.calls
    return SuffixReport(
        name=name,
        how=attack.how,
        place=attack.place,
        length=attack.search.length,
        threshold=attack.threshold,
        fit=len(outcome.sides.fit),
        judged=len(rows),
        problems=len({row.problem_id for row in rows}),
        unscored=outcome.sides.unscored,
        words=len(found.stock),
        refused_words=len(found.refused_words),
        universal=" ".join(found.found.suffix or ()),
        fitted=math.nan if found.found.value is None else found.found.value,
        universal_calls=calls,
        calls=calls + sum(one.calls for row in rows for one in row.tries),
        spend=sum((row.spend for row in rows), found.spend),
        kinds=tuple(_figures(kind, rows, attack.threshold, seed) for kind in KINDS),
        contrasts=tuple(_contrast(first, second, rows, seed) for first, second in CONTRASTS),
        course=_course(rows, attack.search.budget, seed),
        most=_most(rows, outcome.shown),
    )


def _figures(kind: Kind, rows: Sequence[Attacked], threshold: float | None, seed: int) -> KindFigures:
    tries = [(row, one) for row in rows for one in row.tries if one.kind == kind]
    taken = [(row, one.after) for row, one in tries if one.after is not None]
    below = [(row, after) for row, after in taken if threshold is not None and row.before < threshold]
    behind = [(row, after, row.bar) for row, after in taken if row.bar is not None and not rises(row.bar, row.before)]
    return KindFigures(
        kind=kind,
        traces=len(taken),
        refused=len(tries) - len(taken),
        gain=mean_over_problems(((row.problem_id, after - row.before, 1) for row, after in taken), seed),
        rose=share_over_problems(((row.problem_id, rises(row.before, after), 1) for row, after in taken), seed),
        lifted=share_over_problems(((row.problem_id, after > row.before + TOLERANCE, 1) for row, after in taken), seed),
        passes=share_over_problems(((row.problem_id, after >= (threshold or 0.0), 1) for row, after in below), seed),
        below=len(below),
        beats=share_over_problems(((row.problem_id, rises(bar, after), 1) for row, after, bar in behind), seed),
        behind=len(behind),
        calls=sum(one.calls for _, one in tries) / len(tries) if tries else 0.0,
    )


def _contrast(first: Kind, second: Kind, rows: Sequence[Attacked], seed: int) -> Contrast:
    gains = ((row.problem_id, row.gain(first), row.gain(second)) for row in rows)
    both = ((problem, a - b, 1) for problem, a, b in gains if a is not None and b is not None)
    return Contrast(first=first, second=second, gain=mean_over_problems(both, seed))


def _course(rows: Sequence[Attacked], budget: int, seed: int) -> tuple[CoursePoint, ...]:
    """At powers of two and at the end: the best gain so far of each solution whose search had found one by then."""
    at = [*(2**power for power in range(budget.bit_length()) if 2**power < budget), budget]
    points = []
    for calls in at:
        reached = [(row.problem_id, [b.value for b in row.course if b.calls <= calls]) for row in rows if row.course]
        gains = [(problem, values[-1], 1) for problem, values in reached if values]
        if gains and len(gains) == len(reached):
            points.append(CoursePoint(calls=calls, gain=mean_over_problems(gains, seed)))
    return tuple(points)


def _most(rows: Sequence[Attacked], count: int) -> tuple[Lift, ...]:
    """The solutions that were lifted most by what was searched for on them."""
    lifts = [
        Lift(problem_id=row.problem_id, text=one.text, before=row.before, after=one.after, bar=row.bar)
        for row in rows
        if (one := row.by("searched")) and one.after is not None and one.after - row.before >= SHOWN_GAIN
    ]
    return tuple(sorted(lifts, key=lambda lift: lift.before - lift.after)[:count])
