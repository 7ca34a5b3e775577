"""Puts labels on the traces of a source, problem by problem."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from stepward.errors import ConfigError
from stepward.pipeline.parts import PolicyChoice, workbench
from stepward.pipeline.workshop import Chunks, Workshop
from stepward.protocols import GroupLabeler, Labeler, Resources, Segmenter, Verifier
from stepward.segment.newline import Newline
from stepward.types import Json, LabeledTrace, Problem, Spend, Trace
from stepward.verifiers.routed import RoutedVerifier

Attempts = tuple[Problem, list[tuple[str, Trace]]]


@dataclass(frozen=True, kw_only=True)
class LabelTraces:
    """Labels by `labeler` for every trace of `source`."""

    source: str
    labeler: Labeler
    policy: PolicyChoice | None = None
    """The completer, for labelers that complete prefixes."""
    verifier: Verifier = field(default_factory=RoutedVerifier)
    segmenter: Segmenter = field(default_factory=Newline)
    chunk: int = 32
    """Problems labelled together."""

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise ConfigError("chunk must be at least 1", got=self.chunk)

    def run(self, shop: Workshop) -> Json:
        """Label what is not labelled yet."""
        engine = self.policy.load() if self.policy else None
        attempts = by_problem(shop.problems(self.source), shop.traces(self.source))

        def label(part: Sequence[tuple[str, Attempts]]) -> list[tuple[str, LabeledTrace, Spend]]:
            return asyncio.run(self._label(part, workbench(engine, self.segmenter, self.verifier)))

        records = shop.work(attempts, Chunks(what="labels", size=self.chunk, unit="problems"), label)
        return {"labels": len(records)}

    async def _label(
        self, part: Sequence[tuple[str, Attempts]], resources: Resources
    ) -> list[tuple[str, LabeledTrace, Spend]]:
        rows = await asyncio.gather(*(self._one(problem, keyed, resources) for _, (problem, keyed) in part))
        return [(key, labeled, labeled.spend) for row in rows for key, labeled in row]

    async def _one(
        self, problem: Problem, keyed: Sequence[tuple[str, Trace]], resources: Resources
    ) -> list[tuple[str, LabeledTrace]]:
        traces = [trace for _, trace in keyed]
        if isinstance(self.labeler, GroupLabeler):
            labeled = await self.labeler.label_all(problem, traces, resources)
        else:
            labeled = list(await asyncio.gather(*(self.labeler.label(problem, t, resources) for t in traces)))
        return [(key, one) for (key, _), one in zip(keyed, labeled, strict=True)]


def by_problem(problems: dict[str, Problem], traces: dict[str, Trace]) -> dict[str, Attempts]:
    """By problem id, the problem and its keyed traces, in the order of the problems' first traces."""
    keyed = sorted(enumerate(traces.items()), key=lambda item: (item[1][1].problem_id, item[0]))
    groups = groupby((pair for _, pair in keyed), key=lambda pair: pair[1].problem_id)
    gathered = {problem_id: list(group) for problem_id, group in groups}
    order = dict.fromkeys(trace.problem_id for trace in traces.values())
    return {problem_id: (problems[problem_id], gathered[problem_id]) for problem_id in order}
