"""Majority and weighted majority over the answers of n traces.

    majority   argmax_a  #{i : a_i = a}
    sum        argmax_a  sum_{i : a_i = a} w_i
    log_odds   argmax_a  sum_{i : a_i = a} [ logit(clip(w_i, .01, .99)) + log m ]

`log_odds` is the naive Bayes vote for calibrated w_i = P(trace i is right) when wrong answers spread over m
alternatives (`wrong_answers`: inverse Simpson index of the wrong answers of other problems). m = 1 sums log-odds, a
large m is the majority with ties settled by score. A trace with a very low weight speaks against its answer (cf.
arXiv 2510.13918).

Answers are equal where their texts are: give canonical ones. A None answer never joins a group and has no vote; where
there is no vote at all the vote abstains (winner None). A tie goes to the group with the higher single weight, then to
the one seen first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from stepward.errors import ConfigError, ScoreError
from stepward.protocols import AnswerReader, Resources, SearchResult
from stepward.reduce import reducer
from stepward.search.moves import Scores, draw, score_all, total, trace_scorer_of, unusable_reason, usable
from stepward.types import Problem, SampleRequest, Sampling, Spend, Trace

VoteBy = Literal["sum", "log_odds"]

HELD = 0.01
"""Log-odds votes hold weights in [HELD, 1 - HELD], so that no trace outvotes any number of others."""

SAME_SCORE = 1e-12
"""Scores closer than this, relatively, tie: sums depend on their order in the last digit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteGroup:
    """The traces that share an answer."""

    answer: str
    score: float
    """Sum of votes."""
    top: float
    """Highest single weight."""
    members: tuple[int, ...]
    """Indexes of the traces: the highest weight first, the earlier on a tie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """How a vote ended."""

    winner: str | None
    """The canonical answer; None where nobody voted."""
    margin: float
    """Score of the winner less that of the runner-up; an absent runner-up has 0."""
    groups: tuple[VoteGroup, ...]
    """All answers, the winner first."""
    silent: tuple[int, ...]
    """Indexes without a vote: no answer, or no weight."""
    tied: int
    """Answers that shared the highest score; 1 where the winner had it alone."""


def majority(answers: Sequence[str | None]) -> Vote:
    """The most frequent of the canonical `answers`; the first seen on a tie."""
    return weighted_majority(answers, [1.0] * len(answers))


def weighted_majority(
    answers: Sequence[str | None],
    weights: Sequence[float | None],
    *,
    how: VoteBy = "sum",
    wrong_answers: float = 1.0,
) -> Vote:
    """The canonical answer with the heaviest votes. A trace of weight None was not scored and has no vote.

    `ScoreError` where counts differ or a weight is not finite, or, for log-odds, is no probability.
    """
    if len(answers) != len(weights):
        raise ScoreError(f"{len(answers)} answers need as many weights", got=len(weights))
    _check_ballot(how, wrong_answers)
    members: dict[str, list[int]] = {}
    weight_of: dict[int, float] = {}
    for index, (answer, weight) in enumerate(zip(answers, weights, strict=True)):
        if answer is not None and weight is not None:
            members.setdefault(answer, []).append(index)
            weight_of[index] = weight
    bonus = math.log(wrong_answers)
    vote_of = {
        i: _log_odds(weight) + bonus if how == "log_odds" else _finite(weight) for i, weight in weight_of.items()
    }
    groups = [_group(answer, indexes, weight_of, vote_of) for answer, indexes in members.items()]
    return _ranked(groups, tuple(i for i in range(len(answers)) if i not in weight_of))


@dataclass(frozen=True, slots=True, kw_only=True)
class Majority:
    """A `Search`: the answer that most of `n` traces state. Needs no scorer."""

    n: int
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        _check_n(self.n)

    async def solve(self, problem: Problem, resources: Resources) -> SearchResult:
        """The first trace with the winning answer."""
        request = SampleRequest(problem=problem, n=self.n, sampling=self.sampling)
        traces = await draw(request, resources)
        notes = tuple(f"draw {i}: {unusable_reason(t)}" for i, t in enumerate(traces) if not usable(t))
        vote = majority(said(traces, resources.need_answers()))
        return vote_result(traces, vote, Scores(values=(None,) * len(traces), spend=Spend(), notes=notes))


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedMajority:
    """A `Search`: the answer with the heaviest votes, each trace weighing what it scores."""

    n: int
    sampling: Sampling = field(default_factory=Sampling)
    reduce: str | None = None
    """A reducer's name, to score with `resources.scorer`; None scores with `resources.trace_scorer`."""
    how: VoteBy = "sum"
    wrong_answers: float = 1.0

    def __post_init__(self) -> None:
        _check_n(self.n)
        _check_ballot(self.how, self.wrong_answers)
        if self.reduce is not None:
            reducer(self.reduce)

    async def solve(self, problem: Problem, resources: Resources) -> SearchResult:
        """The highest-scored trace with the winning answer."""
        scorer = trace_scorer_of(resources, self.reduce)
        request = SampleRequest(problem=problem, n=self.n, sampling=self.sampling)
        traces = await draw(request, resources)
        scores = await score_all(problem, traces, scorer)
        answers = said(traces, resources.need_answers())
        vote = weighted_majority(answers, scores.values, how=self.how, wrong_answers=self.wrong_answers)
        return vote_result(traces, vote, scores)


def said(traces: Sequence[Trace], answers: AnswerReader) -> list[str | None]:
    """The canonical answer of each trace; None where it states none or cannot be used."""
    return [answers.canonical(t.answer) if usable(t) and t.answer is not None else None for t in traces]


def vote_result(traces: tuple[Trace, ...], vote: Vote, scores: Scores) -> SearchResult:
    """The result of a vote over `traces`: the best trace with the winning answer."""
    chosen = vote.groups[0].members[0] if vote.groups else None
    notes = list(scores.notes)
    if chosen is None:
        notes.append("abstained: no draw has a vote")
    if vote.tied > 1:
        notes.append(f"{vote.tied} answers tie: the higher single weight won, then the first seen")
    return SearchResult(
        problem_id=traces[0].problem_id,
        traces=traces,
        chosen=chosen,
        answer=None if chosen is None else traces[chosen].answer,
        spend=total(trace.spend for trace in traces) + scores.spend,
        scores=scores.values,
        note="; ".join(notes),
    )


def _group(answer: str, indexes: list[int], weight_of: dict[int, float], vote_of: dict[int, float]) -> VoteGroup:
    members = sorted(indexes, key=lambda i: (-weight_of[i], i))
    score = math.fsum(vote_of[i] for i in indexes)
    return VoteGroup(answer=answer, score=score, top=weight_of[members[0]], members=tuple(members))


def _ranked(groups: list[VoteGroup], silent: tuple[int, ...]) -> Vote:
    """The vote's outcome; groups come in the order of their first member."""
    if not groups:
        return Vote(winner=None, margin=0.0, groups=(), silent=silent, tied=0)
    best = max(group.score for group in groups)
    level = best - SAME_SCORE * max(1.0, abs(best))
    tied = [group for group in groups if group.score >= level]
    winner = max(tied, key=lambda group: group.top)
    others = sorted((g for g in groups if g is not winner), key=lambda g: (-g.score, -g.top))
    margin = 0.0 if len(tied) > 1 else winner.score - (others[0].score if others else 0.0)
    return Vote(winner=winner.answer, margin=margin, groups=(winner, *others), silent=silent, tied=len(tied))


def _log_odds(weight: float) -> float:
    if not 0.0 <= weight <= 1.0:
        raise ScoreError("a log-odds vote needs a probability", got=weight, mend="calibrate the scores first")
    held = min(max(weight, HELD), 1.0 - HELD)
    return math.log(held / (1.0 - held))


def _finite(weight: float) -> float:
    if not math.isfinite(weight):
        raise ScoreError("a vote's weight must be a finite number", got=weight)
    return weight


def _check_ballot(how: str, wrong_answers: float) -> None:
    if how not in get_args(VoteBy):
        raise ConfigError("votes are counted by sum or log_odds", got=how)
    if not (wrong_answers >= 1 and math.isfinite(wrong_answers)):
        raise ConfigError("wrong_answers must be at least 1", got=wrong_answers)


def _check_n(n: int) -> None:
    if n < 1:
        raise ConfigError("a vote needs n of at least 1", got=n)
