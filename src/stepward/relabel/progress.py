"""Progress: the value that a step gains.

    A_k = V_k - V_{k-1}        V_{-1} is the value of the empty prefix

A right step that does not help has progress near 0, a fatal one -V_{k-1}; a wrong step can have progress above 0
by luck. Progress sums to V_last - V_{-1} over a trace.

Degenerate cases: a step next to an unlabelled one has no progress. With k of n on both sides the difference is
noisier than either: its variance is the sum of theirs.

Source: Setlur et al., arXiv 2410.08146.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stepward.relabel.values import Move, Remake, moves
from stepward.types import LabeledTrace, Problem


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Value labels become progress labels."""

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """One per trace. Raises `LabelError` without the counts of the empty prefix."""
        remake = Remake(name="progress", target="progress", settings={})
        return [remake.apply(trace, map(gain, moves(trace))) for trace in labeled]


def gain(move: Move) -> float | None:
    """Value behind a step minus value before it."""
    return None if move.before is None or move.after is None else move.after - move.before
