"""Log-odds of the two signals, weighed by how much each says: fitted on problems held out from both models.

    P(right) = sigma( a logit(o) + b logit(agg) + c )

With independent calibrated signals and even odds a = b = 1, c = 0 (naive Bayes); two signals that say the same have
a + b = 1. The fit finds where between these a pair stands. Intervals: bootstrap over problems, never over traces.

Degenerate cases: labels of one class are refused. A constant signal moves its weight into c: the intervals show it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from stepward.calibrate.logistic import LogisticFit, platt_targets
from stepward.calibrate.numbers import logit, sigmoid
from stepward.combine.signals import Fitted, Signals, aggregates, outcomes
from stepward.errors import ConfigError, LabelError
from stepward.metrics.bootstrap import interval, resamples
from stepward.metrics.checks import Flags, Floats, both_classes, scored
from stepward.reduce import reducer

PENALTY = 1e-6
"""Keeps a direction along which the signals do not vary from drifting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLinear:
    """P(trace is right). Raises `ConfigError` where a weight is not finite."""

    a: float
    """Of the outcome signal."""
    b: float
    """Of the process signal."""
    c: float
    reduce: str = "geometric_mean"
    needs_pool: ClassVar[bool] = False

    def __post_init__(self) -> None:
        reducer(self.reduce)
        if not all(map(math.isfinite, (self.a, self.b, self.c))):
            raise ConfigError("a, b and c must be finite", got=(self.a, self.b, self.c))

    def combine(self, traces_N: Sequence[Signals]) -> Floats:
        """[N], probabilities."""
        process, result = aggregates(traces_N, self.reduce), outcomes(traces_N)
        return sigmoid(self.a * logit(result) + self.b * logit(process) + self.c)


def fit_log_linear(
    traces_N: Sequence[Signals],
    correct_N: ArrayLike,
    problem_N: Sequence[Hashable],
    *,
    reduce: str = "geometric_mean",
    draws: int = 200,
    seed: int = 0,
) -> Fitted:
    """`LogLinear` of the highest likelihood, with intervals of a, b and c over problems. `LabelError` on one class."""
    result, process = outcomes(traces_N), aggregates(traces_N, reduce)
    _, good = both_classes(scored(result, correct_N), "a combination")
    problems = problem_codes(problem_N, len(good))
    features_NF = np.column_stack([logit(result), logit(process), np.ones(len(good))])
    weights = weigh(features_NF, good)
    drawn_DF = bootstrap_weights(features_NF, good, problems, draws=draws, seed=seed)
    a, b, c = weights
    return Fitted(
        combination=LogLinear(a=a, b=b, c=c, reduce=reduce),
        problems=int(problems.max()) + 1,
        traces=len(good),
        weights={
            name: interval(weights[at], drawn_DF[:, at], problems=int(problems.max()) + 1)
            for at, name in enumerate("abc")
        },
    )


def weigh(features_NF: Floats, good_N: Flags, counts_N: Floats | None = None) -> list[float]:
    """Logistic weights against Platt's targets."""
    return LogisticFit(penalty=PENALTY).weights(features_NF, platt_targets(good_N), counts_N)


def bootstrap_weights(features_NF: Floats, good_N: Flags, problem_N: Floats, *, draws: int, seed: int) -> Floats:
    """Weights of each draw over problems, [draws, F]; NaN for a draw of one class."""
    times_DP = resamples(int(problem_N.max()) + 1, draws, seed)
    rows = np.full((draws, features_NF.shape[1]), np.nan)
    for draw, times_P in enumerate(times_DP):
        counts_N = times_P[problem_N.astype(int)]
        present = counts_N > 0
        if len(set(good_N[present].tolist())) > 1:
            rows[draw] = weigh(features_NF[present], good_N[present], counts_N[present])
    return rows


def problem_codes(problem_N: Sequence[Hashable], traces: int) -> Floats:
    """A number for each trace's problem, in order of appearance. `LabelError` where the counts differ."""
    if len(problem_N) != traces:
        raise LabelError(f"{traces} traces need as many problems", got=len(problem_N))
    code = {problem: index for index, problem in enumerate(dict.fromkeys(problem_N))}
    return np.array([code[problem] for problem in problem_N], dtype=np.float64)
