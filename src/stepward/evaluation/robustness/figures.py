"""What a perturbation shows of a scorer, with intervals over problems.

    invariance    mean |new - old| of the aligned steps, share of them within `TOLERANCE` (the bound of Reward Under
                  Attack, arXiv 2603.06621), and Spearman's correlation of the traces' lowest scores before and after
    sensitivity   share of traces whose lowest score from the fault on falls, and AUROC of these scores, clean against
                  corrupted: 1/2 for a scorer that sees nothing, below 1/2 for one that prefers the corrupted trace
    aggregates    APR, the share of edits that raise the whole trace's number; the same with all scores frozen (the
                  mechanical null, where steps were only taken out); flips: the edited trace joins the pool of its
                  problem and comes out on top
    deletion      Delta_NI = APR(necessary step taken out) - APR(inert step taken out), clearly below 0 for a scorer
                  that follows the argument (StrictPRMBench, 2026), beside the same with frozen scores

Every figure is given for every perturbation; which of them say something depends on what is expected. A share over
nothing, or a correlation without variation, is NaN.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.stats import rankdata

from stepward.errors import LabelError
from stepward.evaluation.label_quality import UNDEFINED, mean_over_problems, share_over_problems
from stepward.evaluation.robustness.contract import ExpectedKind
from stepward.evaluation.robustness.measured import NOISE, Measured, rises
from stepward.metrics.bootstrap import (
    ClusteredSteps,
    Interval,
    Span,
    bootstrap,
    bootstrap_auroc,
    bounded_interval,
    resamples,
    wilson_from_error,
)
from stepward.metrics.checks import Floats

TOLERANCE = 0.1
DRAWS = 2000
SLOW_DRAWS = 200
"""Bootstrap draws of rank correlations, which have no vectorised path."""
SIGNED = (-1.0, 1.0)
NECESSARY, INERT = "necessary_deletion", "inert_deletion"


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateFigures:
    """What became of one aggregate."""

    how: str
    rises: Interval
    """APR: share of perturbed traces whose number is higher than before."""
    rises_frozen: Interval
    """The same if every step that stayed had kept its score."""
    flips: Interval
    """Share that would be chosen from the pool of their problem; pools of one attempt are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerturbationFigures:
    """What one perturbation did to the scores."""

    name: str
    expected: ExpectedKind | None
    """None where it applied to nothing."""
    applied: int
    problems: int
    inapplicable: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    """Perturbed traces that the scorer would not take, by reason."""
    steps: int
    """Aligned steps that are compared."""
    move: Interval
    """Mean of new less old score."""
    distance: Interval
    """Mean of its absolute value."""
    steady: Interval
    """Share of steps that moved by no more than `TOLERANCE`."""
    rank_correlation: Interval
    fell: Interval
    """Share of traces whose lowest score fell."""
    rose: Interval
    """Share of traces whose lowest score rose, by however little."""
    lifted: Interval
    """The same by more than `TOLERANCE`."""
    auroc: Interval
    """Before against after."""
    aggregates: tuple[AggregateFigures, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionGap:
    """Delta_NI of one aggregate."""

    how: str
    rescored: Interval
    frozen: Interval
    """The mechanical null."""


def figures(
    name: str,
    rows: Sequence[Measured],
    hows: Sequence[str],
    *,
    left_out: tuple[Mapping[str, int], Mapping[str, int]] = ({}, {}),
    seed: int,
) -> PerturbationFigures:
    """Every figure of one perturbation. `left_out` counts attempts it does not apply to, and refused ones."""
    moves = [(row.problem_id, move) for row in rows for move in row.moves]
    pairs = [(row.problem_id, row.before, row.after) for row in rows]
    inapplicable, refused = left_out
    reach = 1.0 if all(row.base.convention == "probability" for row in rows) else math.inf
    return PerturbationFigures(
        name=name,
        expected=rows[0].probe.perturbed.expected.kind if rows else None,
        applied=len(rows),
        problems=len({row.problem_id for row in rows}),
        inapplicable=inapplicable,
        refused=refused,
        steps=len(moves),
        move=within(_mean(moves, lambda move: move, seed), (-reach, reach)),
        distance=within(_mean(moves, abs, seed), (0.0, reach)),
        steady=_share(((problem, abs(move) <= TOLERANCE) for problem, move in moves), seed),
        rank_correlation=rank_correlation(pairs, seed=seed),
        fell=_share(((problem, rises(new, old)) for problem, old, new in pairs), seed),
        rose=_share(((problem, rises(old, new)) for problem, old, new in pairs), seed),
        lifted=_share(((problem, new > old + TOLERANCE) for problem, old, new in pairs), seed),
        auroc=_auroc(pairs, seed),
        aggregates=tuple(_aggregate(rows, how, seed) for how in hows),
    )


def deletion_gaps(
    necessary: Sequence[Measured], inert: Sequence[Measured], hows: Sequence[str], *, seed: int
) -> tuple[DeletionGap, ...]:
    """Delta_NI of each aggregate; none where either deletion applied to nothing."""
    if not necessary or not inert:
        return ()
    return tuple(
        DeletionGap(
            how=how,
            rescored=share_difference(_risen(necessary, how), _risen(inert, how), seed=seed),
            frozen=share_difference(_risen_frozen(necessary, how), _risen_frozen(inert, how), seed=seed),
        )
        for how in hows
    )


def share_difference(first: Iterable[tuple[str, bool]], second: Iterable[tuple[str, bool]], *, seed: int) -> Interval:
    """Share in `first` less share in `second`, both of (problem, holds), on the same draws of problems."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for offset, rows in ((0, first), (2, second)):
        for problem, holds in rows:
            sums[problem][offset] += holds
            sums[problem][offset + 1] += 1
    if not sums:
        return UNDEFINED
    table_P4 = np.array(list(sums.values()), dtype=np.float64)
    if not (table_P4[:, 1].any() and table_P4[:, 3].any()):
        return UNDEFINED
    drawn_D4 = np.vstack([table_P4.sum(axis=0), resamples(len(table_P4), DRAWS, seed) @ table_P4])
    with np.errstate(invalid="ignore"):
        values_D = drawn_D4[:, 0] / drawn_D4[:, 1] - drawn_D4[:, 2] / drawn_D4[:, 3]
    if np.nanmax(values_D) > np.nanmin(values_D):
        return bounded_interval(float(values_D[0]), values_D[1:], problems=len(table_P4), span=SIGNED)
    return _newcombe(*(_settled_share(table_P4[:, at], table_P4[:, at + 1]) for at in (0, 2)))


def _settled_share(sums_P: Floats, sizes_P: Floats) -> Interval:
    """A share on which all problems agree, as sure as so many of them can make it."""
    return wilson_from_error(float(sums_P.sum() / sizes_P.sum()), 0.0, units=int((sizes_P > 0).sum()))


def _newcombe(first: Interval, second: Interval) -> Interval:
    """The difference of two shares from their own intervals, by the sum of squares."""
    value = first.value - second.value
    below = np.hypot(first.value - first.low, second.high - second.value)
    above = np.hypot(first.high - first.value, second.value - second.low)
    return Interval(value=value, low=float(value - below), high=float(value + above))


def rank_correlation(pairs: Iterable[tuple[str, float, float]], *, seed: int) -> Interval:
    """Spearman's correlation of the numbers in (problem, one, other); NaN where one of them does not vary."""
    rows = list(pairs)
    groups: dict[str, list[Floats]] = defaultdict(list)
    for (problem, _, _), both in zip(rows, settled([row[1:] for row in rows]), strict=True):
        groups[problem].append(both)
    try:
        return bootstrap(_spearman, [*map(np.array, groups.values())], draws=SLOW_DRAWS, seed=seed, span=SIGNED)
    except LabelError:
        return UNDEFINED


def _spearman(groups: Sequence[Floats]) -> float:
    one_N, other_N = np.concatenate(groups).T if groups else np.zeros((2, 0))
    if len(one_N) < 3 or np.ptp(one_N) == 0 or np.ptp(other_N) == 0:
        raise LabelError("a rank correlation needs three pairs that vary")
    middle = (len(one_N) + 1) / 2
    one_N, other_N = rankdata(one_N) - middle, rankdata(other_N) - middle
    return float((one_N @ other_N) / np.sqrt((one_N @ one_N) * (other_N @ other_N)))


def within(found: Interval, span: Span) -> Interval:
    """`found` without what lies outside `span`: a mean of few numbers in a span has limits beyond it."""
    bottom, top = span
    return replace(found, low=max(found.low, bottom), high=min(found.high, top))


def settled(values: Sequence[object]) -> Floats:
    """Numbers to the digits that are not rounding of the scorer, so that what is equal ties."""
    array = np.asarray(values, dtype=np.float64)
    size = np.abs(array, out=np.ones_like(array), where=array != 0)
    unit = 10.0 ** np.floor(np.log10(size * NOISE))
    return np.asarray(np.round(array / unit) * unit)


def _aggregate(rows: Sequence[Measured], how: str, seed: int) -> AggregateFigures:
    flips = ((row.problem_id, row.flips(how)) for row in rows)
    return AggregateFigures(
        how=how,
        rises=_share(_risen(rows, how), seed),
        rises_frozen=_share(_risen_frozen(rows, how), seed),
        flips=_share(((problem, flipped) for problem, flipped in flips if flipped is not None), seed),
    )


def _risen(rows: Sequence[Measured], how: str) -> list[tuple[str, bool]]:
    return [(row.problem_id, rises(*row.aggregate(how))) for row in rows]


def _risen_frozen(rows: Sequence[Measured], how: str) -> list[tuple[str, bool]]:
    found = ((row, row.frozen(how)) for row in rows)
    return [(row.problem_id, rises(row.aggregate(how)[0], value)) for row, value in found if value is not None]


def _mean(moves: Sequence[tuple[str, float]], of: Callable[[float], float], seed: int) -> Interval:
    return mean_over_problems(((problem, of(move), 1) for problem, move in moves), seed)


def _share(rows: Iterable[tuple[str, bool]], seed: int) -> Interval:
    return share_over_problems(((problem, holds, 1) for problem, holds in rows), seed)


def _auroc(pairs: Sequence[tuple[str, float, float]], seed: int) -> Interval:
    """Clean scores above corrupted ones; equal up to rounding is a tie."""
    if not pairs:
        return UNDEFINED
    steps = ClusteredSteps(
        scores_S=settled([old for _, old, _ in pairs] + [new for _, _, new in pairs]),
        good_S=[1] * len(pairs) + [0] * len(pairs),
        problem_S=[problem for problem, _, _ in pairs] * 2,
    )
    return bootstrap_auroc(steps, seed=seed)
