"""From text, or from the steps of a published data set, to a trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import TypedDict, Unpack

from stepward.errors import TraceError
from stepward.protocols import Segmenter
from stepward.types import Finish, Json, Origin, Spend, Step, StepKind, Trace

GIVEN = "given@1"
"""What stands for the segmenter where the steps came from outside."""


class Facts(TypedDict, total=False):
    """What else may be known of a trace; what is not keeps the default of `Trace`."""

    answer: str | None
    finish: Finish
    origin: Origin
    spend: Spend
    meta: Mapping[str, Json]


def cut(problem_id: str, text: str, segmenter: Segmenter, **facts: Unpack[Facts]) -> Trace:
    """The trace of `text`, cut by `segmenter`, whose tag it carries. The empty text makes a trace without steps."""
    return Trace(problem_id=problem_id, text=text, steps=segmenter.segment(text), segmenter=segmenter.tag, **facts)


def from_steps(
    problem_id: str,
    steps: Sequence[str],
    separator: str = "\n\n",
    *,
    kinds: Sequence[StepKind] | None = None,
    **facts: Unpack[Facts],
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
    spans = tuple(Step(start, end, kind) for (start, end), kind in zip(bounds, each, strict=True))
    return Trace(problem_id=problem_id, text="".join(texts), steps=spans, segmenter=GIVEN, **facts)
