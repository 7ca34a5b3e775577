"""Whether a score of 0.8 is right eight times in ten.

Bins are right-closed, (lo, hi], the first one closed at 0 as well: equal width (as in Guo et al., arXiv 1706.04599,
15 bins) or equal mass (edges at quantiles; equal scores stay together, so there may be fewer bins).
    ECE   = sum_b (n_b / n) |rate_b - score_b|           of p itself, not of max(p, 1 - p)
    Brier = mean (p - y)^2
          = reliability - resolution + uncertainty + within    (Murphy 1973; Stephenson et al. 2008)
      reliability = sum_b (n_b/n) (score_b - rate_b)^2,  resolution = sum_b (n_b/n) (rate_b - rate)^2,
      uncertainty = rate (1 - rate),  within = what binning hides; 0 where each bin holds one distinct score.
    NLL   = -mean log-likelihood; p is held 2.2e-16 from 0 and 1, where it would be infinite.
ECE of a perfectly calibrated score is above 0 in a finite sample, by about sqrt(2 B p (1-p) / (pi n)) for B bins of
independent items: `noise_floor`. An ECE must be read against it; `step_intervals` has the interval.

Degenerate case: empty bins are left out; an empty input raises `ScoreError`. One class is fine here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stepward.errors import ConfigError
from stepward.metrics.bootstrap import Interval, wilson
from stepward.metrics.checks import Floats, Scored, probabilities

EDGE = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """The items whose score lies in (low, high]."""

    low: float
    high: float
    count: int
    score: float
    """Mean score in the bin."""
    rate: Interval
    """Share of good items in the bin, with its Wilson interval."""

    @property
    def gap(self) -> float:
        """Mean score less share of good: above 0 is overconfident."""
        return self.score - self.rate.value


def equal_width_bins(probs_S: ArrayLike, good_S: ArrayLike, *, bins: int = 15) -> list[ReliabilityBin]:
    """Bins (k/B, (k+1)/B], empty ones left out."""
    return _bins(probabilities(probs_S, good_S), np.arange(_at_least_one(bins) + 1) / bins)


def equal_mass_bins(probs_S: ArrayLike, good_S: ArrayLike, *, bins: int = 15) -> list[ReliabilityBin]:
    """Bins of about as many items each, in order of score."""
    pair = probabilities(probs_S, good_S)
    inner = np.quantile(pair.scores_S, np.arange(1, _at_least_one(bins)) / bins, method="inverted_cdf")
    return _bins(pair, np.unique(np.concatenate([[0.0], inner, [1.0]])))


def expected_error(bins: Sequence[ReliabilityBin]) -> float:
    """Mean gap between score and rate, weighted by count: the ECE of any binning."""
    return sum(b.count * abs(b.gap) for b in bins) / sum(b.count for b in bins)


def ece(probs_S: ArrayLike, good_S: ArrayLike, *, bins: int = 15) -> float:
    """Expected calibration error over bins of equal width."""
    return expected_error(equal_width_bins(probs_S, good_S, bins=bins))


def ece_equal_mass(probs_S: ArrayLike, good_S: ArrayLike, *, bins: int = 15) -> float:
    """Expected calibration error over bins of equal mass."""
    return expected_error(equal_mass_bins(probs_S, good_S, bins=bins))


def noise_floor(bins: Sequence[ReliabilityBin]) -> float:
    """The ECE that these bins would show on average if every score were right and items were independent.

    Of each bin sqrt(2 s (1 - s) / (pi n)), the mean distance of a normal from its centre. Alike items make it larger.
    """
    spread = [math.sqrt(2 * b.count * b.score * (1 - b.score) / math.pi) for b in bins]
    return sum(spread) / sum(b.count for b in bins)


def brier(probs_S: ArrayLike, good_S: ArrayLike) -> float:
    """Mean squared distance of probability and outcome."""
    probs, good = probabilities(probs_S, good_S)
    return float(np.mean((probs - good) ** 2))


def nll(probs_S: ArrayLike, good_S: ArrayLike) -> float:
    """Mean negative log-likelihood in nats."""
    probs, good = probabilities(probs_S, good_S)
    held = np.clip(probs, EDGE, 1.0 - EDGE)
    return float(-np.mean(np.where(good, np.log(held), np.log1p(-held))))


@dataclass(frozen=True, slots=True, kw_only=True)
class BrierParts:
    """Murphy's parts: brier = reliability - resolution + uncertainty + within."""

    brier: float
    reliability: float
    """Harm done by miscalibration; lower is better."""
    resolution: float
    """Gain from telling good from bad; higher is better."""
    uncertainty: float
    """Brier score of always saying the base rate."""
    within: float
    """What the bins hide; 0 where each holds one distinct score."""


def brier_parts(probs_S: ArrayLike, good_S: ArrayLike, *, bins: int = 15) -> BrierParts:
    """The Brier score taken apart over bins of equal width."""
    rows = equal_width_bins(probs_S, good_S, bins=bins)
    share_B = np.array([row.count for row in rows]) / sum(row.count for row in rows)
    rate_B = np.array([row.rate.value for row in rows])
    rate, total = float(share_B @ rate_B), brier(probs_S, good_S)
    reliability = float(share_B @ np.array([row.gap for row in rows]) ** 2)
    resolution, uncertainty = float(share_B @ (rate_B - rate) ** 2), rate * (1 - rate)
    return BrierParts(
        brier=total,
        reliability=reliability,
        resolution=resolution,
        uncertainty=uncertainty,
        within=total - (reliability - resolution + uncertainty),
    )


def _bins(pair: Scored, edges_B: Floats) -> list[ReliabilityBin]:
    """One record per non-empty bin between ascending edges."""
    bin_S = np.clip(np.searchsorted(edges_B, pair.scores_S, side="left") - 1, 0, None)
    rows = []
    for index in np.unique(bin_S).tolist():
        inside = bin_S == index
        count, good = int(inside.sum()), int(pair.good_S[inside].sum())
        rows.append(
            ReliabilityBin(
                low=float(edges_B[index]),
                high=float(edges_B[index + 1]),
                count=count,
                score=float(pair.scores_S[inside].mean()),
                rate=wilson(good, count),
            )
        )
    return rows


def _at_least_one(bins: int) -> int:
    if bins < 1:
        raise ConfigError("calibration needs at least one bin", got=bins)
    return bins
