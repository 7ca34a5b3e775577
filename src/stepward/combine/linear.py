"""A weighted mean of the two signals.

    S = w_o o + w_p agg(p_1..p_T),   w_o + w_p = 1

The hybrid of most papers. It keeps a probability a probability, and it needs scores on one scale: calibrate both. Its
weakness is that a certain signal cannot overrule: o = 0.01 still leaves w_p agg. `LogLinear` lets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from stepward.combine.signals import Signals, aggregates, outcomes
from stepward.errors import ConfigError
from stepward.metrics.checks import Floats
from stepward.reduce import reducer


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """Raises `ConfigError` where the share is outside [0, 1] or there is no such reducer."""

    outcome: float = 0.5
    """w_o: 0 is the PRM alone, 1 the ORM alone."""
    reduce: str = "geometric_mean"
    needs_pool: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_share(self.outcome, self.reduce)

    def combine(self, traces_N: Sequence[Signals]) -> Floats:
        """[N]. A signal of weight 0 may be missing."""
        process = (1 - self.outcome) * aggregates(traces_N, self.reduce) if self.outcome < 1 else np.zeros(1)
        return process + (self.outcome * outcomes(traces_N) if self.outcome > 0 else 0.0)


def check_share(outcome: float, reduce: str) -> None:
    """Raise `ConfigError` unless `outcome` lies in [0, 1] and `reduce` names a reducer."""
    if not 0 <= outcome <= 1:
        raise ConfigError("the outcome signal's share must lie in [0, 1]", got=outcome)
    reducer(reduce)
