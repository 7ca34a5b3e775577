"""Votes -> scores, with every abstention counted.

    mean       the mean of what the votes are worth (with chances of verdicts: the mean of P(good))
    majority   the share of votes worth at least 1/2

over the votes that did not abstain. A step with fewer of them than the quorum has no value: there is no neutral number
that means "not judged".
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from stepward.errors import ConfigError, ScoreError
from stepward.reward_models.generative.record import Voting
from stepward.types import Origin, Spend, StepScores, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """One vote on a trace."""

    marks: tuple[float | None, ...]
    """What this vote gives each step, in [0, 1]; None where it abstains or was not asked."""
    critiques: tuple[str, ...] = ()
    """What was written: one text for the trace, or one for each step that was asked about."""
    notes: tuple[str, ...] = ()
    """Why it abstains where it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All votes on a trace and what they come to."""

    values: tuple[float | None, ...]
    """One per step; None where too few votes were cast, or where nobody was asked."""
    ballots: tuple[Ballot, ...]
    asked: tuple[int, ...]
    """The steps that were asked about."""
    judge: Origin
    target: Target = "prefix"
    spend: Spend = Spend()

    @property
    def abstentions(self) -> int:
        """Votes that were asked for and not cast, over all steps."""
        return sum(ballot.marks[step] is None for ballot in self.ballots for step in self.asked)

    @property
    def silent(self) -> tuple[int, ...]:
        """The steps that were asked about and have no value."""
        return tuple(step for step in self.asked if self.values[step] is None)

    def reasons(self, most: int = 3) -> str:
        """The most frequent reasons for abstaining, with counts."""
        counted = Counter(note for ballot in self.ballots for note in ballot.notes if note)
        return "; ".join(f"{note} ({count}x)" for note, count in counted.most_common(most)) or "no reason was given"

    def scores(self, *, prior: float | None = None) -> StepScores:
        """The values as scores. `ScoreError` where a step has none, unless `prior`, a probability, stands in for it.

        Which steps the prior stands for is written into the scores' origin.
        """
        unscored = tuple(step for step, value in enumerate(self.values) if value is None)
        if unscored and prior is None:
            raise ScoreError(
                f"{self.judge.maker} has no score for {len(unscored)} of {len(self.values)} steps, first {unscored[0]};"
                f" {self.abstentions} of {len(self.ballots) * len(self.asked)} votes abstained: {self.reasons()}",
                mend="ask for more votes, use a stronger judge, or state a prior",
            )
        judge = self.judge
        if unscored:
            judge = replace(judge, settings={**judge.settings, "prior": prior, "prior_for": list(unscored)})
        values = tuple(value if value is not None else float(prior or 0.0) for value in self.values)
        return StepScores(values=values, target=self.target, scorer=judge, spend=self.spend)


def tally(ballots: Sequence[Ballot], voting: Voting, quorum: int) -> tuple[float | None, ...]:
    """What the votes come to for each step."""
    columns = zip(*(ballot.marks for ballot in ballots), strict=True)
    return tuple(_value([mark for mark in column if mark is not None], voting, quorum) for column in columns)


def _value(cast: Sequence[float], voting: Voting, quorum: int) -> float | None:
    if len(cast) < quorum:
        return None
    votes = cast if voting == "mean" else [float(mark >= 0.5) for mark in cast]
    return math.fsum(votes) / len(votes)


def check_prior(prior: float | None) -> None:
    """`ConfigError` for a prior that is no probability."""
    if prior is not None and not 0.0 <= prior <= 1.0:
        raise ConfigError("prior must be a probability, or None to refuse unscored steps", got=prior)
