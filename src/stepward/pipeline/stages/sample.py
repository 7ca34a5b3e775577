"""Lets a policy attempt every problem n times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from stepward.errors import ConfigError
from stepward.pipeline.parts import PolicyChoice, start_cold
from stepward.pipeline.workshop import Chunks, Workshop
from stepward.protocols import PolicyEngine, Segmenter
from stepward.search.moves import Cutting, trace_of
from stepward.segment.newline import Newline
from stepward.types import Json, Origin, Problem, SampleRequest, Sampling, Spend, Trace
from stepward.verifiers.answers import StatedAnswers


@dataclass(frozen=True, kw_only=True)
class SampleTraces:
    """`n` traces for every problem of `source`, cut into steps."""

    source: str
    policy: PolicyChoice
    n: int
    sampling: Sampling = Sampling()
    """Its seed is the recipe's."""
    segmenter: Segmenter = field(default_factory=Newline)
    chunk: int = 64
    """Problems sampled together."""

    def __post_init__(self) -> None:
        if self.n < 1 or self.chunk < 1:
            raise ConfigError("n and chunk must be at least 1", got=(self.n, self.chunk))

    def run(self, shop: Workshop) -> Json:
        """Sample what is not sampled yet."""
        engine = self.policy.load()
        chunks = Chunks(what="traces", size=self.chunk, unit="problems")
        records = shop.work(shop.problems(self.source), chunks, lambda part: self._sample(engine, part, shop.seed))
        return {"traces": len(records), "policy": engine.origin.maker, "revision": engine.origin.revision}

    def _sample(
        self, engine: PolicyEngine, part: Sequence[tuple[str, Problem]], seed: int
    ) -> list[tuple[str, Trace, Spend]]:
        start_cold(engine)
        sampling = replace(self.sampling, seed=seed)
        requests = [SampleRequest(problem=problem, n=self.n, sampling=sampling) for _, problem in part]
        origin = Origin(maker=engine.origin.maker, revision=engine.origin.revision, seed=seed)
        cutting = Cutting(segmenter=self.segmenter, answers=StatedAnswers())
        made = []
        for request, completions in zip(requests, engine.sample_batch(requests), strict=True):
            for index, completion in enumerate(completions):
                trace = replace(trace_of(request, index, completion, cutting), origin=origin)
                made.append((f"{request.problem.id}/{index}", trace, completion.spend))
        return made
