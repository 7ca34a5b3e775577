"""What choosing harder by a score does to the truth: gold and proxy against the distance from the policy.

Best-of-n moves away from the policy by at most KL = log n - (n - 1)/n, and d = sqrt(KL) is the scale on which curves
of different ways to optimise compare (Gao et al., arXiv 2210.10760). At each n, over all subsets of a problem's pool:

    proxy   expected score of the chosen sample: it can only rise with n
    gold    expected correctness of the chosen sample: where it falls, the score is being gamed
    slope   behind the peak of gold: (gold at the largest n - gold at the peak) / (d there - d at the peak)

Degenerate cases: where gold peaks at the largest n there is no slope behind it, and it is NaN. The peak is chosen on
the same problems as the slope is measured on, which makes falls look larger than they are; a slope whose interval
holds 0 is no fall. The gap between proxy and gold means something only for scores that are calibrated chances to be
right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from stepward.errors import ConfigError, ScoreError
from stepward.evaluation.label_quality import UNDEFINED
from stepward.metrics.bootstrap import Interval, bootstrap_mean
from stepward.metrics.checks import Floats
from stepward.metrics.selection import best_of_n, best_of_n_kl
from stepward.search.replay import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """Both sides at one n."""

    n: int
    distance: float
    """d, in the square root of nats; an upper bound."""
    proxy: Interval
    gold: Interval
    gap: Interval
    """Proxy less gold, problem by problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverOptimisation:
    """One score under growing pressure."""

    score: str
    points: tuple[Pressure, ...]
    peak: Pressure
    """The smallest n at which gold is highest."""
    slope: Interval
    """Change of gold per unit of d behind the peak; NaN where there is nothing behind it."""


def overoptimisation(pools: Sequence[Pool], score: str, ns: Sequence[int], *, seed: int) -> OverOptimisation:
    """The curves of the scores called `score` at each of `ns`, ascending.

    Raises `ConfigError` where `ns` do not ascend, or exceed a pool, and `ScoreError` where a sample has no such score.
    """
    if not pools or not ns or any(small >= large for small, large in pairwise(ns)):
        raise ConfigError("over-optimisation needs a pool and ascending numbers of samples", got=list(ns))
    gold_NP = np.array([[best_of_n(_scores(pool, score), pool.correct, n) for pool in pools] for n in ns])
    proxy_NP = np.array([[expected_best(_scores(pool, score), n) for pool in pools] for n in ns])
    points = tuple(
        Pressure(
            n=n,
            distance=math.sqrt(best_of_n_kl(n)),
            proxy=bootstrap_mean(proxy_P, seed=seed),
            gold=bootstrap_mean(gold_P, seed=seed),
            gap=bootstrap_mean(proxy_P - gold_P, seed=seed),
        )
        for n, proxy_P, gold_P in zip(ns, proxy_NP, gold_NP, strict=True)
    )
    at = int(gold_NP.mean(axis=1).argmax())
    run = points[-1].distance - points[at].distance
    slope = bootstrap_mean((gold_NP[-1] - gold_NP[at]) / run, seed=seed) if run else UNDEFINED
    return OverOptimisation(score=score, points=points, peak=points[at], slope=slope)


def expected_best(scores_M: ArrayLike, n: int) -> float:
    """Expected highest score among `n` of M: sum over ranks r of C(r - 1, n - 1) / C(M, n) times the r-th score."""
    scores: Floats = np.sort(np.asarray(scores_M, dtype=np.float64))
    if not 1 <= n <= len(scores):
        raise ConfigError(f"n must lie between 1 and the pool's {len(scores)} samples", got=n)
    total = math.comb(len(scores), n)
    return float(scores @ [math.comb(rank, n - 1) / total for rank in range(len(scores))])


def _scores(pool: Pool, name: str) -> list[float]:
    found = pool.scores.get(name)
    if found is None:
        raise ConfigError(f"the pool of {pool.problem_id!r} has no scores {name!r}", got=sorted(pool.scores))
    kept = [value for value in found if value is not None]
    if len(kept) != len(found):
        raise ScoreError(
            f"{len(found) - len(kept)} samples of the pool of {pool.problem_id!r} have no score {name!r}",
            mend="leave such samples or pools out, and say so",
        )
    return kept
