"""Searches side by side: how often each is right, what it costs, and which are worth their price.

The unit is a problem. Each arm (a method at a size) answers the same problems under the same seeds; a problem's
correctness is the mean over seeds, and intervals are bootstrap over problems, paired between arms. An abstention is
not right; an answer whose verdict is undecided is left out, with its problem, for every arm of that seed.

    gap closed     (accuracy - pass@1) / (pass@N - pass@1): 0 is one sample, 1 an oracle among N
    Pareto         no other arm costs at most as much on this axis and is right at least as often, one of both strictly

Cost is everything that was spent, discarded branches included: `flops` counts policy and scorer together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from stepward.errors import LabelError
from stepward.metrics.bootstrap import Interval, bootstrap_mean, bootstrap_share
from stepward.metrics.checks import Floats
from stepward.types import Spend

Axis = Literal["flops", "policy_tokens", "prompt_tokens", "scorer_tokens", "seconds"]
AXES: tuple[Axis, ...] = get_args(Axis)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What one arm made of one problem under one seed."""

    arm: str
    problem_id: str
    seed: int
    correct: bool | None
    """None where the verdict is undecided."""
    spend: Spend
    abstained: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """How one arm did."""

    arm: str
    accuracy: Interval
    problems: int
    seeds: int
    abstained: float
    """Share of answers that were none."""
    undecided: int
    """Answers, of any arm, that took their problem out of this seed's comparison."""
    cost: Mapping[str, float]
    """Mean per problem, by axis."""
    by_seed: tuple[float, ...]
    """Accuracy under each seed, in order of the seeds."""
    pareto: tuple[Axis, ...] = ()
    """Axes on which nothing is both cheaper and better."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Comparison:
    """Every arm, and the matrix behind them."""

    arms: tuple[ArmResult, ...]
    problem_ids: tuple[str, ...]
    """The problems that count."""
    correct_PA: Floats
    """Mean over seeds, problems by arms."""

    def difference(self, arm: str, other: str, *, seed: int) -> Interval:
        """Accuracy of `arm` less that of `other`, paired by problem."""
        return bootstrap_mean(self._column(arm) - self._column(other), seed=seed)

    def gap_closed(self, arm: str, pool: Mapping[str, tuple[float, float]]) -> float | None:
        """Share of the way from one sample to an oracle, over the problems of `pool`: (pass@1, pass@N) by problem.

        None where there is no gap.
        """
        rows = [(self._column(arm)[at], *pool[p]) for at, p in enumerate(self.problem_ids) if p in pool]
        if not rows:
            return None
        found, one, oracle = np.mean(rows, axis=0)
        return float((found - one) / (oracle - one)) if oracle > one else None

    def _column(self, arm: str) -> Floats:
        names = [each.arm for each in self.arms]
        if arm not in names:
            raise LabelError("no arm has this name", got=arm, mend=f"arms: {', '.join(names)}")
        return np.asarray(self.correct_PA[:, names.index(arm)])


def compare(attempts: Sequence[Attempt], *, seed: int) -> Comparison:
    """Every arm on the problems that all arms answered. `LabelError` where an arm lacks a problem or seed.

    `seed` is the bootstrap's.
    """
    table = _table(attempts)
    arms, problems, seeds = (list(dict.fromkeys(each)) for each in zip(*table, strict=True))
    undecided = {(p, s) for (_, p, s), attempt in table.items() if attempt.correct is None}
    counted = {p: [s for s in seeds if (p, s) not in undecided] for p in problems}
    kept = [p for p in problems if counted[p]]
    if not kept:
        raise LabelError("no problem has a decided answer under every arm", got=len(undecided))
    correct_PA = np.array([[np.mean([bool(table[a, p, s].correct) for s in counted[p]]) for a in arms] for p in kept])
    results = [
        _arm([table[arm, p, s] for p in kept for s in counted[p]], correct_PA[:, at], len(undecided), seed)
        for at, arm in enumerate(arms)
    ]
    marked = tuple(_marked(results, each) for each in results)
    return Comparison(arms=marked, problem_ids=tuple(kept), correct_PA=correct_PA)


def _table(attempts: Sequence[Attempt]) -> dict[tuple[str, str, int], Attempt]:
    """By arm, problem and seed, each once, none missing."""
    table = {(a.arm, a.problem_id, a.seed): a for a in attempts}
    if not table or len(table) != len(attempts):
        raise LabelError("an arm answers each problem once under each seed, and some arm answers", got=len(attempts))
    arms, problems, seeds = (list(dict.fromkeys(each)) for each in zip(*table, strict=True))
    missing = [(a, p, s) for a in arms for p in problems for s in seeds if (a, p, s) not in table]
    if missing:
        raise LabelError("every arm must answer every problem under every seed", got=missing[:3])
    return table


def _arm(attempts: Sequence[Attempt], correct_P: Floats, undecided: int, seed: int) -> ArmResult:
    seeds = sorted({a.seed for a in attempts})
    return ArmResult(
        arm=attempts[0].arm,
        accuracy=bootstrap_share(correct_P, np.ones(len(correct_P)), seed=seed),
        problems=len(correct_P),
        seeds=len(seeds),
        abstained=float(np.mean([a.abstained for a in attempts])),
        undecided=undecided,
        cost={axis: float(np.mean([getattr(a.spend, axis) for a in attempts])) for axis in AXES},
        by_seed=tuple(float(np.mean([bool(a.correct) for a in attempts if a.seed == s])) for s in seeds),
    )


def _marked(results: Sequence[ArmResult], one: ArmResult) -> ArmResult:
    """`one` with the axes on which it stands on the Pareto front."""
    return replace(one, pareto=tuple(axis for axis in AXES if not any(_beats(o, one, axis) for o in results)))


def _beats(other: ArmResult, one: ArmResult, axis: Axis) -> bool:
    cost, right = (other.cost[axis], one.cost[axis]), (other.accuracy.value, one.accuracy.value)
    return cost[0] <= cost[1] and right[0] >= right[1] and (cost[0] < cost[1] or right[0] > right[1])
