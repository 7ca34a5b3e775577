"""Runs a search on every problem of a source and counts what it cost and how often it was right."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from stepward.metrics.bootstrap import wilson
from stepward.pipeline.parts import PolicyChoice, start_cold, workbench
from stepward.pipeline.stages.score import model_of
from stepward.pipeline.workshop import Chunks, Workshop
from stepward.protocols import PolicyEngine, Resources, Search, SearchResult, Segmenter, StepScorerEngine, Verifier
from stepward.reward_models.public.load import open_remembering
from stepward.reward_models.wrappers import BatchedScorer
from stepward.segment.newline import Newline
from stepward.types import Json, Problem, Spend
from stepward.verifiers.routed import RoutedVerifier


@dataclass(frozen=True, kw_only=True)
class SearchProblems:
    """One `search` result for every problem of `source`."""

    source: str
    search: Search
    policy: PolicyChoice
    model: str = ""
    """A stage that made a reward model, or a model folder; empty for searches that score nothing."""
    segmenter: Segmenter = field(default_factory=Newline)
    verifier: Verifier = field(default_factory=RoutedVerifier)
    chunk: int = 16
    """Problems searched together."""

    def run(self, shop: Workshop) -> Json:
        """Search what is not searched yet, then judge the answers of problems that have a reference."""
        engine = self.policy.load()
        scorer = open_remembering(model_of(shop, self.model)) if self.model else None
        problems = shop.problems(self.source)

        def search(part: Sequence[tuple[str, Problem]]) -> list[tuple[str, SearchResult, Spend]]:
            return asyncio.run(self._search([problem for _, problem in part], engine, scorer))

        shop.work(problems, Chunks(what="results", size=self.chunk, unit="problems"), search)
        results = shop.load("results", SearchResult, shop.stage)
        return self._summary(results, asyncio.run(self._judge(problems, results)))

    async def _search(
        self, problems: Sequence[Problem], engine: PolicyEngine, scorer: StepScorerEngine | None
    ) -> list[tuple[str, SearchResult, Spend]]:
        start_cold(engine, scorer)
        resources: Resources = workbench(engine, self.segmenter, self.verifier)
        if scorer is not None:
            resources = replace(resources, scorer=BatchedScorer(engine=scorer, max_batch=256))
        found = await asyncio.gather(*(self.search.solve(problem, resources) for problem in problems))
        return [(problem.id, result, result.spend) for problem, result in zip(problems, found, strict=True)]

    async def _judge(self, problems: dict[str, Problem], results: dict[str, SearchResult]) -> list[bool | None]:
        """Whether each answer is right; an abstention is not. None where it could not be decided."""
        asked = [(problems[key], r) for key, r in results.items() if problems[key].answer is not None]
        chosen = [(problem, r.traces[r.chosen].text if r.chosen is not None else "") for problem, r in asked]
        verdicts = await asyncio.gather(*(self.verifier.verify(problem, text) for problem, text in chosen if text))
        return [verdict.correct for verdict in verdicts] + [False] * sum(not text for _, text in chosen)

    def _summary(self, results: dict[str, SearchResult], right: list[bool | None]) -> Json:
        spend = sum((result.spend for result in results.values()), Spend())
        decided = [each for each in right if each is not None]
        accuracy = f"accuracy {wilson(sum(decided), len(decided))}" if decided else "no reference answers"
        cost = f"{spend.policy_tokens:,} tokens written, {spend.scorer_tokens:,} scored"
        return {
            "headline": f"{len(results)} problems, {accuracy}; {cost}",
            "problems": len(results),
            "abstained": sum(result.chosen is None for result in results.values()),
            "undecided": len(right) - len(decided),
            "right": sum(decided),
        }
