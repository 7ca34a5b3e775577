"""Votes of k labellings, step by step: k judges, or one judge asked k times.

    value = good votes / votes cast,   kept iff the larger side has more than `share` of the votes

The label keeps its counts. A labelling that says nothing of a step casts no vote there; a tie is dropped.

Degenerate cases: with fewer than `votes` votes a step stays unlabelled. Labels of the target value have no votes to
count (0.3 is not three votes of ten): name `target` to read each as one vote for good or bad.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stepward.errors import ConfigError, LabelError
from stepward.relabel.agreement.ballot import Hard, assembled, check_target, compared, origin_of
from stepward.types import Json, LabeledTrace, Origin, Problem, StepLabel


@dataclass(frozen=True, kw_only=True)
class MajorityConsensus:
    """Counts the labellings' hard views as votes."""

    target: Hard | None = None
    """What the votes mean; None where all labellings mean prefix, or all validity."""
    votes: int = 2
    """Least votes that make a label."""
    share: float = 0.5
    """Of the votes cast, that the larger side must exceed."""

    def __post_init__(self) -> None:
        check_target(self.target)
        if self.votes < 1 or not 0.5 <= self.share < 1:
            raise ConfigError("votes must be at least 1 and share in [0.5, 1)", got=(self.votes, self.share))

    def agree(self, problem: Problem, labellings: Sequence[LabeledTrace]) -> LabeledTrace:
        """The trace with one label for each step that has a majority."""
        columns = list(zip(*compared(problem, labellings, self.target), strict=True))
        target = self.target or self._shared(labellings)
        settings: dict[str, Json] = {"votes": self.votes, "share": self.share}
        origin = origin_of("majority", settings, labellings)
        labels = tuple(self._label([call for call in column if call is not None], target, origin) for column in columns)
        return assembled(labellings, labels, {"labellings": len(labellings), "undecided": labels.count(None)})

    def _label(self, cast: Sequence[bool], target: Hard | None, origin: Origin) -> StepLabel | None:
        good, count = sum(cast), len(cast)
        if target is None or count < self.votes or max(good, count - good) <= self.share * count:
            return None
        return StepLabel(
            target=target, value=good / count, source="consensus", successes=good, trials=count, origin=origin
        )

    @staticmethod
    def _shared(labellings: Sequence[LabeledTrace]) -> Hard | None:
        target = next((each.target for each in labellings if each.target is not None), None)
        if target == "value" or target == "progress":
            raise LabelError(f"{target} labels are no votes", mend='name what a vote means: target="prefix"')
        return target
