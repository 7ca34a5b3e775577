"""What a benchmark is run on: a labelled trace, and what a classifier or a critic said of it.

A classifier gives one score per step; its first error is the first step that scores below tau. A critic names a first
error by itself, in one vote or several; the call is the one named most often, and the one named first of those tied.
A vote from which no index could be read is silent: it names nothing, is left out of the majority, and where every
vote is silent the call is silent and misses, whatever the truth is. That is how the published scripts count it too,
with one exception: ProcessBench's counts what a box holds though it is no step (a 9 of five steps, a word) as a
vote, and where it wins the item is missed; here it is silent, and the others decide.

Indexes are 0-based; None is "no error".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from stepward.errors import DataError, LabelError
from stepward.metrics.first_error import decode_threshold
from stepward.reward_models.generative.ballots import Judgement
from stepward.types import LabeledTrace, Problem, StepScores

Reads = Literal["classifier", "critic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What was said of a trace's first error."""

    index: int | None
    """The 0-based step; None for no error."""
    silent: bool = False
    """Nothing could be read: neither a step nor "no error"."""

    def matches(self, actual: int | None) -> bool:
        """Whether it names exactly `actual`; a silent call matches nothing."""
        return not self.silent and self.index == actual


CLEAN = Call(index=None)
SILENT = Call(index=None, silent=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One row of a benchmark. Raises `DataError` without scores and votes, or for a vote beyond the last step."""

    problem: Problem
    labeled: LabeledTrace
    scores: StepScores | None = None
    votes: tuple[Call, ...] = ()
    """A critic's; they win over scores."""
    reason_right: bool | None = None
    """Whether a judge of reasons found the stated reason right; None where nobody was asked."""

    def __post_init__(self) -> None:
        trace = self.labeled.trace
        if self.scores is not None:
            self.scores.check(trace)
        elif not self.votes:
            raise DataError(
                f"trace {trace.id} of problem {self.problem.id!r} has neither scores nor votes",
                mend="score every row: a row that was not judged is not left out",
            )
        for vote in self.votes:
            if vote.index is not None and not 0 <= vote.index < len(trace):
                raise DataError(f"a vote on trace {trace.id} names none of its {len(trace)} steps", got=vote.index)

    @property
    def actual(self) -> int | None:
        """The labelled first error; `DataError` where an unlabelled step hides it."""
        try:
            return self.labeled.first_error
        except LabelError as error:
            raise DataError(error.what, mend="read the file with labels up to the first error") from error

    def call(self, tau: float) -> Call:
        """The first error that votes or scores name."""
        if self.votes:
            return majority(self.votes)
        return Call(index=decode_threshold(self.values, tau))

    @property
    def values(self) -> tuple[float, ...]:
        """The scores; `DataError` where there are votes alone."""
        if self.scores is None:
            raise DataError(f"trace {self.labeled.trace.id} has votes and no scores", mend="this measure needs scores")
        return self.scores.values

    def told(self, name: str) -> str:
        """What the file says of the trace under `name`, as text; empty where it says nothing."""
        found = self.labeled.trace.meta.get(name)
        return "" if found is None else str(found)


def majority(votes: Sequence[Call]) -> Call:
    """The call cast most often among those that are not silent, the earliest cast of those tied."""
    cast = Counter(vote for vote in votes if not vote.silent)
    return cast.most_common(1)[0][0] if cast else SILENT


def votes_of(judgement: Judgement) -> tuple[Call, ...]:
    """One call per ballot: its first mark below 1/2. Silent where an abstention stands before that mark."""
    return tuple(_call(ballot.marks) for ballot in judgement.ballots)


def _call(marks: Sequence[float | None]) -> Call:
    for index, mark in enumerate(marks):
        if mark is None:
            return SILENT
        if mark < 0.5:
            return Call(index=index)
    return CLEAN


def reads_of(items: Sequence[Item]) -> Reads:
    """Whether the items hold a critic's votes or a classifier's scores; `DataError` for none, or a mixture."""
    if not items:
        raise DataError("the benchmark has no item", mend="check the file, and what the reader dropped")
    critics = sum(bool(item.votes) for item in items)
    if critics not in (0, len(items)):
        raise DataError("items of a benchmark come from one judge", got=f"{critics} of {len(items)} with votes")
    return "critic" if critics else "classifier"
