"""Around scorers, with the same protocol: batching, metering, caching.

A fault of one trace belongs to that trace: when a batch fails, its traces are scored one by one, and each caller gets
its own result or its own error.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

from stepward.batching import Batcher
from stepward.budget import Meter
from stepward.errors import StepwardError
from stepward.protocols import StepScorer, StepScorerEngine
from stepward.reward_models.outcome import OutcomeRewardModel
from stepward.types import Origin, Problem, Spend, StepScores, Trace, TraceScore, content_key

Pair: TypeAlias = tuple[Problem, Trace]
Score = TypeVar("Score")


@dataclass(eq=False, kw_only=True)
class BatchedScorer:
    """A `StepScorer` over an engine: calls of many concurrent problems go out as one batch.

    Live state: belongs to one event loop.
    """

    engine: StepScorerEngine
    max_batch: int = 64
    _batcher: Batcher[Pair, StepScores | StepwardError] = field(init=False)

    def __post_init__(self) -> None:
        self._batcher = Batcher(run=_each_alone_on_error(self.engine.score_batch), max_batch=self.max_batch)

    @property
    def origin(self) -> Origin:
        """The engine's."""
        return self.engine.origin

    async def score(self, problem: Problem, trace: Trace) -> StepScores:
        """One score per step of `trace`; whatever the engine raises for this trace."""
        return _result(await self._batcher.submit((problem, trace))).check(trace)


@dataclass(eq=False, kw_only=True)
class BatchedTraceScorer:
    """A `TraceScorer` over an outcome reward model. Live state: belongs to one event loop."""

    engine: OutcomeRewardModel
    max_batch: int = 64
    _batcher: Batcher[Pair, TraceScore | StepwardError] = field(init=False)

    def __post_init__(self) -> None:
        self._batcher = Batcher(run=_each_alone_on_error(self.engine.score_traces), max_batch=self.max_batch)

    @property
    def origin(self) -> Origin:
        """The engine's."""
        return self.engine.origin

    async def score_trace(self, problem: Problem, trace: Trace) -> TraceScore:
        """The score of `trace`; whatever the engine raises for it."""
        return _result(await self._batcher.submit((problem, trace)))


@dataclass(eq=False, kw_only=True)
class MeteredScorer:
    """Counts what a scorer spends under `name`."""

    scorer: StepScorer
    meter: Meter
    name: str = "scorer"

    async def score(self, problem: Problem, trace: Trace) -> StepScores:
        """The scorer's answer, counted."""
        scores = await self.scorer.score(problem, trace)
        self.meter.add(self.name, scores.spend)
        return scores


@dataclass(eq=False, kw_only=True)
class CachedScorer:
    """Remembers scores by model revision, format and content of problem (its domain too) and trace; a hit is free.

    Equal requests that are under way share one call. An error is not remembered. Live state: belongs to one event
    loop.
    """

    scorer: StepScorer
    origin: Origin
    """Whose scores these are: a changed model, format or calibrator is another origin, and shares nothing."""
    size: int = 65_536
    """Most records kept; the least recently used goes first."""
    _kept: OrderedDict[str, asyncio.Task[StepScores]] = field(default_factory=OrderedDict, init=False)

    async def score(self, problem: Problem, trace: Trace) -> StepScores:
        """The remembered scores with no spend, or the scorer's."""
        key = content_key(
            self.origin.maker,
            self.origin.revision,
            dict(self.origin.settings),
            problem.text,
            problem.domain,
            trace.text,
            [step.end for step in trace.steps],
        )
        task = self._kept.get(key)
        if task is not None:
            self._kept.move_to_end(key)
            return replace(await asyncio.shield(task), spend=Spend())
        task = asyncio.ensure_future(self.scorer.score(problem, trace))
        self._kept[key] = task
        if len(self._kept) > self.size:
            self._kept.popitem(last=False)
        try:
            return await asyncio.shield(task)
        except Exception:
            self._kept.pop(key, None)
            raise


def _each_alone_on_error(
    run: Callable[[Sequence[Pair]], Sequence[Score]],
) -> Callable[[Sequence[Pair]], Sequence[Score | StepwardError]]:
    """`run`, whose errors reach only the pairs that cause them."""

    def alone(pair: Pair) -> Score | StepwardError:
        try:
            return run([pair])[0]
        except StepwardError as error:
            return error

    def each(pairs: Sequence[Pair]) -> Sequence[Score | StepwardError]:
        try:
            return list(run(pairs))
        except StepwardError:
            return [alone(pair) for pair in pairs]

    return each


def _result(found: Score | StepwardError) -> Score:
    if isinstance(found, StepwardError):
        raise found
    return found
