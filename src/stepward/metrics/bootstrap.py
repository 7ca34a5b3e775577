"""How far a number could be off: cluster bootstrap over problems, and the Wilson interval.

The traces of one problem are alike, so problems are drawn with replacement, never traces or steps. Two intervals are
made of the draws; plain percentiles are too narrow for few problems (`benchmarks/coverage.py`):
    Student         value -+ t se for numbers without bounds, such as means and differences: t of P - 1 degrees of
                    freedom, se^2 = P / (P - 1) times the variance of the draws
    Wilson-shaped   for shares, AUROC and all that lies in [0, 1]: the score interval with the same t and the effective
                    number of trials n = v (1 - v) / se^2   (Kott and Carr 1997 for clustered shares)

`bootstrap` takes any statistic. For means and AUROC there are paths that never copy a trace: a draw is a row of
`times_DP`, how often each problem was drawn, and the statistic of all draws is a few array operations. One seed and one
number of problems give the same draws everywhere, so the difference of two such intervals' draws is a paired bootstrap.

Degenerate cases: a draw on which the statistic is undefined (one class) is left out and counted in `undefined`; where
no draw is left, `LabelError`. Where all draws agree, the width is 0; but at an end of its bounds (every problem right)
a value gets the Wilson interval of as many trials as problems, and one problem alone leaves the whole range open.

Shapes: D draws, P problems, S steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from stepward.errors import ConfigError, LabelError
from stepward.metrics.checks import Floats, Indexes, both_classes, finite, scored

Cluster = TypeVar("Cluster")
Span: TypeAlias = tuple[float, float]
UNIT: Span = (0.0, 1.0)
PART = 200_000
"""Numbers of a table that are worked on at once; more would not stay in a processor's cache."""
ROUNDING = 1e-12
"""Draws that differ by less are equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A value and where it plausibly lies."""

    value: float
    low: float
    high: float
    level: float = 0.95
    draws: int = 0
    """Bootstrap draws that the bounds are made of; 0 for a formula."""
    undefined: int = 0
    """Further draws on which the statistic was undefined."""

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def wilson(successes: int, trials: int, *, level: float = 0.95) -> Interval:
    """Wilson score interval of a share: centre (p + z^2/2n) / (1 + z^2/n). `LabelError` unless 0 <= k <= n, n > 0."""
    if not 0 <= successes <= trials or trials == 0:
        raise LabelError("a Wilson interval needs 0 <= k <= n and n > 0", got=(successes, trials))
    share = successes / trials
    low, high = _score_limits(share, trials, NormalDist().inv_cdf((1 + _checked(level)) / 2))
    return Interval(value=share, low=low, high=high, level=level)


def wilson_from_error(value: float, se: float, *, units: int, level: float = 0.95, span: Span = UNIT) -> Interval:
    """Wilson-shaped interval of a number in `span` with standard error `se`, which `units` independent units gave.

    Raises `ConfigError` for a value outside the span, a negative error or no unit.
    """
    bottom, top = span
    share, error = (value - bottom) / (top - bottom), se / (top - bottom)
    if not (-ROUNDING <= share <= 1 + ROUNDING and error >= 0 and units > 0):
        raise ConfigError(f"needs a value in [{bottom:g}, {top:g}], se >= 0 and a unit", got=(value, se, units))
    low, high = _effective_limits(share, error, units, level)
    low, high = bottom + low * (top - bottom), bottom + high * (top - bottom)
    return Interval(value=value, low=min(low, value), high=max(high, value), level=level)


def bootstrap(
    statistic: Callable[[Sequence[Cluster]], float],
    clusters: Sequence[Cluster],
    *,
    draws: int = 2000,
    seed: int,
    level: float = 0.95,
    span: Span | None = None,
) -> Interval:
    """Interval of `statistic`, a function of a list of clusters, one cluster per problem.

    A draw on which the statistic raises `LabelError` counts as undefined. Clusters may be pairs: the bootstrap of
    a difference between two systems on the same problems is then paired. A statistic that lies in `span` gets a
    Wilson-shaped interval, any other Student's.
    """
    value = statistic(clusters)
    values_D = np.full(draws, np.nan)
    for draw, index_P in enumerate(_indexes(len(clusters), draws, seed)):
        try:
            values_D[draw] = statistic([clusters[i] for i in index_P])
        except LabelError:
            continue
    if span is not None:
        return bounded_interval(value, values_D, problems=len(clusters), level=level, span=span)
    return interval(value, values_D, level=level, problems=len(clusters))


def paired_difference(
    statistic: Callable[[Sequence[Cluster]], float],
    pairs: Sequence[tuple[Cluster, Cluster]],
    *,
    draws: int = 2000,
    seed: int,
    level: float = 0.95,
) -> Interval:
    """Interval of statistic(first) - statistic(second) over problems that both systems were run on."""

    def difference(drawn: Sequence[tuple[Cluster, Cluster]]) -> float:
        return statistic([first for first, _ in drawn]) - statistic([second for _, second in drawn])

    return bootstrap(difference, pairs, draws=draws, seed=seed, level=level)


def bootstrap_mean(values_P: ArrayLike, *, draws: int = 2000, seed: int, level: float = 0.95) -> Interval:
    """Interval of the mean of one number per problem. Give differences for a paired comparison."""
    return bootstrap_means([values_P], draws=draws, seed=seed, level=level)[0]


def bootstrap_means(
    values_XP: Sequence[ArrayLike], *, draws: int = 2000, seed: int, level: float = 0.95
) -> list[Interval]:
    """`bootstrap_mean` of X rows over the same problems, all on the same draws."""
    rows_XP = [finite(values_P) for values_P in values_XP]
    problems = {len(row_P) for row_P in rows_XP}
    if len(problems) != 1:
        raise LabelError("every row needs one number per problem", got=sorted(problems))
    draws_DX = resamples(problems.pop(), draws, seed) @ np.array(rows_XP).T / len(rows_XP[0])
    return [
        interval(float(row_P.mean()), draws_D, level=level, problems=len(row_P))
        for row_P, draws_D in zip(rows_XP, draws_DX.T, strict=True)
    ]


def bootstrap_ratio(
    sums_P: ArrayLike, sizes_P: ArrayLike, *, draws: int = 2000, seed: int, level: float = 0.95
) -> Interval:
    """Interval of sum(sums) / sum(sizes): a mean over items, of which problem p holds `sizes_P[p]`."""
    sums, sizes = _ratio_parts(sums_P, sizes_P)
    values_D = _ratio_draws(sums, sizes, draws, seed)
    return interval(float(sums.sum() / sizes.sum()), values_D, level=level, problems=int((sizes > 0).sum()))


def bootstrap_share(
    sums_P: ArrayLike, sizes_P: ArrayLike, *, draws: int = 2000, seed: int, level: float = 0.95
) -> Interval:
    """The same for items that lie in [0, 1] each, such as hits: 0 <= sum <= size, or `LabelError`."""
    sums, sizes = _ratio_parts(sums_P, sizes_P)
    if (sums < -ROUNDING).any() or (sums > sizes * (1 + ROUNDING)).any():
        raise LabelError("a share needs sums between 0 and the sizes", got=(float(sums.min()), float(sums.max())))
    values_D = _ratio_draws(sums, sizes, draws, seed)
    problems = int((sizes > 0).sum())
    return bounded_interval(float(sums.sum() / sizes.sum()), values_D, level=level, problems=problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusteredSteps:
    """Steps of many problems in one row: score, label (1 good), and the problem, any hashable id."""

    scores_S: ArrayLike
    good_S: ArrayLike
    problem_S: Sequence[object]


def bootstrap_auroc(steps: ClusteredSteps, *, draws: int = 2000, seed: int, level: float = 0.95) -> Interval:
    """Interval of the pooled step AUROC; `LabelError` on one class."""
    values = auroc_draws(steps, draws=draws, seed=seed)
    return bounded_interval(float(values[0]), values[1:], level=level, problems=rarer_problems(steps))


def bootstrap_auroc_difference(
    first: ClusteredSteps, second: ClusteredSteps, *, draws: int = 2000, seed: int, level: float = 0.95
) -> Interval:
    """Paired interval of AUROC(first) - AUROC(second). Both must hold the same problems in the same order."""
    if list(dict.fromkeys(first.problem_S)) != list(dict.fromkeys(second.problem_S)):
        raise LabelError("a paired difference needs the same problems in the same order on both sides")
    values = auroc_draws(first, draws=draws, seed=seed) - auroc_draws(second, draws=draws, seed=seed)
    return interval(float(values[0]), values[1:], level=level, problems=rarer_problems(first))


def rarer_problems(steps: ClusteredSteps) -> int:
    """Problems that hold a good step, or those that hold a bad one, whichever are fewer: they bound what is known."""
    good = np.asarray(steps.good_S, dtype=bool).tolist()
    holders = [{p for p, g in zip(steps.problem_S, good, strict=True) if g is kind} for kind in (True, False)]
    return min(map(len, holders))


def auroc_draws(steps: ClusteredSteps, *, draws: int, seed: int, among: Sequence[object] = ()) -> Floats:
    """AUROC of the sample, then of each draw; NaN for a draw of one class. Shape [1 + draws].

    `among` names the problems that are drawn, where the steps are a part of a larger set: parts of one set then share
    their draws.
    """
    scores, good = both_classes(scored(steps.scores_S, steps.good_S), "AUROC")
    problem_S, count = problem_codes(steps.problem_S, len(scores), among)
    order_S = np.argsort(scores, kind="stable")
    good_G, bad_B = order_S[good[order_S]], order_S[~good[order_S]]
    pairing = _Pairing(
        good_problem_G=problem_S[good_G],
        bad_problem_B=problem_S[bad_B],
        below_G=np.searchsorted(scores[bad_B], scores[good_G], side="left"),
        up_to_G=np.searchsorted(scores[bad_B], scores[good_G], side="right"),
    )
    times_DP = np.vstack([np.ones(count), resamples(count, draws, seed)])
    return np.concatenate([pairing.auroc(part_DP) for part_DP in in_parts(times_DP, len(scores))])


def problem_codes(problem_S: Sequence[object], steps: int, among: Sequence[object] = ()) -> tuple[Indexes, int]:
    """A number for each step's problem, in order of appearance (in `among` first), and how many there are."""
    if len(problem_S) != steps:
        raise LabelError(f"{steps} steps need as many problem ids", got=len(problem_S))
    code = {problem: index for index, problem in enumerate(dict.fromkeys([*among, *problem_S]))}
    return np.array([code[problem] for problem in problem_S], dtype=np.intp), len(code)


def resamples(problems: int, draws: int, seed: int) -> Floats:
    """How often each problem was drawn in each draw: [draws, problems], rows sum to `problems`."""
    index_DP = _indexes(problems, draws, seed) + problems * np.arange(draws)[:, None]
    counts = np.bincount(index_DP.ravel(), minlength=draws * problems)
    return counts.reshape(draws, problems).astype(np.float64)


def in_parts(times_DP: Floats, steps: int) -> Iterator[Floats]:
    """The draws in parts whose tables of draws by steps stay within `PART` numbers."""
    size = max(1, PART // max(1, steps))
    for start in range(0, len(times_DP), size):
        yield times_DP[start : start + size]


def interval(value: float, values_D: Floats, *, level: float = 0.95, problems: int | None = None) -> Interval:
    """Student's interval from the statistic of each draw over `problems`; NaN marks an undefined draw.

    Without `problems` it is the plain percentiles, which are too narrow where problems are few.
    """
    tail, defined_D = (1 - _checked(level)) / 2, _defined(values_D)
    low, high = map(float, np.quantile(defined_D, [tail, 1 - tail]))
    if problems is not None:
        half = _error(defined_D, problems) * t_quantile(problems, level) if problems > 1 else 0.0
        low, high = value - half, value + half
    undefined = len(values_D) - len(defined_D)
    return Interval(value=value, low=low, high=high, level=level, draws=len(defined_D), undefined=undefined)


def t_quantile(problems: int, level: float) -> float:
    """Student's two-sided quantile for `problems` - 1 degrees of freedom."""
    return float(stdtrit(problems - 1, (1 + _checked(level)) / 2))


def bounded_interval(
    value: float, values_D: Floats, *, problems: int, level: float = 0.95, span: Span = UNIT
) -> Interval:
    """Wilson-shaped interval of a statistic that lies in `span`, from the spread of its draws; NaN as in `interval`."""
    defined_D = _defined(values_D)
    found = wilson_from_error(value, _error(defined_D, problems), units=problems, level=level, span=span)
    return replace(found, draws=len(defined_D), undefined=len(values_D) - len(defined_D))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pairing:
    """Good and bad steps in ascending order of score: whose they are, and where the good ones stand among the bad."""

    good_problem_G: Indexes
    bad_problem_B: Indexes
    below_G: Indexes
    """Bad steps strictly below each good one."""
    up_to_G: Indexes
    """Bad steps below or tied."""

    def auroc(self, times_DP: Floats) -> Floats:
        """AUROC of each draw, in which problem p counts `times_DP[d, p]` times; NaN where a class is empty."""
        bad_DB = np.cumsum(times_DP[:, self.bad_problem_B], axis=1)
        bad_DB = np.concatenate([np.zeros((len(times_DP), 1)), bad_DB], axis=1)
        times_DG = times_DP[:, self.good_problem_G]
        pairs_D = times_DG.sum(axis=1) * bad_DB[:, -1]
        wins_D = np.einsum("dg,dg->d", times_DG, bad_DB[:, self.below_G] + bad_DB[:, self.up_to_G]) / 2
        values_D: Floats = np.full(len(times_DP), np.nan)
        np.divide(wins_D, pairs_D, out=values_D, where=pairs_D > 0)
        return values_D


def _indexes(clusters: int, draws: int, seed: int) -> Indexes:
    if clusters < 1:
        raise LabelError("a bootstrap needs at least one problem")
    if draws < 1:
        raise ConfigError("a bootstrap needs at least one draw", got=draws)
    return np.random.default_rng(seed).integers(clusters, size=(draws, clusters))


def _checked(level: float) -> float:
    if not 0 < level < 1:
        raise ConfigError("a confidence level must lie between 0 and 1", got=level)
    return level


def _effective_limits(share: float, error: float, units: int, level: float) -> Span:
    """Limits of a share from its standard error; from the number of units where it is at an end and has none."""
    z = t_quantile(units, level)
    if units == 1:
        return UNIT
    if min(share, 1 - share) < ROUNDING:
        return _score_limits(round(share), units, z)
    return _score_limits(share, share * (1 - share) / error**2, z) if error else (share, share)


def _score_limits(share: float, trials: float, z: float) -> Span:
    """Wilson's limits; `trials` need not be whole."""
    below = 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / below
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2)) / below
    return 0.0 if share == 0.0 else centre - half, 1.0 if share == 1.0 else centre + half


def _ratio_parts(sums_P: ArrayLike, sizes_P: ArrayLike) -> tuple[Floats, Floats]:
    sums, sizes = finite(sums_P), finite(sizes_P)
    if len(sums) != len(sizes) or sizes.min() < 0 or sizes.sum() == 0:
        raise LabelError("sums need as many sizes, not negative and not all 0", got=(len(sums), len(sizes)))
    return sums, sizes


def _ratio_draws(sums_P: Floats, sizes_P: Floats, draws: int, seed: int) -> Floats:
    """The ratio of each draw; NaN where none of its problems holds an item."""
    times_DP = resamples(len(sums_P), draws, seed)
    below_D = times_DP @ sizes_P
    values_D: Floats = np.full(draws, np.nan)
    np.divide(times_DP @ sums_P, below_D, out=values_D, where=below_D > 0)
    return values_D


def _error(defined_D: Floats, problems: int) -> float:
    """Standard error from the spread of draws, which is too small by (P - 1) / P; 0 where they differ by rounding."""
    if np.ptp(defined_D) < ROUNDING:
        return 0.0
    return float(defined_D.std()) * math.sqrt(problems / max(problems - 1, 1))


def _defined(values_D: Floats) -> Floats:
    defined_D: Floats = values_D[~np.isnan(values_D)]
    if len(defined_D) == 0:
        raise LabelError("the statistic is undefined on every bootstrap draw", got=f"{len(values_D)} draws")
    return defined_D
