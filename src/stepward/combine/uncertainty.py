"""How sure a step score is, and what that is good for.

    ensemble    mean and standard deviation over heads that saw resampled problems (ActPRM, arXiv 2504.10559)
    quantiles   heads for the 10 %, 50 % and 90 % quantile of the value, pinball loss (arXiv 2506.09338)
    band        conformalised quantiles: [low - m, high + m], m the ceil((P + 1) level)-th smallest over P problems of
                max over its labels of max(low - y, y - high) (Romano et al., arXiv 1905.03222)

A band covers every label of a new problem at once with probability `level`, if problems are exchangeable and both
models saw none of them. Its labels are what it covers: with k of n as y, that is the noisy k / n, not the value behind.

Use: `metrics.binomial.samples_needed` samples hold a right one with confidence C, where its p_low is a low quantile of
the chance that one is (instance-adaptive scaling). What k of n rollouts say, before any model, stands there too.

Degenerate cases: one head has no deviation and is refused; fewer than level / (1 - level) problems cannot give a band
and are refused.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from stepward.combine.log_linear import problem_codes
from stepward.errors import ConfigError, LabelError, ScoreError
from stepward.metrics.checks import finite
from stepward.types import StepScores

How = Literal["ensemble", "quantiles", "band"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UncertainScores:
    """Step scores with a lower and an upper end for each. `ScoreError` unless low <= score <= high in [0, 1]."""

    scores: StepScores
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    how: How
    deviations: tuple[float, ...] = ()
    """Standard deviation over heads, one a step; nothing for quantiles."""

    def __post_init__(self) -> None:
        counts = {len(self.scores), len(self.lows), len(self.highs), len(self.deviations) or len(self.scores)}
        if len(counts) != 1:
            raise ScoreError("every step needs a score, a low and a high end", got=sorted(counts))
        for step, (low, value, high) in enumerate(zip(self.lows, self.scores.values, self.highs, strict=True)):
            if not 0 <= low <= value <= high <= 1:
                raise ScoreError(f"the interval of step {step} does not hold its score", got=(low, value, high))

    def lower(self) -> StepScores:
        """The low ends as scores: what a cautious search or gate reads."""
        return replace(self.scores, values=self.lows)

    def trusted(self, *, deviation: float = 0.01, sure: float = 0.9) -> bool:
        """ActPRM's rule: up to the first step below 1/2 every score is sure, and the heads agree on it.

        An untrusted trace is worth a label. `ScoreError` without deviations.
        """
        if len(self.scores) and not self.deviations:
            raise ScoreError("trust needs an ensemble's deviations", got=self.how)
        for value, spread in zip(self.scores.values, self.deviations, strict=True):
            if spread > deviation or 1 - sure < value < sure:
                return False
            if value < 0.5:
                return True
        return True


def ensemble_scores(scores: StepScores, probs_SE: ArrayLike, *, level: float = 0.8) -> UncertainScores:
    """The mean over E heads for each of S steps, their deviation, and the range of the middle `level` of them.

    `scores` says whose they are; its values are replaced. `ScoreError` for fewer than two heads.
    """
    if not len(scores):
        return UncertainScores(scores=scores, lows=(), highs=(), how="ensemble")
    probs = np.asarray(probs_SE, dtype=np.float64).reshape(len(scores), -1)
    if probs.shape[1] < 2:
        raise ScoreError("an ensemble needs at least two heads", got=probs.shape[1])
    mean_S = probs.mean(axis=1)
    low_S, high_S = np.quantile(probs, [(1 - level) / 2, (1 + level) / 2], axis=1)
    return UncertainScores(
        scores=replace(scores, values=tuple(mean_S.tolist())),
        lows=tuple(np.minimum(low_S, mean_S).tolist()),
        highs=tuple(np.maximum(high_S, mean_S).tolist()),
        how="ensemble",
        deviations=tuple(probs.std(axis=1, ddof=1).tolist()),
    )


def quantile_scores(scores: StepScores, quantiles_SQ: ArrayLike) -> UncertainScores:
    """Low, middle and high of each step; crossing quantiles are put in order (Chernozhukov et al. 2010)."""
    if not len(scores):
        return UncertainScores(scores=scores, lows=(), highs=(), how="quantiles")
    ordered = np.sort(np.asarray(quantiles_SQ, dtype=np.float64).reshape(len(scores), -1), axis=1)
    if ordered.shape[1] < 3 or not ordered.shape[1] % 2:
        raise ScoreError("quantile scores need an odd number of quantiles, 3 or more", got=ordered.shape[1])
    low, middle, high = (tuple(ordered[:, at].tolist()) for at in (0, ordered.shape[1] // 2, -1))
    return UncertainScores(scores=replace(scores, values=middle), lows=low, highs=high, how="quantiles")


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """By how much intervals must be widened (or, below 0, may be narrowed) to cover a problem's labels."""

    margin: float
    level: float
    problems: int

    def widen(self, scores: UncertainScores) -> UncertainScores:
        """The same scores with the band's ends, held in [0, 1] and around the score."""
        rows = list(zip(scores.lows, scores.scores.values, scores.highs, strict=True))
        return replace(
            scores,
            lows=tuple(min(value, max(0.0, low - self.margin)) for low, value, _ in rows),
            highs=tuple(max(value, min(1.0, high + self.margin)) for _, value, high in rows),
            how="band",
        )


def fit_band(
    lows_K: ArrayLike, highs_K: ArrayLike, values_K: ArrayLike, problem_K: Sequence[Hashable], *, level: float = 0.9
) -> Band:
    """The margin that covers all labels of a share `level` of problems. `LabelError` where they are too few."""
    lows, highs, values = finite(lows_K), finite(highs_K), finite(values_K)
    if not (0 < level < 1 and len(lows) == len(highs) == len(values)):
        raise ConfigError("a band needs a level in (0, 1) and as many ends as values", got=(level, len(values)))
    problem = problem_codes(problem_K, len(values)).astype(np.intp)
    worst_P = np.full(int(problem.max()) + 1, -np.inf)
    np.maximum.at(worst_P, problem, np.maximum(lows - values, values - highs))
    rank = math.ceil((len(worst_P) + 1) * level - 1e-9)
    if rank > len(worst_P):
        raise LabelError(f"a band of level {level:g} needs more problems", got=len(worst_P), mend="lower the level")
    return Band(margin=float(np.sort(worst_P)[rank - 1]), level=level, problems=len(worst_P))
