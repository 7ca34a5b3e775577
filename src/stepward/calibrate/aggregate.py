"""Calibration of one number per trace. Calibrated steps do not make a calibrated aggregate: steps depend on each other.

    LengthPlatt   sigma(a logit(p) + b + c log T)     p the aggregate, T the number of steps

The product of T step probabilities falls with T whatever the trace is worth; c takes that back. With an aggregate that
does not depend on length, c is near 0 and `Platt` or `Isotonic` on the aggregate alone do as well.

Degenerate cases: labels of one class are refused; where every trace has as many steps, log T teaches nothing and c is
0. A trace without steps has no aggregate and is refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stepward.calibrate.logistic import FREE, platt_targets
from stepward.calibrate.numbers import logit, sigmoid, unit
from stepward.errors import ConfigError, ScoreError
from stepward.metrics.checks import Floats, both_classes, probabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthPlatt:
    """A calibrator of traces: a line in log-odds and log length."""

    a: float
    b: float
    c: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.a, self.b, self.c))):
            raise ConfigError("a, b and c must be finite", got=(self.a, self.b, self.c))

    def transform_traces(self, probs_N: ArrayLike, steps_N: Sequence[int]) -> Floats:
        """Calibrated probabilities of N traces, of which the n-th has `steps_N[n]` steps."""
        probs = unit(probs_N)
        return sigmoid(self.a * logit(probs) + self.b + self.c * _log_steps(steps_N, len(probs)))


def fit_length_platt(probs_N: ArrayLike, steps_N: Sequence[int], correct_N: ArrayLike) -> LengthPlatt:
    """Against Platt's targets. `LabelError` on one class, `ScoreError` for a trace without steps."""
    probs, good = both_classes(probabilities(probs_N, correct_N), "a calibration")
    log_steps = _log_steps(steps_N, len(probs))
    varied = bool(np.ptp(log_steps) > 0)
    columns = [logit(probs), *([log_steps] if varied else []), np.ones(len(probs))]
    weights = FREE.weights(np.column_stack(columns), platt_targets(good))
    return LengthPlatt(a=weights[0], b=weights[-1], c=weights[1] if varied else 0.0)


def _log_steps(steps_N: Sequence[int], traces: int) -> Floats:
    steps = np.asarray(steps_N, dtype=np.float64)
    if steps.shape != (traces,) or (traces and steps.min() < 1):
        raise ScoreError("every trace needs its number of steps, at least 1", got=list(steps_N)[:8])
    return np.log(steps)
