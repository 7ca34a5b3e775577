"""What searches do with one problem: draw traces, score them, add up the cost.

A draw that failed or holds no step stays in the result, unscored and named in the note: it can never be chosen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stepward.combine.gates import GatedOut
from stepward.errors import ModelError, StepwardError, TraceError
from stepward.protocols import AnswerReader, Resources, Segmenter, TraceScorer
from stepward.reduce import Reduced
from stepward.types import Completion, Problem, SampleRequest, Spend, Trace, TraceScore


async def draw(request: SampleRequest, resources: Resources) -> tuple[Trace, ...]:
    """One trace per completion of `request`, in draw order, failed ones included."""
    cutting = Cutting(segmenter=resources.need_segmenter(), answers=resources.need_answers())
    completions = await resources.need_policy().sample(request)
    if len(completions) != request.n:
        raise StepwardError(f"a policy was asked for {request.n} completions", got=len(completions))
    return tuple(
        trace_of(request, request.first_draw + index, completion, cutting)
        for index, completion in enumerate(completions)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutting:
    """How text becomes a trace."""

    segmenter: Segmenter
    answers: AnswerReader


def trace_of(request: SampleRequest, index: int, completion: Completion, cutting: Cutting) -> Trace:
    """The trace that draw `index` of `request` makes: prefix and completion, cut into steps."""
    text = request.prefix + completion.text
    failed = completion.finish == "error"
    return Trace(
        problem_id=request.problem.id,
        text=text,
        steps=cutting.segmenter.segment(text),
        answer=None if failed else cutting.answers.extract(text),
        finish=completion.finish,
        segmenter=cutting.segmenter.tag,
        spend=completion.spend,
        meta={"draw": index, **({"error": completion.error} if failed else {})},
    )


def usable(trace: Trace) -> bool:
    """Whether a search may choose `trace`: it did not fail and holds a step."""
    return trace.finish != "error" and len(trace) > 0


def trace_scorer_of(resources: Resources, reduce: str | None) -> TraceScorer:
    """The trace scorer, or, where `reduce` is named, the step scorer reduced by it."""
    if reduce is None:
        return resources.need_trace_scorer()
    return Reduced(scorer=resources.need_scorer(), how=reduce)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """One value per trace, None where there is none; what they cost; why some are missing."""

    values: tuple[float | None, ...]
    spend: Spend
    notes: tuple[str, ...]


async def score_all(problem: Problem, traces: Sequence[Trace], scorer: TraceScorer) -> Scores:
    """Score every usable trace at once. A trace that a gate refuses, or over the model's limit, is left unscored.

    Other errors are raised.
    """
    found = await asyncio.gather(*(_score(problem, trace, scorer) for trace in traces))
    return Scores(
        values=tuple(score.value if isinstance(score, TraceScore) else None for score in found),
        spend=total(score.spend for score in found),
        notes=tuple(f"draw {i}: {score.reason}" for i, score in enumerate(found) if isinstance(score, Unscored)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unscored:
    """Why a trace has no score, and what finding out cost."""

    reason: str
    spend: Spend = Spend()


async def _score(problem: Problem, trace: Trace, scorer: TraceScorer) -> TraceScore | Unscored:
    """The score, or why there is none."""
    if not usable(trace):
        return Unscored(reason=unusable_reason(trace))
    try:
        return await scorer.score_trace(problem, trace)
    except GatedOut as refusal:
        return Unscored(reason=str(refusal), spend=refusal.spend)
    except (ModelError, TraceError) as error:
        return Unscored(reason=f"not scored: {error}")


def unusable_reason(trace: Trace) -> str:
    """Why `trace` cannot be chosen."""
    return f"failed: {trace.meta.get('error', '')}" if trace.finish == "error" else "holds no step"


def total(spends: Iterable[Spend]) -> Spend:
    """Their sum."""
    return sum(spends, Spend())
