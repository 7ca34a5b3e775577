"""Fits of the maps: scores and 0/1 labels in, a calibrator out.

Temperature, Platt, Beta and Logistic minimise the negative log-likelihood; all but the first against Platt's targets,
so that separable labels have a finite fit. `t` is held in [`LOWEST_T`, `HIGHEST_T`]: a fit at the upper end says that
the scores carry nothing, or rank backwards. Isotonic pools adjacent violators, interpolates between the centres of its
blocks, so scores that differ mostly stay different, and is held in [1/(n+2), 1 - 1/(n+2)] for n labels; it wants a
thousand labels or more.

Degenerate case: labels of one class teach nothing and are refused with `LabelError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from stepward.calibrate.logistic import FREE, LogisticFit, platt_targets
from stepward.calibrate.maps import Beta, Calibrator, Isotonic, Logistic, Platt, Temperature
from stepward.calibrate.numbers import held, logit
from stepward.metrics.checks import Scored, both_classes, probabilities, scored

LOWEST_T, HIGHEST_T = 0.01, 100.0


def fit_temperature(probs_K: ArrayLike, labels_K: ArrayLike) -> Temperature:
    """The temperature of the highest likelihood."""
    probs, good = _training(probs_K, labels_K)
    fit = LogisticFit(bounds=[(1 / HIGHEST_T, 1 / LOWEST_T)])
    (slope,) = fit.weights(logit(probs)[:, None], good.astype(np.float64))
    return Temperature(t=1 / slope)


def fit_platt(probs_K: ArrayLike, labels_K: ArrayLike) -> Platt:
    """Slope and shift against Platt's targets."""
    probs, good = _training(probs_K, labels_K)
    a, b = FREE.weights(np.column_stack([logit(probs), np.ones(len(probs))]), platt_targets(good))
    return Platt(a=a, b=b)


def fit_logistic(scores_K: ArrayLike, labels_K: ArrayLike) -> Logistic:
    """Slope and shift on scores that are no probabilities. They are standardised first: any unit fits alike."""
    scores, good = both_classes(scored(scores_K, labels_K), "a calibration")
    centre, scale = float(scores.mean()), float(scores.std()) or 1.0
    a, b = FREE.weights(np.column_stack([(scores - centre) / scale, np.ones(len(scores))]), platt_targets(good))
    return Logistic(a=a / scale, b=b - a * centre / scale)


def fit_beta(probs_K: ArrayLike, labels_K: ArrayLike) -> Beta:
    """Beta calibration against Platt's targets."""
    probs, good = _training(probs_K, labels_K)
    inside = held(probs)
    features_KF = np.column_stack([np.log(inside), -np.log1p(-inside), np.ones(len(inside))])
    fit = LogisticFit(bounds=[(0.0, None), (0.0, None), (None, None)])
    a, b, c = fit.weights(features_KF, platt_targets(good))
    return Beta(a=a, b=b, c=c)


def fit_isotonic(probs_K: ArrayLike, labels_K: ArrayLike) -> Isotonic:
    """Blocks of adjacent scores with one rate, joined by lines between the blocks' mean scores."""
    from sklearn.isotonic import isotonic_regression

    probs, good = _training(probs_K, labels_K)
    score_U, tie_K, count_U = np.unique(probs, return_inverse=True, return_counts=True)
    rate_U = np.bincount(tie_K, weights=good) / count_U
    fitted_U = isotonic_regression(rate_U, sample_weight=count_U)
    ys, block_U = np.unique(fitted_U, return_inverse=True)
    xs = np.bincount(block_U, weights=score_U * count_U) / np.bincount(block_U, weights=count_U)
    edge = 1 / (len(probs) + 2)
    return Isotonic(xs=tuple(xs.tolist()), ys=tuple(np.clip(ys, edge, 1 - edge).tolist()))


FITS: Mapping[str, Callable[[ArrayLike, ArrayLike], Calibrator]] = {
    "beta": fit_beta,
    "isotonic": fit_isotonic,
    "logistic": fit_logistic,
    "platt": fit_platt,
    "temperature": fit_temperature,
}


def _training(probs_K: ArrayLike, labels_K: ArrayLike) -> Scored:
    return both_classes(probabilities(probs_K, labels_K), "a calibration")
