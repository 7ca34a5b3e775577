"""Consensus step by step: a label is kept if all labellings call the step the same, good or bad.

With a weak and a strong completer: a strong one mends wrong prefixes, a weak one fails right ones; where both succeed
or both fail, the prefix and not the completer decides. About 5,000 such samples sufficed in the paper. Put the
labelling whose values are to be learned first.

Degenerate case: a step that one of them left unlabelled is not agreed upon. Paper: Athena-PRM, arXiv 2506.09532.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from stepward.relabel.agreement.ballot import Hard, assembled, check_target, compared, kept, origin_of
from stepward.types import LabeledTrace, Problem


@dataclass(frozen=True, kw_only=True)
class SameStepConsensus:
    """Keeps each label on whose hard view all labellings agree."""

    target: Hard | None = None
    """What the agreed labels mean; see `ballot.py`."""

    def __post_init__(self) -> None:
        check_target(self.target)

    def agree(self, problem: Problem, labellings: Sequence[LabeledTrace]) -> LabeledTrace:
        """The trace with the labels on which all agree."""
        columns = list(zip(*compared(problem, labellings, self.target), strict=True))
        agreed = [column[0] if len(set(column)) == 1 else None for column in columns]
        outcomes = Counter(_outcome(column) for column in columns)
        labels = kept(labellings, agreed, self.target, origin_of("same_step", {}, labellings))
        return assembled(labellings, labels, {"agreement": dict(sorted(outcomes.items()))})


def _outcome(column: Sequence[bool | None]) -> str:
    if None in column:
        return "unknown"
    return "agree" if len(set(column)) == 1 else "differ"
