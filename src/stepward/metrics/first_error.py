"""Where the first error is: decoding it from scores, and how often it is found.

An index is 0-based, None means "no error". Two decoders:
    threshold   the first step with score < tau
    posterior   with hazards h_k = P(first error at k | none before) = 1 - p_k for validity scores,
                P(E = k) = h_k prod_{j<k} (1 - h_j),   P(none) = prod (1 - h_j);   the most likely of these.
Scores of prefix correctness g_k become hazards by h_k = 1 - g_k / g_{k-1}, with g_0 = 1 and never below 0.

ProcessBench (arXiv 2412.06559): a = exact-match rate where there is an error, b = rate of "none" where there is none,
F1 = 2ab / (a + b), its standard error by the delta method (`delta.harmonic`). The benchmark's average is the unweighted
mean of its subsets.

Degenerate cases: F1 is 0 with standard error 0 at a = b = 0; it is undefined, a `LabelError`, where one of the two
kinds of items is missing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stepward.errors import ConfigError, LabelError, ScoreError
from stepward.metrics.bootstrap import Interval
from stepward.metrics.checks import Floats, finite, same_count
from stepward.metrics.delta import Measured, Share, harmonic


def decode_threshold(scores_S: ArrayLike, tau: float = 0.5) -> int | None:
    """The first step that scores below `tau`; None where none does, or there is no step."""
    if not math.isfinite(tau):
        raise ConfigError("a threshold must be a finite number", got=tau)
    if np.size(scores_S) == 0:
        return None
    below_S = finite(scores_S) < tau
    return int(below_S.argmax()) if below_S.any() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstErrorPosterior:
    """Chance that the first error is at each step, and that there is none. Sums to 1."""

    at: tuple[float, ...]
    none: float

    def decode(self) -> int | None:
        """The most likely place. "None" wins a tie, then the earlier step."""
        best = max(self.at, default=0.0)
        return None if self.none >= best else self.at.index(best)


def posterior_from_validity(validity_S: ArrayLike) -> FirstErrorPosterior:
    """From p_k, the chance that step k is valid given valid steps before it."""
    return _posterior(1.0 - _in_unit(validity_S))


def posterior_from_prefix(prefix_S: ArrayLike) -> FirstErrorPosterior:
    """From g_k, the chance of no error up to and with step k. A rise of g counts as no hazard."""
    prefix = _in_unit(prefix_S)
    before = np.concatenate([np.ones(1), prefix])[:-1]
    ratio = np.divide(prefix, before, out=np.ones_like(prefix), where=before > 0)
    return _posterior(np.clip(1.0 - ratio, 0.0, 1.0))


def first_error_accuracy(predicted_N: Sequence[int | None], actual_N: Sequence[int | None]) -> float:
    """Share of traces whose first error, or its absence, was named exactly."""
    same_count(predicted_N, actual_N, "predicted and actual first errors")
    if not actual_N:
        raise LabelError("first-error accuracy is undefined without a trace")
    return sum(p == a for p, a in zip(predicted_N, actual_N, strict=True)) / len(actual_N)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessBenchScore:
    """One subset of ProcessBench."""

    error_accuracy: float
    """a: exact matches among traces with an error."""
    correct_accuracy: float
    """b: "none" among traces without an error."""
    errors: int
    """Traces with an error."""
    correct: int
    """Traces without."""

    def __post_init__(self) -> None:
        if self.errors < 1 or self.correct < 1:
            raise LabelError(
                "ProcessBench F1 is undefined without traces of both kinds",
                got=f"{self.errors} with an error, {self.correct} without",
            )

    @property
    def f1(self) -> float:
        """2ab / (a + b)."""
        return self.measured.value

    @property
    def f1_se(self) -> float:
        """Standard error of `f1` by the delta method."""
        return self.measured.se

    @property
    def measured(self) -> Measured:
        """F1 with its standard error, and through it an interval. Items count as independent."""
        return harmonic(
            Share(value=self.error_accuracy, trials=self.errors),
            Share(value=self.correct_accuracy, trials=self.correct),
        )


def process_bench(predicted_N: Sequence[int | None], actual_N: Sequence[int | None]) -> ProcessBenchScore:
    """Score predictions of one subset. `LabelError` where one kind of item is missing."""
    same_count(predicted_N, actual_N, "predicted and actual first errors")
    wrong = [p == a for p, a in zip(predicted_N, actual_N, strict=True) if a is not None]
    right = [p is None for p, a in zip(predicted_N, actual_N, strict=True) if a is None]
    return ProcessBenchScore(
        error_accuracy=sum(wrong) / max(len(wrong), 1),
        correct_accuracy=sum(right) / max(len(right), 1),
        errors=len(wrong),
        correct=len(right),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanF1:
    """The unweighted mean of subsets."""

    value: float
    se: float
    units: int
    """The smallest of the subsets' numbers of items of a kind."""

    def interval(self, *, level: float = 0.95) -> Interval:
        """Wilson-shaped, within [0, 1]."""
        return Measured(value=self.value, se=self.se, units=self.units).interval(level=level)


def mean_f1(subsets: Sequence[ProcessBenchScore]) -> MeanF1:
    """Average of independent subsets, each counting alike whatever its size."""
    if not subsets:
        raise LabelError("a mean F1 needs at least one subset")
    variance = sum(subset.f1_se**2 for subset in subsets) / len(subsets) ** 2
    return MeanF1(
        value=sum(subset.f1 for subset in subsets) / len(subsets),
        se=math.sqrt(variance),
        units=min(subset.measured.units for subset in subsets),
    )


def _posterior(hazard_S: Floats) -> FirstErrorPosterior:
    alive_S = np.concatenate([np.ones(1), np.cumprod(1.0 - hazard_S)])
    return FirstErrorPosterior(at=tuple((hazard_S * alive_S[:-1]).tolist()), none=float(alive_S[-1]))


def _in_unit(probs_S: ArrayLike) -> Floats:
    if np.size(probs_S) == 0:
        return np.zeros(0)
    probs = finite(probs_S)
    if probs.min() < 0 or probs.max() > 1:
        raise ScoreError("a posterior needs probabilities", got=(float(probs.min()), float(probs.max())))
    return probs
