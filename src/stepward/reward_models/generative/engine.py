"""The generative reward model as an engine: many traces at once, from code that knows no event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from stepward.policies.wrappers import BatchedPolicy
from stepward.protocols import Policy, PolicyEngine
from stepward.reward_models.generative.any_policy import judge_model
from stepward.reward_models.generative.ballots import Judgement
from stepward.reward_models.generative.scorer import GenerativePRM
from stepward.reward_models.generative.settings import JudgeSettings
from stepward.types import Origin, Problem, StepScores, Trace

T = TypeVar("T")


@dataclass(frozen=True, eq=False, kw_only=True)
class JudgeEngine(JudgeSettings):
    """A `StepScorerEngine` over a local model or a server."""

    policy: PolicyEngine

    @property
    def origin(self) -> Origin:
        """Format, model and settings."""
        return self.scorer().origin

    def score_batch(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
        """One record per pair, in order. `ScoreError` where a step has no score and no prior was stated."""
        self.refuse_scoring()
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

    def scorer(self) -> GenerativePRM:
        """The same judge for the event loop that is running."""
        policy = self.policy if isinstance(self.policy, Policy) else BatchedPolicy(engine=self.policy)
        return GenerativePRM(model=judge_model(policy), **self.shared())


def _in_a_loop_of_its_own(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, also where this thread runs an event loop already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
