"""The fitted maps.

With x = logit p, p first held `EDGE` from 0 and 1 where a formula needs the logit:

    Temperature   sigma(x / t)                        keeps 1/2 and the order      (Guo et al., arXiv 1706.04599)
    Platt         sigma(a x + b)                      moves 1/2                    (Platt 1999)
    Beta          sigma(a log p - b log(1-p) + c)     for skewed scores; a, b >= 0 (Kull et al. 2017)
    Isotonic      any rising function, piecewise linear
    Logistic      sigma(a s + b) of a score s that is no probability: a logit, a log-ratio, a margin

`Logistic` alone reads such scores, and what comes out of it is a probability; the others refuse them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from stepward.calibrate.numbers import held, logit, sigmoid, unit
from stepward.errors import ConfigError
from stepward.metrics.checks import Floats, finite


@runtime_checkable
class Calibrator(Protocol):
    """A fitted map from scores to probabilities that mean what they say."""

    @property
    def reads_raw(self) -> bool:
        """Whether it takes scores that are no probabilities; a map takes the one kind or the other."""
        ...

    def transform(self, probs_K: ArrayLike) -> Floats:
        """Calibrated probabilities, in order. `ScoreError` for what it cannot read."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperature:
    """sigma(logit(p) / t)."""

    t: float
    reads_raw: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _refuse(self.t > 0 and math.isfinite(self.t), "t must be above 0 and finite", self.t)

    def transform(self, probs_K: ArrayLike) -> Floats:
        """Flatter for t > 1, sharper below."""
        return sigmoid(logit(unit(probs_K)) / self.t)


@dataclass(frozen=True, slots=True, kw_only=True)
class Platt:
    """sigma(a logit(p) + b)."""

    a: float
    b: float
    reads_raw: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _refuse(math.isfinite(self.a) and math.isfinite(self.b), "a and b must be finite", (self.a, self.b))

    def transform(self, probs_K: ArrayLike) -> Floats:
        """A line in log-odds."""
        return sigmoid(self.a * logit(unit(probs_K)) + self.b)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logistic:
    """sigma(a s + b), for scores of any convention but probability."""

    a: float
    b: float
    reads_raw: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _refuse(math.isfinite(self.a) and math.isfinite(self.b), "a and b must be finite", (self.a, self.b))

    def transform(self, probs_K: ArrayLike) -> Floats:
        """Probabilities of scores that are finite and otherwise anything."""
        if np.size(probs_K) == 0:
            return np.zeros(0)
        return sigmoid(self.a * finite(probs_K) + self.b)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beta:
    """sigma(a log p - b log(1 - p) + c)."""

    a: float
    b: float
    c: float
    reads_raw: ClassVar[bool] = False

    def __post_init__(self) -> None:
        sane = self.a >= 0 and self.b >= 0 and all(map(math.isfinite, (self.a, self.b, self.c)))
        _refuse(sane, "a and b must be at least 0, all finite", (self.a, self.b, self.c))

    def transform(self, probs_K: ArrayLike) -> Floats:
        """Bends low and high scores apart from each other."""
        inside = held(unit(probs_K))
        return sigmoid(self.a * np.log(inside) - self.b * np.log1p(-inside) + self.c)


@dataclass(frozen=True, slots=True, kw_only=True)
class Isotonic:
    """Rising and piecewise linear through (xs, ys), flat outside."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    reads_raw: ClassVar[bool] = False

    def __post_init__(self) -> None:
        fits = len(self.xs) == len(self.ys) > 0 and all(0 <= value <= 1 for value in (*self.xs, *self.ys))
        rising = all(a < b for a, b in zip(self.xs, self.xs[1:], strict=False))
        rising = rising and all(a <= b for a, b in zip(self.ys, self.ys[1:], strict=False))
        _refuse(fits and rising, "xs must rise, ys must not fall, both within [0, 1]", (self.xs, self.ys))

    def transform(self, probs_K: ArrayLike) -> Floats:
        """Interpolated."""
        return np.asarray(np.interp(unit(probs_K), self.xs, self.ys), dtype=np.float64)


def _refuse(sane: bool, rule: str, got: object) -> None:
    if not sane:
        raise ConfigError(rule, got=got)
