"""The generative process reward model: critiques are sampled, verdicts weighed, votes counted.

For each of n votes a critique is drawn and its verdict read; the score of a step is the mean of P(good) over the votes
that did not abstain (or the share of good votes, where the format says majority):

    choice   P(good) = sum over verdict texts of worth x chance behind the closing phrase
    labels   the same at the place of each verdict that the critique states; 1 or 0 where no chances are to be had
    json     1 or 0 as the verdict in the answer's record of the step says
    index    1 for steps before the first wrong one that the critique names, else 0: over votes, the share of critics
             whose first error lies behind the step

Abstentions (a failed call, a missing, surplus or garbled verdict) are counted and never become a number. What discarded
votes cost is part of the spend.

GenRM arXiv 2408.15240, ThinkPRM 2504.16828, GenPRM 2504.00891, R-PRM 2503.21295, ProcessBench 2412.06559.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from stepward.budget import Meter
from stepward.errors import ConfigError
from stepward.reward_models.generative.ballots import Ballot, Judgement, tally
from stepward.reward_models.generative.hearing import Hearing
from stepward.reward_models.generative.model import JudgeModel
from stepward.reward_models.generative.prompts import Brief
from stepward.reward_models.generative.settings import JudgeSettings
from stepward.reward_models.generative.writing import Pen
from stepward.types import Json, Origin, Problem, Spend, StepScores, Trace, content_key


@dataclass(frozen=True, eq=False, kw_only=True)
class GenerativePRM(JudgeSettings):
    """A `StepScorer` over a judge's format and a language model. `judge` tells more than `score`."""

    model: JudgeModel

    @property
    def origin(self) -> Origin:
        """Format, model, and everything that moves a score, such as how verdicts are read."""
        sampling = self.sampled
        settings: dict[str, Json] = {
            "model": self.model.origin.maker,
            "verdicts": self._verdicts,
            "votes": self.votes_cast,
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

    @property
    def _verdicts(self) -> str:
        """How they are read: as chances, chosen among the known ones, or as they are written."""
        if self.format.read in ("index", "json"):
            return self.format.read
        if self.model.chooser is not None:
            return "chances"
        return "chosen" if self.model.choosing is not None and self.format.read == "choice" else "written"

    async def score(self, problem: Problem, trace: Trace) -> StepScores:
        """One score per step; `ScoreError` where one has none and no prior was stated, or the answer was shown."""
        self.refuse_scoring()
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
            sampling=self.sampled,
            meter=meter,
            runner=self.runner,
            steps=len(brief.steps),
        )
        hearing = Hearing(brief=brief, pen=pen, phases=self.phases, asked=asked)
        if self.format.scope == "trace":
            return await hearing.on_trace(range(self.votes_cast))
        if self.format.dialogue:
            return list(await asyncio.gather(*(hearing.in_dialogue(draw) for draw in range(self.votes_cast))))
        return await hearing.on_steps(range(self.votes_cast))


def _as_scorer(spend: Spend) -> Spend:
    """A judge's tokens are a scorer's, read or written."""
    return Spend(
        scorer_tokens=spend.tokens,
        scorer_calls=spend.policy_calls + spend.scorer_calls,
        flops=spend.flops,
        seconds=spend.seconds,
    )
