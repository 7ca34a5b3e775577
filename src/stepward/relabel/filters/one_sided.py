"""Leaves out problems that are solved always, or never: all their prefixes look alike, and no error can be placed.

What counts are the decided verdicts of the problem's traces. OmegaPRM drops such questions before it spends on them
(32 rollouts each, arXiv 2406.06592); behind the labelling it saves training on them. Degenerate case: fewer than
`traces` decided verdicts say nothing, and the problem stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from stepward.errors import ConfigError
from stepward.relabel.filters.leaving import emptied
from stepward.types import LabeledTrace, Problem


@dataclass(frozen=True, kw_only=True)
class OneSidedProblems:
    """Empties the traces of problems whose attempts are all right or all wrong."""

    drop: Literal["both", "right", "wrong"] = "both"
    """right: only what is always solved; wrong: only what never is."""
    traces: int = 2
    """Least decided verdicts."""

    def __post_init__(self) -> None:
        if self.drop not in ("both", "right", "wrong") or self.traces < 1:
            raise ConfigError(
                'drop must be "both", "right" or "wrong", traces at least 1', got=(self.drop, self.traces)
            )

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """The same traces: as they are, or all without labels."""
        verdicts = [each.verdict.correct for each in labeled if each.verdict is not None]
        decided = [verdict for verdict in verdicts if verdict is not None]
        right = self.drop in ("both", "right") and all(decided)
        wrong = self.drop in ("both", "wrong") and not any(decided)
        one_sided = len(decided) >= self.traces and (right or wrong)
        return [emptied(each) for each in labeled] if one_sided else list(labeled)
