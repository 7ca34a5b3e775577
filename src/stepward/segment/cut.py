"""From text, or from the steps of a published data set, to a trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

from stepward.errors import TraceError
from stepward.protocols import Segmenter
from stepward.types import UNKNOWN, Finish, Json, Origin, Step, StepKind, Trace

GIVEN = "given@1"
"""What stands for the segmenter where the steps came from outside."""


def cut(
    problem_id: str,
    text: str,
    segmenter: Segmenter,
    *,
    answer: str | None = None,
    finish: Finish = "stop",
    origin: Origin = UNKNOWN,
    meta: Mapping[str, Json] | None = None,
) -> Trace:
    """The trace of `text`, cut by `segmenter`, whose tag it carries. The empty text makes a trace without steps."""
    return Trace(
        problem_id=problem_id,
        text=text,
        steps=segmenter.segment(text),
        answer=answer,
        finish=finish,
        segmenter=segmenter.tag,
        origin=origin,
        meta=meta or {},
    )


def from_steps(
    problem_id: str,
    steps: Sequence[str],
    separator: str = "\n\n",
    *,
    kinds: Sequence[StepKind] | None = None,
    answer: str | None = None,
    finish: Finish = "stop",
    origin: Origin = UNKNOWN,
    meta: Mapping[str, Json] | None = None,
) -> Trace:
    """The trace that has exactly `steps`: each but the last ends in `separator`. One of `kinds` per step, if any.

    Raises `TraceError` for a step without a visible character: there is nothing in it to judge.
    """
    for index, step in enumerate(steps):
        if not step.strip():
            raise TraceError(
                f"step {index} of {len(steps)} of a trace of problem {problem_id!r} is blank",
                got=step,
                mend="leave it out, with its label, or join it to a neighbour",
            )
    if kinds is not None and len(kinds) != len(steps):
        raise TraceError(f"{len(steps)} steps of problem {problem_id!r} need one kind each", got=len(kinds))
    texts = [step + separator for step in steps[:-1]] + list(steps[-1:])
    bounds = pairwise(accumulate(map(len, texts), initial=0))
    each = kinds or ["thought"] * len(texts)
    return Trace(
        problem_id=problem_id,
        text="".join(texts),
        steps=tuple(Step(start, end, kind) for (start, end), kind in zip(bounds, each, strict=True)),
        answer=answer,
        finish=finish,
        segmenter=GIVEN,
        origin=origin,
        meta=meta or {},
    )
