"""The generative reward model as an engine: many traces at once, from code that knows no event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from stepward.reward_models.generative.ballots import Judgement
from stepward.reward_models.generative.local import LocalPolicy, local_judge, unprompted
from stepward.reward_models.generative.record import JudgeFormat
from stepward.reward_models.generative.scorer import GenerativePRM
from stepward.reward_models.generative.writing import Runner
from stepward.types import Origin, Problem, Sampling, StepScores, Trace

T = TypeVar("T")


@dataclass(frozen=True, eq=False, kw_only=True)
class JudgeEngine:
    """A `StepScorerEngine` over a local model; fields as of `GenerativePRM`."""

    format: JudgeFormat
    policy: LocalPolicy
    votes: int | None = None
    quorum: int = 1
    prior: float | None = None
    rounds: int = 1
    sampling: Sampling | None = None
    most_tokens: int | None = None
    skip: tuple[str, ...] = ()
    runner: Runner | None = None

    def __post_init__(self) -> None:
        self.scorer()

    @property
    def origin(self) -> Origin:
        """Format, model and settings."""
        return self.scorer().origin

    def score_batch(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
        """One record per pair, in order. `ScoreError` where a step has no score and no prior was stated."""
        return [
            judgement.scores(prior=self.prior).check(trace)
            for judgement, (_, trace) in zip(self.judge_batch(pairs), pairs, strict=True)
        ]

    def judge_batch(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[Judgement]:
        """Every vote on every trace, in order."""

        async def all_of_them() -> list[Judgement]:
            scorer = self.scorer()
            return list(await asyncio.gather(*(scorer.judge(problem, trace) for problem, trace in pairs)))

        return _in_a_loop_of_its_own(all_of_them())

    @cached_property
    def _policy(self) -> LocalPolicy:
        """Kept, because telling a model's revision reads its weights."""
        return unprompted(self.policy)

    def scorer(self) -> GenerativePRM:
        """The same judge for the event loop that is running."""
        return GenerativePRM(
            format=self.format,
            model=local_judge(self._policy),
            votes=self.votes,
            quorum=self.quorum,
            prior=self.prior,
            rounds=self.rounds,
            sampling=self.sampling,
            most_tokens=self.most_tokens,
            skip=self.skip,
            runner=self.runner,
        )


def _in_a_loop_of_its_own(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, also where this thread runs an event loop already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
