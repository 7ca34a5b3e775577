"""Advantage under a best-of-K prover (process advantage verifiers).

    Q_K(s) = 1 - (1 - V(s))^K          A_k = Q_K(s_k) - Q_K(s_{k-1})

The prover completes with the best of K samples of the completer, and its value follows from the completer's: nothing
is drawn anew. Advantage under the policy itself adds nothing to its outcome reward; under a very strong prover
(large K) every step comes out near 0, because it recovers from everything. K = 4 is the paper's choice for search.

K = 1 is `progress`. Degenerate cases: as there.

Source: Setlur et al., arXiv 2410.08146.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stepward.errors import ConfigError
from stepward.metrics.binomial import any_of
from stepward.relabel.progress import gain
from stepward.relabel.values import Move, Remake, moves
from stepward.types import LabeledTrace, Problem


@dataclass(frozen=True, kw_only=True)
class Advantage:
    """Value labels become the progress of each step under the best of `best_of` completions."""

    best_of: int = 4

    def __post_init__(self) -> None:
        if self.best_of < 1:
            raise ConfigError("advantage.best_of must be at least 1", got=self.best_of)

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """One per trace. Raises `LabelError` without the counts of the empty prefix."""
        remake = Remake(name="advantage", target="progress", settings={"best_of": self.best_of})
        return [remake.apply(trace, [proved_gain(move, self.best_of) for move in moves(trace)]) for trace in labeled]


def proved_gain(move: Move, best_of: int) -> float | None:
    """What a step gains for a prover that completes with the best of `best_of`."""
    before, after = (None if value is None else any_of(value, best_of) for value in (move.before, move.after))
    return gain(Move(before=before, after=after))
