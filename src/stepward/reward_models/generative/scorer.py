"""The generative process reward model: critiques are sampled, verdicts weighed, votes counted.

For each of n votes a critique is drawn and its verdict read; the score of a step is the mean of P(good) over the votes
that did not abstain (or the share of good votes, where the format says majority):

    choice   P(good) = sum over verdict texts of worth x chance behind the closing phrase
    labels   the same at the place of each verdict that the critique states; 1 or 0 where no chances are to be had
    index    1 for steps before the first wrong one that the critique names, else 0: over votes, the share of critics
             whose first error lies behind the step

Abstentions (a failed call, a missing, surplus or garbled verdict) are counted and never become a number. What discarded
votes cost is part of the spend.

GenRM arXiv 2408.15240, ThinkPRM 2504.16828, GenPRM 2504.00891, R-PRM 2503.21295, ProcessBench 2412.06559.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from stepward.budget import Meter
from stepward.errors import ConfigError
from stepward.reward_models.generative.ballots import Ballot, Judgement, check_prior, tally
from stepward.reward_models.generative.hearing import Hearing
from stepward.reward_models.generative.model import JudgeModel
from stepward.reward_models.generative.prompts import Brief
from stepward.reward_models.generative.record import JudgeFormat, Phase
from stepward.reward_models.generative.writing import Pen, Runner
from stepward.types import Json, Origin, Problem, Sampling, Spend, StepScores, Trace, content_key


@dataclass(frozen=True, eq=False, kw_only=True)
class GenerativePRM:
    """A `StepScorer` over a judge's format and a language model. `judge` tells more than `score`."""

    format: JudgeFormat
    model: JudgeModel
    votes: int | None = None
    """None takes the format's."""
    quorum: int = 1
    """Votes a step needs to have a score."""
    prior: float | None = None
    """What `score` gives a step that nobody judged; None raises `ScoreError` instead."""
    rounds: int = 1
    """How often each critique is thought through; above 1 the format's `rethink` phrases go between."""
    sampling: Sampling | None = None
    """None takes the format's. Stop strings and token limits always stand with the phases."""
    most_tokens: int | None = None
    """A limit on each phase below the format's."""
    skip: tuple[str, ...] = ()
    """Names of phases that are left out."""
    runner: Runner | None = None
    """Runs the code of phases that have some."""

    def __post_init__(self) -> None:
        check_prior(self.prior)
        if not 1 <= self.quorum <= self._votes:
            raise ConfigError("quorum must lie between 1 and the number of votes", got=(self.quorum, self._votes))
        if not 1 <= self.rounds <= 1 + len(self.format.rethink):
            raise ConfigError(f"{self.format.name} thinks 1 to {1 + len(self.format.rethink)} rounds", got=self.rounds)
        if self.most_tokens is not None and self.most_tokens < 1:
            raise ConfigError("most_tokens must be at least 1", got=self.most_tokens)
        named = [phase.name for phase in self.format.phases]
        if not set(self.skip) <= set(named):
            raise ConfigError(f"{self.format.name} has no such phase", got=self.skip, mend=f"phases: {named}")
        for phase in self.phases:
            if phase.code_stop and self.runner is None:
                raise ConfigError(
                    f"phase {phase.name!r} of {self.format.name} runs code that the judge writes and needs a runner",
                    mend=f"pass one that is safe, or leave the phase out: skip=({phase.name!r},)",
                )

    @property
    def _votes(self) -> int:
        return self.format.votes if self.votes is None else self.votes

    @property
    def phases(self) -> tuple[Phase, ...]:
        """What is written, in order: without the skipped phases, with the further rounds of thinking."""
        kept = tuple(phase for phase in self.format.phases if phase.name not in self.skip)
        again = tuple(replace(kept[-1], opening=phrase) for phrase in self.format.rethink[: self.rounds - 1] if kept)
        if self.most_tokens is None:
            return kept + again
        return tuple(replace(each, max_tokens=min(each.max_tokens, self.most_tokens)) for each in kept + again)

    @property
    def origin(self) -> Origin:
        """Format, model, and everything that moves a score, such as how verdicts are read."""
        sampling = self.sampling or self.format.sampling
        read = "chances" if self.model.chooser is not None else "written"
        settings: dict[str, Json] = {
            "model": self.model.origin.maker,
            "verdicts": "index" if self.format.read == "index" else read,
            "votes": self._votes,
            "voting": self.format.voting,
            "quorum": self.quorum,
            "rounds": self.rounds,
            "skip": list(self.skip),
            "most_tokens": self.most_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
        }
        revision = content_key(self.model.origin.revision, dict(self.model.origin.settings), self.format.to_json())
        return Origin(
            maker=f"scorer:judge:{self.format.name}", revision=revision, settings=settings, seed=sampling.seed
        )

    async def score(self, problem: Problem, trace: Trace) -> StepScores:
        """One score per step; `ScoreError` where one has none and no prior was stated."""
        return (await self.judge(problem, trace)).scores(prior=self.prior).check(trace)

    async def judge(self, problem: Problem, trace: Trace, steps: Collection[int] | None = None) -> Judgement:
        """Every vote on `steps`, by default all of them.

        Raises `ScoreError` for a trace that this judge must not be shown: step marks or control tokens in a text,
        blank steps, images.
        """
        asked = tuple(range(len(trace))) if steps is None else tuple(sorted(set(steps)))
        meter = Meter()
        ballots = await self._ballots(Brief.of(self.format, problem, trace), asked, meter) if asked else []
        values = tally(ballots, self.format.voting, self.quorum) if ballots else (None,) * len(trace)
        return Judgement(
            values=values,
            ballots=tuple(ballots),
            asked=asked,
            judge=self.origin,
            target=self.format.target,
            spend=_as_scorer(meter.total),
        )

    async def _ballots(self, brief: Brief, asked: Sequence[int], meter: Meter) -> list[Ballot]:
        if asked[0] < 0 or asked[-1] >= len(brief.steps):
            raise ConfigError(f"the trace has {len(brief.steps)} steps", got=asked)
        brief.refuse(self.model.controls, "is a control token of the judge's model")
        pen = Pen(
            format=self.format,
            model=self.model,
            sampling=self.sampling or self.format.sampling,
            meter=meter,
            runner=self.runner,
        )
        hearing = Hearing(brief=brief, pen=pen, phases=self.phases, asked=asked)
        if self.format.scope == "trace":
            return await hearing.on_trace(range(self._votes))
        if self.format.dialogue:
            return list(await asyncio.gather(*(hearing.in_dialogue(draw) for draw in range(self._votes))))
        return await hearing.on_steps(range(self._votes))


def _as_scorer(spend: Spend) -> Spend:
    """A judge's tokens are a scorer's, read or written."""
    return Spend(
        scorer_tokens=spend.tokens,
        scorer_calls=spend.policy_calls + spend.scorer_calls,
        flops=spend.flops,
        seconds=spend.seconds,
    )
