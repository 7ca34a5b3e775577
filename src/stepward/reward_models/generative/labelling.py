"""Labels by a judge: n critiques of a trace are drawn, read, and counted as votes.

    steps         k of the n votes that did not abstain call a step right: value k / n, as the format's target
                  (validity, or prefix)
    first error   every vote names the first wrong step, or none; the most frequent one decides (a tie goes to the one
                  that was named first): 1 before it, 0 from it on, as a prefix label. The counts stay those of the
                  votes that put the first error behind the step

An abstention (prose in place of a verdict, a wrong count of steps, an index out of range, a failed call) is counted
with its reason in `meta` and is no vote; a step with fewer votes than the quorum has no label. A judge that is shown
the reference answer may label; no scorer takes it.

Degenerate case: where every vote abstains the trace comes back without labels, and says why. What the labels are worth
is measured on human labels of problems of their own (`evaluation.judge_quality`), never assumed.

ProcessBench, arXiv 2412.06559 (n = 8, temperature 1, top_p 0.9, majority over the indices).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias, get_args

from stepward.errors import ConfigError
from stepward.protocols import Resources
from stepward.reward_models.generative.any_policy import judge_model
from stepward.reward_models.generative.ballots import Ballot, Judgement
from stepward.reward_models.generative.library import judge_format
from stepward.reward_models.generative.scorer import GenerativePRM
from stepward.reward_models.generative.settings import JudgeSettings
from stepward.types import Json, LabeledTrace, Origin, Problem, Sampling, StepLabel, Target, Trace, content_key

JudgeProtocol: TypeAlias = Literal["format", "steps", "first error"]
MOST_REASONS = 5
"""Reasons for abstaining that `meta` lists, the most frequent first."""


@dataclass(frozen=True, kw_only=True)
class JudgeLabeler:
    """`votes` critiques of every trace by the policy at hand. Needs no verifier."""

    judge: str = "processbench-critic"
    """Name of a judge's format, or a file that describes one."""
    protocol: JudgeProtocol = "format"
    """What is counted; format: first errors where the format names an index, steps otherwise."""
    votes: int | None = None
    """None takes the format's."""
    quorum: int = 1
    """Votes that a step needs to have a label."""
    sampling: Sampling | None = None
    """None takes the format's. Stop strings and token limits always stand with the format."""
    most_tokens: int | None = None
    """A limit on each stretch of a critique below the format's."""
    skip: tuple[str, ...] = ()
    """Phases that are left out, such as one that runs code."""

    def __post_init__(self) -> None:
        if self.protocol not in get_args(JudgeProtocol):
            raise ConfigError(
                "a judge labels by one of these protocols", got=self.protocol, mend=str(get_args(JudgeProtocol))
            )
        self._settings  # noqa: B018  (checks the fields against the format)

    async def label(self, problem: Problem, trace: Trace, resources: Resources) -> LabeledTrace:
        """`trace` with one label, or None, per step.

        Raises `ScoreError` for a trace that the judge must not be shown, or whose reference answer it needs and lacks;
        what the policy raises for a wrong key, address or field.
        """
        scorer = GenerativePRM(model=judge_model(resources.need_policy()), **self._settings.shared())
        judgement = await scorer.judge(problem, trace)
        count = self._first_errors if self._by_first_error else self._steps
        labels = count(judgement, self._origin(judgement.judge))
        return LabeledTrace(trace=trace, labels=labels, spend=judgement.spend, meta=_meta(judgement))

    @cached_property
    def _settings(self) -> JudgeSettings:
        return JudgeSettings(
            format=judge_format(self.judge),
            votes=self.votes,
            quorum=self.quorum,
            sampling=self.sampling,
            most_tokens=self.most_tokens,
            skip=self.skip,
            for_labels=True,
        )

    @property
    def _by_first_error(self) -> bool:
        return self.protocol == "first error" or (self.protocol == "format" and self._settings.format.read == "index")

    def _origin(self, judge: Origin) -> Origin:
        format = self._settings.format
        settings: dict[str, Json] = {
            **judge.settings,
            "judge": format.name,
            "prompt": content_key(format.to_json()),
            "protocol": "first error" if self._by_first_error else "steps",
            "reference": format.sees_reference,
        }
        return Origin(maker="labeler:judge", revision=judge.revision, settings=settings, seed=judge.seed)

    def _steps(self, judgement: Judgement, origin: Origin) -> tuple[StepLabel | None, ...]:
        """The share of votes that call each step right."""
        columns = list(zip(*(ballot.marks for ballot in judgement.ballots), strict=True))
        tallies = [Votes.of([mark >= 0.5 for mark in column if mark is not None]) for column in columns]
        return tuple(self._label(tally, None, judgement.target, origin) for tally in tallies)

    def _first_errors(self, judgement: Judgement, origin: Origin) -> tuple[StepLabel | None, ...]:
        """1 before the first error that most votes name, 0 from there on."""
        named = [place for ballot in judgement.ballots if (place := named_error(ballot)) is not None]
        decided = Counter(named).most_common(1)[0][0] if named else 0
        tallies = [Votes.of([place > step for place in named]) for step in range(len(judgement.values))]
        return tuple(self._label(tally, float(decided > step), "prefix", origin) for step, tally in enumerate(tallies))

    def _label(self, votes: Votes, value: float | None, target: Target, origin: Origin) -> StepLabel | None:
        if votes.cast < self.quorum:
            return None
        return StepLabel(
            target=target,
            value=votes.right / votes.cast if value is None else value,
            source="judge",
            successes=votes.right,
            trials=votes.cast,
            origin=origin,
        )


class Votes(NamedTuple):
    """Votes on one step."""

    right: int
    cast: int

    @classmethod
    def of(cls, right: Sequence[bool]) -> Votes:
        """Counts of single votes."""
        return cls(sum(right), len(right))


def named_error(ballot: Ballot) -> int | None:
    """First step that this vote calls wrong, the number of steps for none; None where an abstention hides it."""
    for step, mark in enumerate(ballot.marks):
        if mark is None:
            return None
        if mark < 0.5:
            return step
    return len(ballot.marks)


def _meta(judgement: Judgement) -> dict[str, Json]:
    """What the votes say of the trace as a whole. Critiques are kept as hashes; the stage `judge` keeps their text."""
    ballots = judgement.ballots
    reasons = Counter(note for ballot in ballots for note in ballot.notes if note).most_common(MOST_REASONS)
    named = [named_error(ballot) for ballot in ballots]
    none = len(judgement.values)
    return {
        "votes": len(ballots),
        "abstained": sum(any(ballot.marks[step] is None for step in judgement.asked) for ballot in ballots),
        "abstentions": judgement.abstentions,
        "reasons": dict(reasons),
        "values": list(judgement.values),
        "first_errors": [-1 if place == none else place for place in named],
        "critiques": [content_key(list(ballot.critiques)) for ballot in ballots],
    }
