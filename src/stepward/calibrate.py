"""Probabilities that mean what they say: fitted on labelled scores, applied to others.

With x = logit p, p first held `EDGE` from 0 and 1 where a formula needs the logit:
    Temperature   sigma(x / t)                        keeps 1/2 and the order      (Guo et al., arXiv 1706.04599)
    Platt         sigma(a x + b)                      moves 1/2                    (Platt 1999, with his targets)
    Beta          sigma(a log p - b log(1-p) + c)     for skewed scores; a, b >= 0 (Kull et al. 2017)
    Isotonic      any rising function, by pooling adjacent violators; wants a thousand labels or more

Temperature, Platt and Beta minimise the negative log-likelihood; Platt and Beta against the targets
(N+ + 1)/(N+ + 2) and 1/(N- + 2) instead of 1 and 0, so that separable labels have a finite fit. `t` is held in
[`LOWEST_T`, `HIGHEST_T`]: a fit at the upper end says that the scores carry nothing, or rank backwards.
Isotonic interpolates between the centres of its blocks, so scores that differ mostly stay different, and is held in
[1/(n+2), 1 - 1/(n+2)] for n labels.

Fit on problems that nothing else is trained or judged on. Calibrated steps do not make a calibrated aggregate: fit
again after reducing. Degenerate case: labels of one class teach nothing and are refused with `LabelError`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from stepward.errors import ConfigError, ScoreError
from stepward.metrics.checks import Floats, Scored, both_classes, finite, probabilities
from stepward.protocols import StepScorer
from stepward.types import Json, Problem, StepScores, Trace

EDGE = 1e-6
LOWEST_T, HIGHEST_T = 0.01, 100.0

Bounds: TypeAlias = "Sequence[tuple[float | None, float | None]]"


@runtime_checkable
class Calibrator(Protocol):
    """A fitted map from probabilities to better ones."""

    def transform(self, probs_K: ArrayLike) -> Floats:
        """Calibrated probabilities, in order. `ScoreError` for what is no probability."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperature:
    """sigma(logit(p) / t)."""

    t: float

    def __post_init__(self) -> None:
        _refuse(self.t > 0 and math.isfinite(self.t), "t must be above 0 and finite", self.t)

    def transform(self, probs_K: ArrayLike) -> Floats:
        """Flatter for t > 1, sharper below."""
        return _sigmoid(_logit(_unit(probs_K)) / self.t)


@dataclass(frozen=True, slots=True, kw_only=True)
class Platt:
    """sigma(a logit(p) + b)."""

    a: float
    b: float

    def __post_init__(self) -> None:
        _refuse(math.isfinite(self.a) and math.isfinite(self.b), "a and b must be finite", (self.a, self.b))

    def transform(self, probs_K: ArrayLike) -> Floats:
        """A line in log-odds."""
        return _sigmoid(self.a * _logit(_unit(probs_K)) + self.b)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beta:
    """sigma(a log p - b log(1 - p) + c)."""

    a: float
    b: float
    c: float

    def __post_init__(self) -> None:
        sane = self.a >= 0 and self.b >= 0 and all(map(math.isfinite, (self.a, self.b, self.c)))
        _refuse(sane, "a and b must be at least 0, all finite", (self.a, self.b, self.c))

    def transform(self, probs_K: ArrayLike) -> Floats:
        """Bends low and high scores apart from each other."""
        held = _held(_unit(probs_K))
        return _sigmoid(self.a * np.log(held) - self.b * np.log1p(-held) + self.c)


@dataclass(frozen=True, slots=True, kw_only=True)
class Isotonic:
    """Rising and piecewise linear through (xs, ys), flat outside."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]

    def __post_init__(self) -> None:
        fits = len(self.xs) == len(self.ys) > 0 and all(0 <= value <= 1 for value in (*self.xs, *self.ys))
        rising = all(a < b for a, b in zip(self.xs, self.xs[1:], strict=False))
        rising = rising and all(a <= b for a, b in zip(self.ys, self.ys[1:], strict=False))
        _refuse(fits and rising, "xs must rise, ys must not fall, both within [0, 1]", (self.xs, self.ys))

    def transform(self, probs_K: ArrayLike) -> Floats:
        """Interpolated."""
        return np.asarray(np.interp(_unit(probs_K), self.xs, self.ys), dtype=np.float64)


def fit_temperature(probs_K: ArrayLike, labels_K: ArrayLike) -> Temperature:
    """The temperature of the highest likelihood."""
    probs, good = _training(probs_K, labels_K)
    bounds = [(1 / HIGHEST_T, 1 / LOWEST_T)]
    (slope,) = _fit_logistic(_logit(probs)[:, None], good.astype(np.float64), bounds)
    return Temperature(t=1 / slope)


def fit_platt(probs_K: ArrayLike, labels_K: ArrayLike) -> Platt:
    """Slope and shift against Platt's targets."""
    probs, good = _training(probs_K, labels_K)
    features_KF = np.column_stack([_logit(probs), np.ones(len(probs))])
    a, b = _fit_logistic(features_KF, _platt_targets(good), [(None, None), (None, None)])
    return Platt(a=a, b=b)


def fit_beta(probs_K: ArrayLike, labels_K: ArrayLike) -> Beta:
    """Beta calibration against Platt's targets."""
    probs, good = _training(probs_K, labels_K)
    held = _held(probs)
    features_KF = np.column_stack([np.log(held), -np.log1p(-held), np.ones(len(held))])
    a, b, c = _fit_logistic(features_KF, _platt_targets(good), [(0.0, None), (0.0, None), (None, None)])
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


CALIBRATORS: Mapping[str, Callable[..., Calibrator]] = {
    "beta": Beta,
    "isotonic": Isotonic,
    "platt": Platt,
    "temperature": Temperature,
}

FITS: Mapping[str, Callable[[ArrayLike, ArrayLike], Calibrator]] = {
    "beta": fit_beta,
    "isotonic": fit_isotonic,
    "platt": fit_platt,
    "temperature": fit_temperature,
}


def to_json(calibrator: Calibrator) -> dict[str, Json]:
    """A record that `from_json` reads back: the fields, and the name under "calibrator"."""
    name = next((name for name, kind in CALIBRATORS.items() if kind is type(calibrator)), None)
    if name is None or not isinstance(calibrator, Temperature | Platt | Beta | Isotonic):
        raise ConfigError("only the calibrators of CALIBRATORS can be written", got=type(calibrator).__name__)
    values = {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(calibrator).items()}
    return {"calibrator": name, **values}


def from_json(record: Mapping[str, Json]) -> Calibrator:
    """The calibrator that `to_json` wrote; `ConfigError` for anything else."""
    name = record.get("calibrator")
    if not isinstance(name, str) or name not in CALIBRATORS:
        raise ConfigError("there is no such calibrator", got=name, mend=f"one of {', '.join(CALIBRATORS)}")
    fields = {k: tuple(v) if isinstance(v, list | tuple) else v for k, v in record.items() if k != "calibrator"}
    try:
        return CALIBRATORS[name](**fields)
    except TypeError as error:
        raise ConfigError(f"the record of a {name} calibrator is damaged: {error}", got=dict(record)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """A `StepScorer` whose probabilities pass through a calibrator."""

    scorer: StepScorer
    calibrator: Calibrator

    async def score(self, problem: Problem, trace: Trace) -> StepScores:
        """The inner scores, calibrated; `ScoreError` where they are no probabilities."""
        scores = await self.scorer.score(problem, trace)
        if scores.convention != "probability":
            raise ScoreError("a calibrator needs probabilities", got=scores.convention)
        values = tuple(self.calibrator.transform(scores.values).tolist())
        settings = {**scores.scorer.settings, "calibration": to_json(self.calibrator)}
        return replace(scores, values=values, scorer=replace(scores.scorer, settings=settings))


def _fit_logistic(features_KF: Floats, targets_K: Floats, bounds: Bounds) -> list[float]:
    """Weights of the highest likelihood of `targets_K`, shares of 1, within bounds. Convex: one optimum."""
    from scipy.optimize import minimize

    def loss(weights_F: Floats) -> tuple[float, Floats]:
        z_K = features_KF @ weights_F
        slope_F = features_KF.T @ (_sigmoid(z_K) - targets_K) / len(z_K)
        return float(np.mean(np.logaddexp(0.0, z_K) - targets_K * z_K)), np.asarray(slope_F)

    start = np.ones(features_KF.shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-15, "gtol": 1e-9})
    return [float(weight) for weight in found.x]


def _platt_targets(good_K: np.ndarray) -> Floats:
    positive = int(good_K.sum())
    negative = len(good_K) - positive
    return np.where(good_K, (positive + 1) / (positive + 2), 1 / (negative + 2))


def _training(probs_K: ArrayLike, labels_K: ArrayLike) -> Scored:
    return both_classes(probabilities(probs_K, labels_K), "a calibration")


def _unit(probs_K: ArrayLike) -> Floats:
    if np.size(probs_K) == 0:
        return np.zeros(0)
    probs = finite(probs_K)
    if probs.min() < 0 or probs.max() > 1:
        raise ScoreError("a calibrator needs probabilities", got=(float(probs.min()), float(probs.max())))
    return probs


def _held(probs_K: Floats) -> Floats:
    return np.clip(probs_K, EDGE, 1 - EDGE)


def _logit(probs_K: Floats) -> Floats:
    held = _held(probs_K)
    return np.asarray(np.log(held) - np.log1p(-held))


def _sigmoid(x_K: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x_K)))


def _refuse(sane: bool, rule: str, got: object) -> None:
    if not sane:
        raise ConfigError(rule, got=got)
