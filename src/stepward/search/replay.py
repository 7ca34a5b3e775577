"""Selection replayed over stored pools: what each way of choosing would have been worth at each n.

A pool holds M samples of one problem with their canonical answers, outcomes and scores. For each n <= M and each
`Method` the expected correctness over all subsets of size n is taken per problem (exact for `first`, `oracle` and
`best`; by `SUBSAMPLES` seeded subsets for votes), then averaged over problems, with a cluster bootstrap over problems.
Methods share the subsets and the draws, so they compare pairwise; `selection_difference` gives that interval.

Degenerate cases: a sample with score None cannot be chosen by that score and has no weighted vote; a None answer has no
vote. A subset in which nothing can be chosen counts as wrong. An answer is as right as the mean of its samples.
Beyond half the pool the subsets overlap so much that a curve says little: `CurvePoint.pool` is there to say so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from stepward.errors import ConfigError, ScoreError
from stepward.metrics.bootstrap import Interval, bootstrap_mean, bootstrap_means
from stepward.metrics.checks import Floats, flags
from stepward.metrics.selection import Estimate, VotePool, best_of_n, pass_at_k, vote_curve
from stepward.reduce import reducer
from stepward.search.voting import HELD
from stepward.types import content_key

SUBSAMPLES = 400
BOOTSTRAP_DRAWS = 2000

Kind = Literal["first", "oracle", "majority", "best", "sum", "log_odds"]
SCORED: frozenset[Kind] = frozenset({"best", "sum", "log_odds"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """M stored samples of one problem. An undecided outcome is neither: leave the sample out before."""

    problem_id: str
    answers: tuple[str | None, ...]
    """Canonical answers."""
    correct: tuple[bool, ...]
    scores: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    """By name, such as "qwen/min": one number per sample, None where there is none."""

    def __post_init__(self) -> None:
        flags(self.correct)
        counts = {"answers": len(self.answers), **{name: len(row) for name, row in self.scores.items()}}
        for name, count in counts.items():
            if count != len(self.correct) or count == 0:
                raise ScoreError(
                    f"the pool of {self.problem_id!r} has {len(self.correct)} outcomes and needs as many {name}",
                    got=count,
                )
        for name, row in self.scores.items():
            if not all(score is None or math.isfinite(score) for score in row):
                raise ScoreError(f"scores {name!r} of the pool of {self.problem_id!r} hold a number that is not finite")

    def __len__(self) -> int:
        return len(self.correct)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way to choose one of n samples, or to let an oracle choose."""

    kind: Kind
    """first: any one sample (pass@1); oracle: pass@n; majority; best: highest score; sum, log_odds: weighted votes."""
    score: str = ""
    """Name of the scores in the pools, for best, sum and log_odds."""
    wrong_answers: float = 1.0
    """m of log_odds."""

    def __post_init__(self) -> None:
        if (self.kind in SCORED) != bool(self.score):
            raise ConfigError("best, sum and log_odds name a score, others none", got=(self.kind, self.score))
        if not (self.wrong_answers >= 1 and math.isfinite(self.wrong_answers)):
            raise ConfigError("wrong_answers must be at least 1", got=self.wrong_answers)

    @property
    def name(self) -> str:
        """Such as "majority" or "best:qwen/min"."""
        return f"{self.kind}:{self.score}" if self.score else self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """Expected accuracy of one method at one n."""

    method: Method
    n: int
    interval: Interval
    """Over problems."""
    monte_carlo_se: float
    """What the subsampling adds; 0 where the expectation is exact."""
    pool: int
    """Samples in the smallest pool."""


def reduced(steps_by_sample: Sequence[Sequence[float]], how: str) -> tuple[float | None, ...]:
    """One number per sample from its step scores, None for a sample without steps: a row of `Pool.scores`."""
    apply = reducer(how)
    return tuple(apply(steps) if len(steps) else None for steps in steps_by_sample)


def all_methods(pools: Sequence[Pool], *, probabilities: bool = True) -> tuple[Method, ...]:
    """Every method that the pools' scores allow; log-odds votes only where the scores are `probabilities`."""
    kinds: tuple[Kind, ...] = ("best", "sum", "log_odds") if probabilities else ("best", "sum")
    names = list(dict.fromkeys(name for pool in pools for name in pool.scores))
    plain = (Method(kind="first"), Method(kind="oracle"), Method(kind="majority"))
    return (*plain, *(Method(kind=kind, score=name) for kind in kinds for name in names))


def selection_curves(
    pools: Sequence[Pool], *, ns: Sequence[int], methods: Sequence[Method], seed: int
) -> tuple[CurvePoint, ...]:
    """One row per method and n, with its interval over problems. `ConfigError` where n exceeds a pool."""
    smallest = _smallest(pools, ns)
    points: list[tuple[Method, int]] = [(method, n) for method in methods for n in ns]
    estimates_XP: list[tuple[Estimate, ...]] = []
    for method in methods:
        by_problem = [_expected(pool, method, ns, _seed_of(seed, pool)) for pool in pools]
        estimates_XP += zip(*by_problem, strict=True)
    values_XP = [[estimate.value for estimate in row_P] for row_P in estimates_XP]
    intervals = bootstrap_means(values_XP, draws=BOOTSTRAP_DRAWS, seed=seed) if values_XP else []
    return tuple(
        CurvePoint(method=method, n=n, interval=interval, monte_carlo_se=_joint_se(row_P), pool=smallest)
        for (method, n), interval, row_P in zip(points, intervals, estimates_XP, strict=True)
    )


def selection_difference(pools: Sequence[Pool], *, n: int, methods: tuple[Method, Method], seed: int) -> Interval:
    """Paired interval over problems of the first method's accuracy less the second's at `n`."""
    _smallest(pools, [n])
    values = [[_expected(pool, method, [n], _seed_of(seed, pool))[0].value for pool in pools] for method in methods]
    return bootstrap_mean(np.subtract(values[0], values[1]), draws=BOOTSTRAP_DRAWS, seed=seed)


def _joint_se(estimates_P: Sequence[Estimate]) -> float:
    """Standard error of the mean of independent estimates."""
    return math.sqrt(sum(estimate.se**2 for estimate in estimates_P)) / len(estimates_P)


def _expected(pool: Pool, method: Method, ns: Sequence[int], seed: int) -> list[Estimate]:
    """Expected correctness at each n."""
    if method.kind == "first":
        return [Estimate(value=sum(pool.correct) / len(pool), se=0.0) for _ in ns]
    if method.kind == "oracle":
        return [Estimate(value=pass_at_k(len(pool), sum(pool.correct), n), se=0.0) for n in ns]
    if method.kind == "best":
        scores = [-math.inf if score is None else score for score in _scores(pool, method.score)]
        return [Estimate(value=best_of_n(scores, pool.correct, n), se=0.0) for n in ns]
    return vote_curve(_vote_pool(pool, method), ns, draws=SUBSAMPLES, seed=seed)


def _vote_pool(pool: Pool, method: Method) -> VotePool:
    weights = [1.0] * len(pool) if method.kind == "majority" else _scores(pool, method.score)
    code: dict[str, int] = {}
    groups = [
        -1 if answer is None or weight is None else code.setdefault(answer, len(code))
        for answer, weight in zip(pool.answers, weights, strict=True)
    ]
    votes = np.array([0.0 if weight is None else weight for weight in weights])
    return VotePool(
        group_M=groups,
        correct_M=pool.correct,
        weight_M=_log_odds(votes, method, pool) if method.kind == "log_odds" else votes,
    )


def _log_odds(weights_M: Floats, method: Method, pool: Pool) -> Floats:
    if weights_M.min() < 0 or weights_M.max() > 1:
        raise ScoreError(f"log-odds votes need probabilities; {method.score!r} of {pool.problem_id!r} holds others")
    held = np.clip(weights_M, HELD, 1 - HELD)
    return np.asarray(np.log(held / (1 - held)) + math.log(method.wrong_answers))


def _scores(pool: Pool, name: str) -> Sequence[float | None]:
    if name not in pool.scores:
        raise ConfigError(f"the pool of {pool.problem_id!r} has no scores {name!r}", got=sorted(pool.scores))
    return pool.scores[name]


def _smallest(pools: Sequence[Pool], ns: Sequence[int]) -> int:
    if not pools:
        raise ConfigError("selection needs at least one pool")
    smallest = min(pools, key=len)
    for n in ns:
        if not 1 <= n <= len(smallest):
            raise ConfigError(f"n must lie between 1 and {len(smallest)}, the pool of {smallest.problem_id!r}", got=n)
    return len(smallest)


def _seed_of(seed: int, pool: Pool) -> int:
    """A seed for `pool`, the same for every method and wherever the pool stands."""
    return int(content_key(seed, pool.problem_id)[:16], 16)
