"""Probabilities and log-odds as arrays, held `EDGE` from 0 and 1 where a formula would be infinite there."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from stepward.errors import ScoreError
from stepward.metrics.checks import Floats, finite

EDGE = 1e-6


def unit(probs_K: ArrayLike) -> Floats:
    """Probabilities as an array, empty ones too; `ScoreError` for what is none."""
    if np.size(probs_K) == 0:
        return np.zeros(0)
    probs = finite(probs_K)
    if probs.min() < 0 or probs.max() > 1:
        raise ScoreError("a calibrator needs probabilities", got=(float(probs.min()), float(probs.max())))
    return probs


def held(probs_K: Floats) -> Floats:
    """The same, no closer to 0 and 1 than `EDGE`."""
    return np.clip(probs_K, EDGE, 1 - EDGE)


def logit(probs_K: Floats) -> Floats:
    """Log-odds of held probabilities."""
    inside = held(probs_K)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def sigmoid(x_K: Floats) -> Floats:
    """Without overflow at any x."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x_K)))
