"""Scores every step of the traces of a source with a generative judge, and keeps what the judge wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stepward.errors import ConfigError
from stepward.pipeline.parts import PolicyChoice
from stepward.pipeline.workshop import Chunks, Workshop
from stepward.reward_models.generative.ballots import Judgement, check_prior
from stepward.reward_models.generative.engine import JudgeEngine
from stepward.reward_models.generative.library import judge_format
from stepward.types import Json, Problem, Spend, StepScores, Trace


@dataclass(frozen=True, kw_only=True)
class JudgeChoice:
    """Which judge to load."""

    policy: PolicyChoice
    name: str = "stepward-judge"
    """Name of a judge's format, or a file that describes one."""
    votes: int | None = None
    """Critiques a trace (or step); None takes the format's."""
    most_tokens: int | None = None
    """A limit on each stretch of a critique."""
    skip: tuple[str, ...] = ()
    """Phases that are left out, such as one that runs code."""

    def __post_init__(self) -> None:
        judge_format(self.name)

    def load(self) -> JudgeEngine:
        """The judge over its loaded policy."""
        return JudgeEngine(
            format=judge_format(self.name),
            policy=self.policy.load(),
            votes=self.votes,
            most_tokens=self.most_tokens,
            skip=self.skip,
        )


@dataclass(frozen=True, kw_only=True)
class JudgeTraces:
    """Judgements of every trace of `source`, and scores of those with a value for every step."""

    source: str
    judge: JudgeChoice
    prior: float | None = None
    """The score of a step that nobody judged; None leaves its trace without scores."""
    chunk: int = 16
    """Traces judged together."""

    def __post_init__(self) -> None:
        check_prior(self.prior)
        if self.chunk < 1:
            raise ConfigError("chunk must be at least 1", got=self.chunk)

    def run(self, shop: Workshop) -> Json:
        """Judge what is not judged yet."""
        engine = self.judge.load()
        problems = shop.problems(self.source)
        pairs = {key: (problems[trace.problem_id], trace) for key, trace in shop.traces(self.source).items()}

        def judge(part: Sequence[tuple[str, tuple[Problem, Trace]]]) -> list[tuple[str, Judgement, Spend]]:
            found = engine.judge_batch([pair for _, pair in part])
            return [(key, judged, judged.spend) for (key, _), judged in zip(part, found, strict=True)]

        shop.work(pairs, Chunks(what="judgements", size=self.chunk, unit="traces"), judge)
        judgements = shop.load("judgements", Judgement, shop.stage)
        scored = {key: each for key, each in judgements.items() if self.prior is not None or not each.silent}
        shop.work(scored, Chunks(what="scores", size=max(1, len(scored)), unit="traces"), self._scores)
        return _summary(list(judgements.values()), len(scored), engine)

    def _scores(self, part: Sequence[tuple[str, Judgement]]) -> list[tuple[str, StepScores, Spend]]:
        """What judging cost was counted when it was done."""
        return [(key, judged.scores(prior=self.prior), Spend()) for key, judged in part]


def _summary(judgements: Sequence[Judgement], scored: int, engine: JudgeEngine) -> Json:
    asked = sum(len(each.ballots) * len(each.asked) for each in judgements)
    silent = sum(each.abstentions for each in judgements)
    cost = sum((each.spend for each in judgements), Spend())
    return {
        "headline": f"{scored} of {len(judgements)} traces scored; {silent:,} of {asked:,} votes abstained; "
        f"{cost.scorer_tokens:,} tokens",
        "traces": len(judgements),
        "scored": scored,
        "votes": asked,
        "abstained": silent,
        "scorer": engine.origin.maker,
        "revision": engine.origin.revision,
    }
