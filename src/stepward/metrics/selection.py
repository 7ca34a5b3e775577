"""What choosing one of N samples is worth, estimated from a pool of M >= N samples of one problem.

Exact expectations over all subsets of size N:
    pass@N   = 1 - C(M - c, N) / C(M, N)                  c right of M: an oracle chooses
    best@N   = sum over distinct scores of  rho [C(L + t, N) - C(L, N)] / C(M, N)
               L samples strictly below, t tied, rho = share right among the tied (ties broken uniformly)
Voting has no closed form: `vote_curve` draws subsets without replacement, at least 400 as in PRM800K's evaluation, and
gives the Monte-Carlo standard error with the mean. M >= 4N is wise: beyond half the pool the subsets overlap.

    gap closed = (best@N - pass@1) / (pass@N - pass@1)
    KL of best-of-N from its policy <= log N - (N - 1) / N      (Gao et al., arXiv 2210.10760)

Degenerate cases: a sample with score -inf cannot be chosen, and a subset of only such samples counts as wrong; N > M is
refused; the gap is undefined, a `ScoreError`, where the oracle gains nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import ArrayLike

from stepward.errors import ConfigError, ScoreError
from stepward.metrics.checks import Flags, Floats, Indexes, flags

FEWEST_DRAWS = 400


def pass_at_k(samples: int, right: int, k: int) -> float:
    """Chance that `k` of `samples` drawn without replacement hold at least one of the `right` ones."""
    if not 0 <= right <= samples or not 1 <= k <= samples:
        raise ConfigError("pass@k needs 0 <= right <= samples and 1 <= k <= samples", got=(samples, right, k))
    return float(1.0 - _share_below(samples, k)[samples - right])


def best_of_n(scores_M: ArrayLike, correct_M: ArrayLike, n: int) -> float:
    """Expected correctness of the highest score among `n` of M samples."""
    scores, correct = _pool(scores_M, correct_M, n)
    distinct_K, tie_M, tied_K = np.unique(scores, return_inverse=True, return_counts=True)
    share_K = np.diff(_share_below(len(scores), n)[np.cumsum(tied_K)], prepend=0.0)
    right_K = np.bincount(tie_M, weights=correct) / tied_K
    return float((share_K * right_K)[distinct_K > -np.inf].sum())


def gap_closed(best: float, first: float, oracle: float) -> float:
    """Share of the way from pass@1 to pass@N that a selection goes."""
    if oracle <= first:
        raise ScoreError("gap closed is undefined: the oracle gains nothing over one sample", got=(first, oracle))
    return (best - first) / (oracle - first)


def best_of_n_kl(n: int) -> float:
    """Upper bound in nats of the divergence of best-of-`n` from its policy."""
    if n < 1:
        raise ConfigError("n must be at least 1", got=n)
    return math.log(n) - (n - 1) / n


@dataclass(frozen=True, slots=True, kw_only=True)
class VotePool:
    """M samples of one problem, ready for voting."""

    group_M: ArrayLike
    """Samples with one answer share a number; a sample without a vote has a negative one."""
    correct_M: ArrayLike
    weight_M: ArrayLike
    """What each sample adds to its answer; ones for a plain majority."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A Monte-Carlo mean and its standard error."""

    value: float
    se: float


def vote_curve(pool: VotePool, ns: Sequence[int], *, draws: int = FEWEST_DRAWS, seed: int) -> list[Estimate]:
    """Expected correctness of the answer with the highest sum of weights among n samples, for each n of `ns`.

    Ties go to the higher single weight, then to each answer alike, which is the expectation of "first seen". An
    answer is as right as the mean of its samples in the pool. A subset without votes counts as wrong.
    """
    if draws < FEWEST_DRAWS:
        raise ConfigError(f"voting needs at least {FEWEST_DRAWS} subsamples", got=draws)
    weight = np.asarray(pool.weight_M, dtype=np.float64)
    for n in ns:
        _pool(weight, pool.correct_M, n)
    count = _Count.of(pool)
    if count.settled:
        return [Estimate(value=float(count.right_G[0]), se=0.0) for _ in ns]
    place_DM = _places(len(weight), draws, seed)
    return [_estimate(count.right((place_DM < n)[:, count.voter_V])) for n in ns]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Count:
    """Counts votes of many subsets at once. Voters are sorted by answer: V voters in G groups."""

    voter_V: Indexes
    start_G: Indexes
    weight_V: Floats
    right_G: Floats
    settled: bool
    """Every sample votes for one answer, so every subset does."""

    @classmethod
    def of(cls, pool: VotePool) -> _Count:
        group, correct = np.asarray(pool.group_M), flags(pool.correct_M)
        if group.shape != correct.shape:
            raise ConfigError("a pool needs a group for each sample", got=(len(group), len(correct)))
        order = np.argsort(group, kind="stable")
        voter_V = order[group[order] >= 0]
        _, group_V, size_G = np.unique(group[voter_V], return_inverse=True, return_counts=True)
        return cls(
            voter_V=voter_V,
            start_G=np.cumsum(size_G) - size_G,
            weight_V=np.asarray(pool.weight_M, dtype=np.float64)[voter_V],
            right_G=np.bincount(group_V, weights=correct[voter_V]) / size_G,
            settled=len(size_G) == 1 and len(voter_V) == len(group),
        )

    def right(self, drawn_DV: Flags) -> Floats:
        """Expected correctness of each subset's winner. Shape [D]."""
        if len(self.voter_V) == 0:
            return np.zeros(len(drawn_DV))
        present_DG = np.logical_or.reduceat(drawn_DV, self.start_G, axis=1)
        sum_DG = np.add.reduceat(drawn_DV * self.weight_V, self.start_G, axis=1)
        winner_DG = _highest(sum_DG, among=present_DG)
        tied = winner_DG.sum(axis=1) > 1
        weight_TV = np.where(drawn_DV[tied], self.weight_V, -np.inf)
        winner_DG[tied] = _highest(np.maximum.reduceat(weight_TV, self.start_G, axis=1), among=winner_DG[tied])
        return np.asarray(winner_DG @ self.right_G / np.maximum(winner_DG.sum(axis=1), 1))


@lru_cache(maxsize=1024)
def _places(samples: int, draws: int, seed: int) -> Indexes:
    """Each sample's place in each random order: the subset of size n is what stands before place n."""
    places = np.argsort(np.random.default_rng(seed).random((draws, samples)), axis=1).astype(np.int16)
    places.flags.writeable = False
    return places


def _highest(values_DG: Floats, *, among: Flags) -> Flags:
    """Which of each row's allowed values equal the highest of them, up to the rounding of a sum."""
    held_DG = np.where(among, values_DG, -np.inf)
    best_D1 = held_DG.max(axis=1, keepdims=True)
    slack_D1 = 1e-12 * np.where(np.isfinite(best_D1), np.maximum(1.0, np.abs(best_D1)), 0.0)
    return np.asarray(among & (held_DG >= best_D1 - slack_D1))


@cache
def _share_below(samples: int, n: int) -> Floats:
    """For L = 0..M: share of the subsets of size n that lie among L given samples, C(L, n) / C(M, n)."""
    total = math.comb(samples, n)
    shares = np.array([math.comb(below, n) / total for below in range(samples + 1)])
    shares.flags.writeable = False
    return shares


def _pool(scores_M: ArrayLike, correct_M: ArrayLike, n: int) -> tuple[Floats, Flags]:
    scores, correct = np.asarray(scores_M, dtype=np.float64), flags(correct_M)
    if scores.shape != correct.shape:
        raise ScoreError("a pool needs a score for each sample", got=(scores.shape, correct.shape))
    if np.isnan(scores).any() or (scores == np.inf).any():
        raise ScoreError("a score must be a finite number, or -inf for a sample that cannot be chosen")
    if not 1 <= n <= len(scores):
        raise ConfigError(f"n must lie between 1 and the pool's {len(scores)} samples", got=n)
    return scores, correct


def _estimate(values_D: Floats) -> Estimate:
    return Estimate(value=float(values_D.mean()), se=float(values_D.std(ddof=1) / math.sqrt(len(values_D))))
