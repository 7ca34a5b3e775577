"""Which steps a solution cannot do without.

    necessary   a later step reads what it found; `reader` is the first that does
    inert       no later step does: taken out, what is left is as right as before
    unknown     the text does not tell

For problems of the world this is exact: the step is taken out and the checker asked. For any other text it is a
heuristic on numbers. A step *finds* the numbers that neither the problem nor an earlier step writes, and *reads* those
that an earlier step found; so a step is necessary where a later one writes a number that it found. A step is called
inert where no later one does and it defines no symbol (a letter before "="); otherwise it is unknown. What is carried
on in words alone is not seen. The last step, which states the answer, is neither: it has no reader.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from stepward.evaluation.robustness.contract import Attempt
from stepward.evaluation.robustness.numbers import numbers_in
from stepward.evaluation.robustness.truth import first_error, is_world
from stepward.types import Problem, Step, Trace

Role = Literal["necessary", "inert", "unknown"]
DEFINES = re.compile(r"[A-Za-z}\])]\s*=")


@dataclass(frozen=True, slots=True)
class Dependence:
    """What the rest of a trace makes of one step."""

    role: Role
    reader: int | None = None
    """The first step that reads what this one found."""


def dependences(attempt: Attempt) -> tuple[Dependence, ...]:
    """One for each step but the last; none for a trace of one step. In the world, of a right trace: else unknown."""
    if is_world(attempt.problem):
        return _exact(attempt.problem, attempt.trace)
    return by_numbers(attempt.problem, attempt.trace)


def by_numbers(problem: Problem, trace: Trace) -> tuple[Dependence, ...]:
    """The heuristic on numbers."""
    written = [numbers_in(text) for text in trace.step_texts]
    known, found = numbers_in(problem.text), list[set[Fraction]]()
    for numbers in written:
        found.append(numbers - known)
        known |= numbers
    return tuple(_read(trace, written, index, found[index]) for index in range(len(trace) - 1))


def without(trace: Trace, index: int) -> Trace:
    """`trace` without one step, as bare text and spans."""
    kept = [text for at, text in enumerate(trace.step_texts) if at != index]
    spans, at = list[Step](), 0
    for text in kept:
        spans.append(Step(at, at + len(text)))
        at += len(text)
    return Trace(problem_id=trace.problem_id, text="".join(kept), steps=tuple(spans))


def _exact(problem: Problem, trace: Trace) -> tuple[Dependence, ...]:
    if first_error(problem, trace) is not None:
        return (Dependence("unknown"),) * (len(trace) - 1)
    return tuple(_asked(first_error(problem, without(trace, index)), index) for index in range(len(trace) - 1))


def _asked(error: int | None, index: int) -> Dependence:
    """`error` is where the trace without step `index` goes wrong; steps behind it have moved up by one."""
    return Dependence("inert") if error is None else Dependence("necessary", error + 1)


def _read(trace: Trace, written: list[set[Fraction]], index: int, found: set[Fraction]) -> Dependence:
    reader = next((at for at in range(index + 1, len(trace)) if written[at] & found), None)
    if reader is not None:
        return Dependence("necessary", reader)
    return Dependence("unknown" if DEFINES.search(trace.step_texts[index]) else "inert")
