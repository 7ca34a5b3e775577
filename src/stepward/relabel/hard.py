"""The hard view of labels, good or bad, where it may be taken.

The hard view of rollout counts is "any of K succeeded". On a multiple-choice question guessing makes that nearly always
true: with m = 4 options and K = 8 completions 90 % of all prefixes, whatever they say (1 - (1 - 1/m)^K). So it is
refused there, with the way out: the relabeler `chance` takes the chance level off first. (Noise of rollouts, arXiv
2505.14391.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from stepward.errors import LabelError
from stepward.types import LabeledTrace, Problem, StepLabel

Calls: TypeAlias = "tuple[bool | None, ...]"
Location: TypeAlias = 'int | Literal["none", "unknown"]'
"""Index of the first bad step; none where every step is good; unknown where an unlabelled step comes first."""


def hard_calls(problem: Problem, labeled: LabeledTrace) -> Calls:
    """Good, bad or None for each step. `LabelError` for any-of-K on multiple choice."""
    if problem.answer_kind == "choice" and any(_any_of_many(label) for label in labeled.labels):
        raise LabelError(
            f"rollout counts of multiple-choice problem {problem.id!r} have no hard view: guessing succeeds once in K",
            mend="take the relabeler `chance` first, or relative labels",
        )
    return tuple(None if label is None else label.good for label in labeled.labels)


def first_error(calls: Sequence[bool | None]) -> Location:
    """Where the first error stands."""
    for index, call in enumerate(calls):
        if call is None:
            return "unknown"
        if not call:
            return index
    return "none"


def _any_of_many(label: StepLabel | None) -> bool:
    """One trial is the trace's own verdict, not any of many."""
    return label is not None and label.target == "value" and (label.trials or 0) > 1
