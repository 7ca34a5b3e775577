"""How a budget of samples is spread over problems, and which method each problem gets.

**Marginal gain.** If a sample of problem i is right with chance lambda_i, the j-th sample adds lambda_i (1 -
lambda_i)^(j-1) to the chance that one is right. These gains fall with j, so giving each unit of the budget to the
largest is exact. Hopeless problems (lambda near 0) and solved ones (near 1) get little; the middle gets most.

**Dynamic budget.** B(v) = min( ceil( log(eps) / log(1 - v) ), most ) children for a node of value v: as many as are all
bad with chance eps. A promising node needs few (LiteSearch).

**Method by difficulty.** Problems are put into bins by predicted difficulty; each bin gets the method that did best on
the *other* folds of problems, so that no problem chooses its own method. The oracle version bins by true difficulty and
chooses on the same problems: an upper bound, never a result.

Sources: Damani et al., arXiv 2410.04707; LiteSearch, arXiv 2407.00320; Snell et al., arXiv 2408.03314.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stepward.errors import ConfigError
from stepward.metrics.checks import Floats


def marginal_gain(chances: Sequence[float], budget: int, *, least: int = 0, most: int | None = None) -> list[int]:
    """Samples for each problem, summing to `budget` where `most` allows; ties go to the earlier problem.

    `least` and `most` hold for every problem. `ConfigError` where a chance is no probability or `least` does not fit.
    """
    for chance in chances:
        if not 0.0 <= chance <= 1.0:
            raise ConfigError("an allocation needs the chance that one sample is right", got=chance)
    if budget < least * len(chances) or (most is not None and most < least):
        raise ConfigError("the budget does not hold `least` samples for each problem", got=(budget, least, most))
    counts = [least] * len(chances)
    heap = [(-chance * (1 - chance) ** least, i) for i, chance in enumerate(chances)]
    heapq.heapify(heap)
    for _ in range(budget - least * len(chances)):
        while heap and most is not None and counts[heap[0][1]] >= most:
            heapq.heappop(heap)
        if not heap:
            break
        gain, i = heap[0]
        counts[i] += 1
        heapq.heapreplace(heap, (gain * (1 - chances[i]), i))
    return counts


def dynamic_budget(value: float, *, eps: float, most: int) -> int:
    """Children for a node of `value` in (0, 1): ceil(log(eps) / log(1 - value)), at most `most`.

    With v = .3 and eps = .05, 9. `eps` is the chance that none of them is good.
    """
    if not 0 < eps < 1 or most < 1 or not 0 <= value <= 1:
        raise ConfigError("value in [0, 1], eps in (0, 1), most >= 1", got=(value, eps, most))
    if value <= 0:
        return most
    if value >= 1:
        return 1
    return min(most, max(1, math.ceil(math.log(eps) / math.log(1 - value))))


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodChoice:
    """Which method each problem got, and how right it was."""

    method_P: tuple[int, ...]
    """Index of the method for each problem."""
    bin_P: tuple[int, ...]
    correct_P: tuple[float, ...]
    """1 or 0, or a chance, of the chosen method on each problem."""


def by_difficulty(
    difficulty_P: Sequence[float], correct_PM: Floats, *, bins: int = 5, folds: int = 2, seed: int = 0
) -> MethodChoice:
    """The method of each problem, chosen on other folds for its quantile of predicted `difficulty_P`.

    `correct_PM` holds for each problem and method how right it was, at equal cost. With `folds` of 1 the choice is made
    on the very problems: the oracle. A bin without problems in the other folds takes the overall best method.
    """
    difficulty, correct = np.asarray(difficulty_P, float), np.asarray(correct_PM, float)
    if correct.ndim != 2 or len(difficulty) != len(correct) or not len(difficulty):
        raise ConfigError("difficulty [P] and correct [P, M] must agree", got=(difficulty.shape, correct.shape))
    if bins < 1 or not 1 <= folds <= len(difficulty):
        raise ConfigError("bins must be at least 1, folds between 1 and the problems", got=(bins, folds))
    edges = np.quantile(difficulty, np.linspace(0, 1, bins + 1)[1:-1])
    bin_P = np.searchsorted(edges, difficulty, side="right")
    fold_P = np.random.default_rng(seed).permutation(len(difficulty)) % folds
    method_P = np.zeros(len(difficulty), int)
    for fold in range(folds):
        others = fold_P != fold if folds > 1 else np.ones(len(difficulty), bool)
        overall = int(np.argmax(correct[others].mean(axis=0)))
        for b in range(bins):
            seen = others & (bin_P == b)
            chosen = int(np.argmax(correct[seen].mean(axis=0))) if seen.any() else overall
            method_P[(fold_P == fold) & (bin_P == b)] = chosen
    picked = correct[np.arange(len(correct)), method_P]
    return MethodChoice(
        method_P=tuple(map(int, method_P)), bin_P=tuple(map(int, bin_P)), correct_P=tuple(map(float, picked))
    )
