"""Effective reward: value and best-of-K advantage together, as a hard label.

    e_k = V_k + alpha (Q_K(s_k) - Q_K(s_{k-1}))        label 1 where e_k > 0, else 0

The hard label V_k > 0 forgives a step that throws most of the value away; this one does not, once alpha times what is
lost exceeds what is left. alpha = 0 is the hard label itself. Like `ratio` it judges the step, not the prefix.

`effective_reward` is the number itself, what reinforcement learning takes (alpha 3 to 5 there).

Degenerate cases: as for `progress`.

Source: Setlur et al., arXiv 2410.08146 (reward); Xiong et al., arXiv 2508.19229 (as a label).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stepward.errors import ConfigError
from stepward.relabel.advantage import proved_gain
from stepward.relabel.values import Move, Remake, moves
from stepward.types import LabeledTrace, Problem


@dataclass(frozen=True, kw_only=True)
class Effective:
    """Value labels become 1 or 0 by the sign of the effective reward."""

    alpha: float = 1.0
    best_of: int = 4

    def __post_init__(self) -> None:
        if not 0 <= self.alpha < math.inf or self.best_of < 1:
            raise ConfigError("effective needs alpha >= 0 and best_of >= 1", got=(self.alpha, self.best_of))

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """One per trace. Raises `LabelError` without the counts of the empty prefix."""
        settings = {"alpha": self.alpha, "best_of": self.best_of}
        remake = Remake(name="effective", target="validity", settings=settings)
        return [remake.apply(trace, map(self._judge, moves(trace))) for trace in labeled]

    def _judge(self, move: Move) -> float | None:
        reward = effective_reward(move, alpha=self.alpha, best_of=self.best_of)
        return None if reward is None else float(reward > 0.0)


def effective_reward(move: Move, *, alpha: float, best_of: int) -> float | None:
    """V_k + alpha A_k; None where either value is unknown."""
    advantage = proved_gain(move, best_of)
    return None if advantage is None or move.after is None else move.after + alpha * advantage
