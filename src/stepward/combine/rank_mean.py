"""A weighted mean of ranks within the problem, for signals whose scales drift from problem to problem.

    S_i = w_o rank(o_i) + (1 - w_o) rank(agg_i),   rank in (0, 1): (r - 1/2) / N, ties share their mean rank

Only order inside the pool counts, so any rising change of a signal changes nothing, and nothing can be said of a single
trace: it gets 1/2. A signal that is constant over the pool gives every trace 1/2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from stepward.combine.linear import check_share
from stepward.combine.signals import Signals, aggregates, outcomes
from stepward.metrics.checks import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class RankMean:
    """Raises `ConfigError` where the share is outside [0, 1] or there is no such reducer."""

    outcome: float = 0.5
    """w_o."""
    reduce: str = "geometric_mean"
    needs_pool: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_share(self.outcome, self.reduce)

    def combine(self, traces_N: Sequence[Signals]) -> Floats:
        """[N], in (0, 1)."""
        process, result = pool_ranks(aggregates(traces_N, self.reduce)), pool_ranks(outcomes(traces_N))
        return np.asarray((1 - self.outcome) * process + self.outcome * result)


def pool_ranks(values_N: Floats) -> Floats:
    """(mid-rank - 1/2) / N, in (0, 1)."""
    _, tie_N, count_K = np.unique(values_N, return_inverse=True, return_counts=True)
    middle_K = np.cumsum(count_K) - count_K / 2
    return np.asarray(middle_K[tie_N] / len(values_N))
