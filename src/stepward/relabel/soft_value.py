"""Entropy-regularised values (ER-PRM): the soft maximum over completions in place of their mean.

    V_eta = (1 / eta) log E[exp(eta R)] = (1 / eta) log((1 - V) + V e^eta)

for completions that end right (R = 1) or not. eta -> 0 is the mean; the larger eta, the nearer to "any success";
a negative eta leans towards the minimum. 0 and 1 stay where they are.

Degenerate case: of k = 0 it makes 0 whatever eta is.

Source: Zhang et al., arXiv 2412.11006.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stepward.errors import ConfigError
from stepward.relabel.values import Remake, values
from stepward.types import LabeledTrace, Problem


@dataclass(frozen=True, kw_only=True)
class SoftValue:
    """Value labels become entropy-regularised values."""

    eta: float = 1.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.eta) or self.eta == 0:
            raise ConfigError("soft_value.eta must be a finite number other than 0", got=self.eta)

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """One per trace."""
        remake = Remake(name="soft_value", target="value", settings={"eta": self.eta})
        return [
            remake.apply(trace, [None if v is None else soft_value(v, self.eta) for v in values(trace)])
            for trace in labeled
        ]


def soft_value(value: float, eta: float) -> float:
    """(1 / eta) log((1 - value) + value e^eta), for any eta but 0, without overflow."""
    if value in (0.0, 1.0):
        return value
    wrong, right = math.log1p(-value), math.log(value) + eta
    high, low = max(wrong, right), min(wrong, right)
    return min(1.0, max(0.0, (high + math.log1p(math.exp(low - high))) / eta))
