"""Intervals over problems for average precision, Brier score and calibration error, all draws at once.

Average precision and the Brier score lie in [0, 1] and get Wilson-shaped intervals (`bootstrap`).

ECE = sum_b |d_b|, d_b the gap of bin b weighted by its share, is another matter. Its sample value is too high, the more
so the better calibrated the score is, and a bootstrap adds the same noise once more: percentiles of ECE draws cover the
truth hardly ever (`benchmarks/coverage.py`). What is drawn here is the noise e_b of each gap, and both limits are taken
about the worst gaps that the sample allows (the bins stay those of the sample):
    low    ECE - upper quantile of  sum |g_b + e_b| - sum |g_b|,   g_b = d_b where |d_b| > 2.5 se_b, else 0
    high   ECE - lower quantile of  sum |d_b + e_b| - sum |d_b|
so that a calibrated score has 0 in its interval, and the interval always holds the ECE of the sample. No interval of a
sum of absolute values can be exact near 0: this one covers more than its level where gaps are as small as their noise.

Degenerate cases: one class is fine but for average precision, which raises `LabelError`; one problem leaves [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from stepward.errors import LabelError
from stepward.metrics.bootstrap import (
    ClusteredSteps,
    Interval,
    bootstrap_ratio,
    bootstrap_share,
    bounded_interval,
    in_parts,
    problem_codes,
    rarer_problems,
    resamples,
    t_quantile,
)
from stepward.metrics.calibration import ReliabilityBin, equal_mass_bins, equal_width_bins
from stepward.metrics.checks import Flags, Floats, Indexes, both_classes, probabilities, scored

NOISE = 2.5
"""Gaps below as many of their standard errors may be none."""


def bootstrap_average_precision(
    steps: ClusteredSteps, *, draws: int = 2000, seed: int, level: float = 0.95
) -> Interval:
    """Interval of the pooled average precision of wrong steps; `LabelError` on one class."""
    values = average_precision_draws(steps, draws=draws, seed=seed)
    return bounded_interval(float(values[0]), values[1:], problems=rarer_problems(steps), level=level)


def average_precision_draws(steps: ClusteredSteps, *, draws: int, seed: int) -> Floats:
    """Average precision of the sample, then of each draw; NaN for a draw without errors. Shape [1 + draws]."""
    scores, good = both_classes(scored(steps.scores_S, steps.good_S), "average precision")
    problem_S, count = problem_codes(steps.problem_S, len(scores))
    order_S = np.argsort(scores, kind="stable")
    problem_S, bad_S = problem_S[order_S], ~good[order_S]
    start_K = np.flatnonzero(np.diff(scores[order_S], prepend=-np.inf))
    times_DP = np.vstack([np.ones(count), resamples(count, draws, seed)])
    parts = [_precision(part_DP[:, problem_S], bad_S, start_K) for part_DP in in_parts(times_DP, len(scores))]
    return np.concatenate(parts)


def _precision(times_DS: Floats, bad_S: Flags, start_K: Indexes) -> Floats:
    """Average precision of each draw, in which step s counts `times_DS[d, s]` times; NaN for a draw without errors.

    `start_K` begins each run of equal scores.
    """
    flagged_DK = np.cumsum(np.add.reduceat(times_DS, start_K, axis=1), axis=1)
    errors_DK = np.add.reduceat(times_DS * bad_S, start_K, axis=1)
    found_DK = np.cumsum(errors_DK, axis=1)
    precision_DK = np.divide(found_DK, flagged_DK, out=np.zeros_like(found_DK), where=flagged_DK > 0)
    values_D: Floats = np.full(len(times_DS), np.nan)
    all_D = found_DK[:, -1]
    np.divide((errors_DK * precision_DK).sum(axis=1), all_D, out=values_D, where=all_D > 0)
    return values_D


def bootstrap_brier(steps: ClusteredSteps, *, draws: int = 2000, seed: int, level: float = 0.95) -> Interval:
    """Interval of the Brier score over the steps."""
    sums_P, sizes_P = _squares(steps)
    return bootstrap_share(sums_P, sizes_P, draws=draws, seed=seed, level=level)


def bootstrap_brier_difference(
    first: ClusteredSteps, second: ClusteredSteps, *, draws: int = 2000, seed: int, level: float = 0.95
) -> Interval:
    """Paired interval of Brier(first) - Brier(second); `LabelError` unless both are of the same steps."""
    (one_P, sizes_P), (two_P, others_P) = _squares(first), _squares(second)
    if list(first.problem_S) != list(second.problem_S) or not np.array_equal(first.good_S, second.good_S):
        raise LabelError("a paired difference needs the same steps on both sides", got=(sizes_P.sum(), others_P.sum()))
    return bootstrap_ratio(one_P - two_P, sizes_P, draws=draws, seed=seed, level=level)


def bootstrap_ece(
    steps: ClusteredSteps, *, bins: int = 15, draws: int = 2000, seed: int, level: float = 0.95
) -> Interval:
    """ECE over bins of equal width, with an interval that holds the ECE of unlimited problems."""
    made = equal_width_bins(steps.scores_S, steps.good_S, bins=bins)
    return _Gaps.of(steps, made, draws=draws, seed=seed).interval(level)


def bootstrap_ece_equal_mass(
    steps: ClusteredSteps, *, bins: int = 15, draws: int = 2000, seed: int, level: float = 0.95
) -> Interval:
    """The same over the sample's bins of equal mass."""
    made = equal_mass_bins(steps.scores_S, steps.good_S, bins=bins)
    return _Gaps.of(steps, made, draws=draws, seed=seed).interval(level)


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class _Gaps:
    """Gaps of the bins, each weighted by its share of the steps, and how far each draw is off them."""

    gap_B: Floats
    noise_DB: Floats
    problems: int

    @classmethod
    def of(cls, steps: ClusteredSteps, bins: Sequence[ReliabilityBin], *, draws: int, seed: int) -> _Gaps:
        pair = probabilities(steps.scores_S, steps.good_S)
        problem_S, count = problem_codes(steps.problem_S, len(pair.scores_S))
        bin_S = np.searchsorted([b.high for b in bins], pair.scores_S, side="left")
        sums_PB = np.zeros((count, len(bins)))
        np.add.at(sums_PB, (problem_S, bin_S), pair.scores_S - pair.good_S)
        times_DP = resamples(count, draws, seed)
        drawn_DB = (times_DP @ sums_PB) / (times_DP @ np.bincount(problem_S))[:, None]
        gap_B = sums_PB.sum(axis=0) / len(problem_S)
        return cls(gap_B=gap_B, noise_DB=(drawn_DB - gap_B) * math.sqrt(count / max(count - 1, 1)), problems=count)

    def interval(self, level: float) -> Interval:
        value, draws = float(np.abs(self.gap_B).sum()), len(self.noise_DB)
        if self.problems == 1:
            return Interval(value=value, low=0.0, high=1.0, level=level, draws=draws)
        clear_B = np.where(np.abs(self.gap_B) > NOISE * self.noise_DB.std(axis=0), self.gap_B, 0.0)
        tail = float(ndtr(-t_quantile(self.problems, level)))
        low = value - np.quantile(self._excess(clear_B), 1 - tail)
        high = value - np.quantile(self._excess(self.gap_B), tail)
        return Interval(
            value=value,
            low=max(0.0, min(value, float(low))),
            high=min(1.0, max(value, float(high))),
            level=level,
            draws=draws,
        )

    def _excess(self, gap_B: Floats) -> Floats:
        """How much each draw's noise adds to the error of bins with these gaps."""
        return np.asarray(np.abs(gap_B + self.noise_DB).sum(axis=1) - np.abs(gap_B).sum())


def _squares(steps: ClusteredSteps) -> tuple[Floats, Floats]:
    """Sum of squared errors, and number of steps, of each problem."""
    pair = probabilities(steps.scores_S, steps.good_S)
    problem_S, _ = problem_codes(steps.problem_S, len(pair.scores_S))
    squares_P = np.bincount(problem_S, weights=(pair.scores_S - pair.good_S) ** 2)
    return np.asarray(squares_P), np.bincount(problem_S).astype(np.float64)
