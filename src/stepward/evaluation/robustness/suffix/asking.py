"""Any scorer as a black box: traces go in, one number each comes out, or the reason why there is none.

What the number is, is the asker's choice: an aggregate of a process reward model's step scores, or what an outcome
model says. A refusal (a text over the context, a step marker in it, a word that the model does not know) is a reply of
its own: never 0, never the end of the others. Where a batch is refused, each of it is asked alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from stepward.errors import ModelError, ScoreError
from stepward.protocols import StepScorer, StepScorerEngine, TraceScorer
from stepward.reduce import reduce_scores, reducer
from stepward.types import Problem, Spend, StepScores, Trace

Pair = tuple[Problem, Trace]
REFUSALS = (ModelError, ScoreError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a scorer said of one trace."""

    value: float | None = None
    """None where it would not take the trace."""
    refused: str = ""
    spend: Spend = Spend()


Ask: TypeAlias = Callable[[Sequence[Pair]], list[Reply]]
"""One reply per pair, in order."""


def by_engine(engine: StepScorerEngine, how: str) -> Ask:
    """Aggregates by the reducer `how`; `ConfigError` for one that does not exist."""
    reducer(how)

    def ask(pairs: Sequence[Pair]) -> list[Reply]:
        return [
            Reply(refused=found) if isinstance(found, str) else _reduced(found, how)
            for found in scores_or_refusals(engine, pairs)
        ]

    return ask


def by_step_scorer(scorer: StepScorer, how: str) -> Ask:
    """The same of a scorer that is asked one trace at a time. Not to be called inside a running event loop."""
    reducer(how)

    async def reply(problem: Problem, trace: Trace) -> Reply:
        return _reduced(await scorer.score(problem, trace), how)

    return _together(reply)


def by_trace_scorer(scorer: TraceScorer) -> Ask:
    """What an outcome model says. Not to be called inside a running event loop."""

    async def reply(problem: Problem, trace: Trace) -> Reply:
        found = await scorer.score_trace(problem, trace)
        return Reply(value=found.value, spend=found.spend)

    return _together(reply)


def scores_or_refusals(engine: StepScorerEngine, pairs: Sequence[Pair]) -> list[StepScores | str]:
    """The scores of every trace, or why the engine would not take it alone."""
    try:
        return list(engine.score_batch(pairs))
    except REFUSALS as error:
        if len(pairs) > 1:
            return [found for pair in pairs for found in scores_or_refusals(engine, [pair])]
        return [error.what]


def _reduced(scores: StepScores, how: str) -> Reply:
    return Reply(value=reduce_scores(scores, how), spend=scores.spend)


def _together(reply: Callable[[Problem, Trace], Awaitable[Reply]]) -> Ask:
    async def caught(problem: Problem, trace: Trace) -> Reply:
        try:
            return await reply(problem, trace)
        except REFUSALS as error:
            return Reply(refused=error.what)

    async def gathered(pairs: Sequence[Pair]) -> list[Reply]:
        return list(await asyncio.gather(*(caught(*pair) for pair in pairs)))

    return lambda pairs: asyncio.run(gathered(pairs))
