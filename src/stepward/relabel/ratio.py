"""Relative progress estimation (GenPRM): a step is good where it keeps most of the value.

    P_k = V_k / V_{k-1}        label 1 where P_k >= epsilon, else 0; everything behind the first V = 0 is 0

It asks of a step what it did to the prefix that it found, so it can be good behind a bad one: the target is validity.
On a problem that is hard for the completer it judges what the hard label V_k > 0 cannot.

Degenerate cases: the ratio of noisy counts is biased and has no value at V_{k-1} = 0; posterior means in place of
shares (relabeler `posterior`) keep it finite, but then nothing is exactly 0. A step next to an unlabelled one
stays unlabelled unless a zero stands before it.

Source: Zhao et al., arXiv 2504.00891 (epsilon 0.8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stepward.errors import ConfigError
from stepward.relabel.values import Move, Remake, moves
from stepward.types import LabeledTrace, Problem


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Value labels become 1 or 0 by the share of the value that each step keeps."""

    epsilon: float = 0.8

    def __post_init__(self) -> None:
        if not 0 < self.epsilon <= 1:
            raise ConfigError("ratio.epsilon must lie in (0, 1]", got=self.epsilon)

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """One per trace. Raises `LabelError` without the counts of the empty prefix."""
        remake = Remake(name="ratio", target="validity", settings={"epsilon": self.epsilon})
        return [remake.apply(trace, self._judge(moves(trace))) for trace in labeled]

    def _judge(self, steps: Sequence[Move]) -> list[float | None]:
        made: list[float | None] = []
        dead = False
        for step in steps:
            dead = dead or step.before == 0.0
            made.append(0.0 if dead else self._kept(step))
            dead = dead or step.after == 0.0
        return made

    def _kept(self, step: Move) -> float | None:
        if step.before is None or step.after is None:
            return None
        return float(step.after >= self.epsilon * step.before)
