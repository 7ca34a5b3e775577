"""A learned aggregate: small boosted trees on features of the step scores, fitted by scikit-learn.

    P(right) = sigma( start + sum_m leaf_m(features) )

Trees are kept as numbers and read by numpy: a record is data, never a pickle. They find what a line cannot (a low
minimum matters only where the last step is high) and want thousands of traces for it; see `held_out.py`.

Degenerate case: labels of one class are refused. (Friedman 2001.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from stepward.calibrate.numbers import sigmoid
from stepward.combine.features import PROCESS, VERSION, both_kinds, check_features, feature_names, trace_features
from stepward.combine.signals import Signals
from stepward.errors import ConfigError
from stepward.metrics.checks import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A regression tree in arrays: node i asks whether feature `feature[i]` <= `threshold[i]`; -1 is a leaf."""

    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]

    def values(self, features_NF: Floats) -> Floats:
        """The leaf value of each row, [N]."""
        feature, threshold = np.array(self.feature), np.array(self.threshold)
        left, right = np.array(self.left), np.array(self.right)
        node_N = np.zeros(len(features_NF), dtype=np.intp)
        while bool((inner := feature[node_N] >= 0).any()):
            at = node_N[inner]
            below = features_NF[inner, feature[at]] <= threshold[at]
            node_N[inner] = np.where(below, left[at], right[at])
        return np.array(self.value)[node_N]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostedTrees:
    """A sum of small trees."""

    start: float
    trees: tuple[Tree, ...]
    features: tuple[str, ...] = PROCESS
    version: str = VERSION
    needs_pool: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_features(self.features, self.version)

    def combine(self, traces_N: Sequence[Signals]) -> Floats:
        """[N], probabilities."""
        # scikit-learn compares in single precision: a feature on a threshold must fall on the same side here
        rows = trace_features(traces_N, self.features).astype(np.float32).astype(np.float64)
        total = np.full(len(rows), self.start)
        for tree in self.trees:
            total += tree.values(rows)
        return sigmoid(total)


@dataclass(frozen=True, slots=True, kw_only=True)
class FitTrees:
    """`BoostedTrees` by scikit-learn's gradient boosting of the log-likelihood."""

    outcome: bool = False
    trees: int = 60
    depth: int = 2
    rate: float = 0.1
    fewest: int = 20
    """Traces in a leaf."""
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.trees, self.depth, self.fewest) < 1 or not 0 < self.rate <= 1:
            raise ConfigError("boosting needs trees, depth and fewest of at least 1, and a rate in (0, 1]", got=self)

    def fit(self, traces_N: Sequence[Signals], correct_N: ArrayLike) -> BoostedTrees:
        """`LabelError` on one class."""
        from sklearn.ensemble import GradientBoostingClassifier

        names = feature_names(self.outcome)
        rows = trace_features(traces_N, names)
        good = both_kinds(rows, correct_N)
        model = GradientBoostingClassifier(
            n_estimators=self.trees,
            max_depth=self.depth,
            learning_rate=self.rate,
            min_samples_leaf=self.fewest,
            subsample=0.8,
            random_state=self.seed,
        ).fit(rows, good)
        start = float(np.log(good.mean() / (1 - good.mean())))
        trees = tuple(_tree(each[0].tree_, self.rate) for each in model.estimators_)
        return BoostedTrees(start=start, trees=trees, features=names)


def _tree(found: object, rate: float) -> Tree:
    """scikit-learn's arrays, leaf values times the learning rate."""
    arrays = {name: np.asarray(getattr(found, name)).reshape(-1).tolist() for name in ("threshold", "value")}
    places = {name: getattr(found, name).tolist() for name in ("feature", "children_left", "children_right")}
    return Tree(
        feature=tuple(max(each, -1) for each in places["feature"]),
        threshold=tuple(arrays["threshold"]),
        left=tuple(places["children_left"]),
        right=tuple(places["children_right"]),
        value=tuple(rate * each for each in arrays["value"]),
    )
