"""Logistic regression on shares of 1: what every parametric calibrator and fitted combination minimises.

    sum_k w_k [ log(1 + e^{z_k}) - y_k z_k ] / sum_k w_k + c/2 |weights|^2,   z = features @ weights

Convex, so there is one optimum. Platt's targets, (N+ + 1)/(N+ + 2) and 1/(N- + 2) instead of 1 and 0, keep the
optimum finite where a feature separates the labels. `intercept` leaves the last weight out of the penalty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from stepward.calibrate.numbers import sigmoid
from stepward.metrics.checks import Flags, Floats

Bounds: TypeAlias = "Sequence[tuple[float | None, float | None]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogisticFit:
    """How weights are held."""

    bounds: Bounds | None = None
    """Lower and upper for each weight; None is free."""
    penalty: float = 0.0
    """c, on every weight but the last, which is the shift."""

    def weights(self, features_KF: Floats, targets_K: Floats, counts_K: Floats | None = None) -> list[float]:
        """The F weights of the highest likelihood of `targets_K`; row k counts `counts_K[k]` times."""
        from scipy.optimize import minimize

        share_K = np.ones(len(targets_K)) if counts_K is None else counts_K
        share_K = share_K / share_K.sum()
        held_F = np.r_[np.full(features_KF.shape[1] - 1, self.penalty), 0.0]

        def loss(weights_F: Floats) -> tuple[float, Floats]:
            z_K = features_KF @ weights_F
            slope_F = features_KF.T @ (share_K * (sigmoid(z_K) - targets_K)) + held_F * weights_F
            value = share_K @ (np.logaddexp(0.0, z_K) - targets_K * z_K) + 0.5 * held_F @ weights_F**2
            return float(value), np.asarray(slope_F)

        start = np.ones(features_KF.shape[1])
        options = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1000}
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=self.bounds, options=options)
        return [float(weight) for weight in found.x]


FREE = LogisticFit()


def platt_targets(good_K: Flags) -> Floats:
    """Shares a little inside 0 and 1, by how many labels each class has."""
    positive = int(good_K.sum())
    negative = len(good_K) - positive
    return np.where(good_K, (positive + 1) / (positive + 2), 1 / (negative + 2))
