"""How far a number could be off: cluster bootstrap over problems, and the Wilson interval.

The traces of one problem are alike, so problems are drawn with replacement, never traces or steps; the interval is the
range between the (1 - level)/2 and (1 + level)/2 quantiles of the statistic over the draws (percentile method).

`bootstrap` takes any statistic. For means and AUROC there are paths that never copy a trace: a draw is a row of
`times_DP`, how often each problem was drawn, and the statistic of all draws is a few array operations. One seed and one
number of problems give the same draws everywhere, so the difference of two such intervals' draws is a paired bootstrap.

Degenerate cases: a draw on which the statistic is undefined (one class) is left out and counted in `undefined`; where
no draw is left, `LabelError`. A sample without variation gives an interval of width 0: few problems that all agree
say less than that interval claims, and `wilson` is then the honest one.

Shapes: D draws, P problems, S steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from stepward.errors import ConfigError, LabelError
from stepward.metrics.checks import Floats, Indexes, both_classes, finite, scored

Cluster = TypeVar("Cluster")


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
    z, share = _normal_quantile((1 + _checked(level)) / 2), successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2)) / (1 + z * z / trials)
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return Interval(value=share, low=low, high=high, level=level)


def bootstrap(
    statistic: Callable[[Sequence[Cluster]], float],
    clusters: Sequence[Cluster],
    *,
    draws: int = 2000,
    seed: int,
    level: float = 0.95,
) -> Interval:
    """Interval of `statistic`, a function of a list of clusters, one cluster per problem.

    A draw on which the statistic raises `LabelError` counts as undefined. Clusters may be pairs: the bootstrap of
    a difference between two systems on the same problems is then paired.
    """
    value = statistic(clusters)
    values_D = np.full(draws, np.nan)
    for draw, index_P in enumerate(_indexes(len(clusters), draws, seed)):
        try:
            values_D[draw] = statistic([clusters[i] for i in index_P])
        except LabelError:
            continue
    return interval(value, values_D, level=level)


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
        interval(float(row_P.mean()), draws_D, level=level) for row_P, draws_D in zip(rows_XP, draws_DX.T, strict=True)
    ]


def bootstrap_ratio(
    sums_P: ArrayLike, sizes_P: ArrayLike, *, draws: int = 2000, seed: int, level: float = 0.95
) -> Interval:
    """Interval of sum(sums) / sum(sizes): a mean over items, of which problem p holds `sizes_P[p]`."""
    sums, sizes = finite(sums_P), finite(sizes_P)
    if len(sums) != len(sizes) or sizes.min() < 0 or sizes.sum() == 0:
        raise LabelError("sums need as many sizes, not negative and not all 0", got=(len(sums), len(sizes)))
    times_DP = resamples(len(sums), draws, seed)
    below_D = times_DP @ sizes
    values_D = np.divide(times_DP @ sums, below_D, out=np.full(draws, np.nan), where=below_D > 0)
    return interval(float(sums.sum() / sizes.sum()), values_D, level=level)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusteredSteps:
    """Steps of many problems in one row: score, label (1 good), and the problem, any hashable id."""

    scores_S: ArrayLike
    good_S: ArrayLike
    problem_S: Sequence[object]


def bootstrap_auroc(steps: ClusteredSteps, *, draws: int = 2000, seed: int, level: float = 0.95) -> Interval:
    """Interval of the pooled step AUROC; `LabelError` on one class."""
    values = auroc_draws(steps, draws=draws, seed=seed)
    return interval(float(values[0]), values[1:], level=level)


def bootstrap_auroc_difference(
    first: ClusteredSteps, second: ClusteredSteps, *, draws: int = 2000, seed: int, level: float = 0.95
) -> Interval:
    """Paired interval of AUROC(first) - AUROC(second). Both must hold the same problems in the same order."""
    if list(dict.fromkeys(first.problem_S)) != list(dict.fromkeys(second.problem_S)):
        raise LabelError("a paired difference needs the same problems in the same order on both sides")
    values = auroc_draws(first, draws=draws, seed=seed) - auroc_draws(second, draws=draws, seed=seed)
    return interval(float(values[0]), values[1:], level=level)


def auroc_draws(steps: ClusteredSteps, *, draws: int, seed: int) -> Floats:
    """AUROC of the sample, then of each draw; NaN for a draw of one class. Shape [1 + draws]."""
    scores, good = both_classes(scored(steps.scores_S, steps.good_S), "AUROC")
    problem_S, count = _codes(steps.problem_S, len(scores))
    order_S = np.argsort(scores, kind="stable")
    good_G, bad_B = order_S[good[order_S]], order_S[~good[order_S]]
    pairing = _Pairing(
        good_problem_G=problem_S[good_G],
        bad_problem_B=problem_S[bad_B],
        below_G=np.searchsorted(scores[bad_B], scores[good_G], side="left"),
        up_to_G=np.searchsorted(scores[bad_B], scores[good_G], side="right"),
    )
    times_DP = np.vstack([np.ones(count), resamples(count, draws, seed)])
    return np.array([pairing.auroc(times_P) for times_P in times_DP])


def resamples(problems: int, draws: int, seed: int) -> Floats:
    """How often each problem was drawn in each draw: [draws, problems], rows sum to `problems`."""
    index_DP = _indexes(problems, draws, seed) + problems * np.arange(draws)[:, None]
    counts = np.bincount(index_DP.ravel(), minlength=draws * problems)
    return counts.reshape(draws, problems).astype(np.float64)


def interval(value: float, values_D: Floats, *, level: float = 0.95) -> Interval:
    """Percentile interval around `value` from the statistic of each draw; NaN marks an undefined draw."""
    tail = (1 - _checked(level)) / 2
    defined_D = values_D[~np.isnan(values_D)]
    if len(defined_D) == 0:
        raise LabelError("the statistic is undefined on every bootstrap draw", got=f"{len(values_D)} draws")
    low, high = np.quantile(defined_D, [tail, 1 - tail])
    undefined = len(values_D) - len(defined_D)
    return Interval(
        value=value, low=float(low), high=float(high), level=level, draws=len(defined_D), undefined=undefined
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pairing:
    """Good and bad steps in ascending order of score: whose they are, and where the good ones stand among the bad."""

    good_problem_G: Indexes
    bad_problem_B: Indexes
    below_G: Indexes
    """Bad steps strictly below each good one."""
    up_to_G: Indexes
    """Bad steps below or tied."""

    def auroc(self, times_P: Floats) -> float:
        """AUROC where problem p counts `times_P[p]` times; NaN where a class is empty."""
        bad_below = np.concatenate([np.zeros(1), np.cumsum(times_P[self.bad_problem_B])])
        times_G = times_P[self.good_problem_G]
        pairs = float(times_G.sum() * bad_below[-1])
        # einsum and not @: thousands of small products in a threaded BLAS wait for each other on a busy machine
        wins = float(np.einsum("g,g", times_G, bad_below[self.below_G] + bad_below[self.up_to_G])) / 2
        return wins / pairs if pairs > 0 else math.nan


def _indexes(clusters: int, draws: int, seed: int) -> Indexes:
    if clusters < 1:
        raise LabelError("a bootstrap needs at least one problem")
    if draws < 1:
        raise ConfigError("a bootstrap needs at least one draw", got=draws)
    return np.random.default_rng(seed).integers(clusters, size=(draws, clusters))


def _codes(problem_S: Sequence[object], steps: int) -> tuple[Indexes, int]:
    if len(problem_S) != steps:
        raise LabelError(f"{steps} steps need as many problem ids", got=len(problem_S))
    code = {problem: index for index, problem in enumerate(dict.fromkeys(problem_S))}
    return np.array([code[problem] for problem in problem_S], dtype=np.intp), len(code)


def _checked(level: float) -> float:
    if not 0 < level < 1:
        raise ConfigError("a confidence level must lie between 0 and 1", got=level)
    return level


def _normal_quantile(share: float) -> float:
    return NormalDist().inv_cdf(share)
