"""A learned aggregate: logistic regression on standardised features of the step scores.

    P(right) = sigma( w . (features - mean) / scale + b ),   penalty c/2 |w|^2

Features are those of `features.py`; they depend on each other, so there is always a penalty. Fit on problems that
neither model was trained on; what a fit is worth is told by problems left out (`held_out.py`), because many features on
few problems always look good on their own.

Degenerate cases: labels of one class are refused; a feature that never varies gets scale 1, and weight 0 by the
penalty. (Learned aggregation: Uesato et al., arXiv 2211.14275.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from stepward.calibrate.logistic import LogisticFit, platt_targets
from stepward.calibrate.numbers import sigmoid
from stepward.combine.features import PROCESS, VERSION, both_kinds, check_features, feature_names, trace_features
from stepward.combine.signals import Signals
from stepward.errors import ConfigError
from stepward.metrics.checks import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedLogistic:
    """Weights on standardised features."""

    weights: tuple[float, ...]
    """One per feature, then the shift."""
    means: tuple[float, ...]
    scales: tuple[float, ...]
    features: tuple[str, ...] = PROCESS
    version: str = VERSION
    needs_pool: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_features(self.features, self.version)
        counts = (len(self.weights) - 1, len(self.means), len(self.scales))
        if set(counts) != {len(self.features)} or min(self.scales) <= 0:
            raise ConfigError("every feature needs a weight, a mean and a scale above 0", got=counts)

    def combine(self, traces_N: Sequence[Signals]) -> Floats:
        """[N], probabilities."""
        standard = (trace_features(traces_N, self.features) - self.means) / self.scales
        return sigmoid(standard @ np.array(self.weights[:-1]) + self.weights[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class FitLogistic:
    """`LearnedLogistic` under a penalty c/2 |w|^2 on standardised features."""

    outcome: bool = False
    """Whether the outcome score is a feature too."""
    penalty: float = 0.01

    def __post_init__(self) -> None:
        if self.penalty <= 0:
            raise ConfigError("the features depend on each other: the penalty must be above 0", got=self.penalty)

    def fit(self, traces_N: Sequence[Signals], correct_N: ArrayLike) -> LearnedLogistic:
        """`LabelError` on one class."""
        names = feature_names(self.outcome)
        rows = trace_features(traces_N, names)
        good = both_kinds(rows, correct_N)
        means, spread = rows.mean(axis=0), rows.std(axis=0)
        scales = np.where(spread > 1e-9, spread, 1.0)
        columns = np.column_stack([(rows - means) / scales, np.ones(len(rows))])
        weights = LogisticFit(penalty=self.penalty).weights(columns, platt_targets(good))
        return LearnedLogistic(
            weights=tuple(weights), means=tuple(means.tolist()), scales=tuple(scales.tolist()), features=names
        )
