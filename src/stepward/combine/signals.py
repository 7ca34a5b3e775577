"""What is known of a trace when signals are combined, and what a combination is.

`Signals` holds a trace's step scores and its outcome score, probabilities both. A `Combination` turns the signals of
all traces of ONE problem into one number each; most look at each trace alone, and say so in `needs_pool`.

Degenerate cases, the same for all: a trace without steps has no process signal and is refused; a combination that
needs an outcome score refuses traces that have none. Nothing is scored 0 for lack of a signal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from stepward.errors import ScoreError
from stepward.metrics.bootstrap import Interval
from stepward.metrics.checks import Floats, probabilities
from stepward.reduce import reducer


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """Calibrated scores of one trace. `ScoreError` where it has no step, or a score is no probability."""

    steps: tuple[float, ...]
    """P(step is right), by a process reward model."""
    outcome: float | None = None
    """P(trace is right), by an outcome reward model; None where there is none."""

    def __post_init__(self) -> None:
        if not self.steps:
            raise ScoreError("a trace without steps has no signals", mend="leave it out, and say so")
        values = [*self.steps, *([] if self.outcome is None else [self.outcome])]
        probabilities(values, [0] * len(values))


@runtime_checkable
class Combination(Protocol):
    """A fitted or chosen way to turn signals into one number a trace."""

    @property
    def needs_pool(self) -> bool:
        """Whether a number depends on the other traces of the problem."""
        ...

    def combine(self, traces_N: Sequence[Signals]) -> Floats:
        """One finite number for each trace of one problem, higher is better."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A combination with what a reader must know of its fit."""

    combination: Combination
    problems: int
    traces: int
    weights: Mapping[str, Interval] = field(default_factory=dict)
    """By name, with 95 % intervals over problems."""


def outcomes(traces_N: Sequence[Signals]) -> Floats:
    """Outcome scores, [N]; `ScoreError` where a trace has none."""
    values = [each.outcome for each in traces_N]
    missing = [index for index, value in enumerate(values) if value is None]
    if missing:
        raise ScoreError("this combination needs an outcome score for every trace", got=f"none for {missing[:3]}")
    return np.array(values, dtype=np.float64)


def aggregates(traces_N: Sequence[Signals], how: str) -> Floats:
    """Step scores reduced by `how`, [N]."""
    reduce = reducer(how)
    return np.array([reduce(each.steps) for each in traces_N], dtype=np.float64)
