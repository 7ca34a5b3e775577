"""Standard errors by the delta method: what a formula says where no bootstrap is wanted, or to check one.

Of a function f of means m with covariance C: Var(f) = grad' C grad. Here
    ratio       R = sum a / sum n over P problems: Var = P / (P - 1) sum_p (a_p - R n_p)^2 / (sum n)^2
    F1          2 TP / (2 TP + FP + FN) is such a ratio, TP, FP and FN counted by problem
    harmonic    F = 2ab / (a + b) of two independent shares (ProcessBench, arXiv 2412.06559):
                Var = 4 (b^4 Var(a) + a^4 Var(b)) / (a + b)^4,   Var(a) = a (1 - a) / n_a
An interval of value -+ 1.96 se leaves [0, 1] and is too narrow near its ends; `Measured.interval` is Wilson-shaped.

Degenerate cases: one problem has no spread, `LabelError`; harmonic is 0 with error 0 where a = b = 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stepward.errors import ConfigError, LabelError
from stepward.metrics.bootstrap import UNIT, Interval, Span, wilson_from_error
from stepward.metrics.checks import finite


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A value, its standard error, and the independent units they are of."""

    value: float
    se: float
    units: int

    def interval(self, *, level: float = 0.95, span: Span = UNIT) -> Interval:
        """Wilson-shaped, for a value that lies in `span`."""
        return wilson_from_error(self.value, self.se, units=self.units, level=level, span=span)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share among independent items."""

    value: float
    trials: int

    def __post_init__(self) -> None:
        if not 0 <= self.value <= 1 or self.trials < 1:
            raise ConfigError("a share lies in [0, 1], of at least one trial", got=(self.value, self.trials))

    @property
    def variance(self) -> float:
        """Of the mean: p (1 - p) / n."""
        return self.value * (1 - self.value) / self.trials


def ratio(sums_P: ArrayLike, sizes_P: ArrayLike) -> Measured:
    """sum(sums) / sum(sizes) over problems. `LabelError` for fewer than two problems, or nothing below the line."""
    sums, sizes = finite(sums_P), finite(sizes_P)
    if len(sums) != len(sizes) or sizes.min() < 0 or sizes.sum() == 0:
        raise LabelError("sums need as many sizes, not negative and not all 0", got=(len(sums), len(sizes)))
    problems = int((sizes > 0).sum())
    if problems < 2:
        raise LabelError("a standard error over problems needs two of them", got=problems)
    value = float(sums.sum() / sizes.sum())
    spread = float(((sums - value * sizes) ** 2).sum())
    return Measured(value=value, se=math.sqrt(problems / (problems - 1) * spread) / float(sizes.sum()), units=problems)


def f1(true_positive_P: ArrayLike, wrong_P: ArrayLike) -> Measured:
    """F1 from true positives and from false calls (FP + FN) of each problem."""
    twice_P = 2 * np.asarray(true_positive_P, dtype=np.float64)
    return ratio(twice_P, twice_P + np.asarray(wrong_P, dtype=np.float64))


def harmonic(first: Share, second: Share) -> Measured:
    """Harmonic mean of two independent shares."""
    a, b = first.value, second.value
    units = min(first.trials, second.trials)
    if a + b == 0:
        return Measured(value=0.0, se=0.0, units=units)
    spread = b**4 * first.variance + a**4 * second.variance
    return Measured(value=2 * a * b / (a + b), se=2 * math.sqrt(spread) / (a + b) ** 2, units=units)
