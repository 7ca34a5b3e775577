"""What a perturbation is: it changes one attempt, and says what the change must do to the scores.

    invariant   nothing that is true of a step changed: the scores of the steps that stayed must not move
    no_rise     an attack on a wrong solution: nothing may score higher for it
    drop        from step k on something is wrong now: scores must fall there; k = 0 is the whole trace

A perturbation is a frozen dataclass with a `seed` and one method. It draws from its settings, its seed and the attempt
alone, so what it makes depends neither on the order of the attempts nor on what else is perturbed. Where it does not
apply it says why: an `Inapplicable` is counted by its reason, never dropped.

`Perturbed.source` aligns the steps: entry j names the step of the base that step j of the new trace is, reworded or
not, and None a step that is new. What changed stands in the trace's origin (name, settings, seed) and its meta.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from stepward.errors import TraceError
from stepward.types import LabeledTrace, Problem, Trace

ExpectedKind = Literal["invariant", "no_rise", "drop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at a problem, with whatever labels and verdict it has."""

    problem: Problem
    labeled: LabeledTrace

    @property
    def trace(self) -> Trace:
        """The attempt's text and steps."""
        return self.labeled.trace

    @property
    def sound(self) -> bool | None:
        """True where everything known says that it is right, False where something does not, None where too little is.

        Every step labelled good will do, and so will a right answer where no step is labelled bad.
        """
        labels, verdict = self.labeled.labels, self.labeled.verdict
        right = None if verdict is None else verdict.correct
        if right is False or any(label is not None and not label.good for label in labels):
            return False
        judged = bool(labels) and all(label is not None for label in labels)
        return True if judged or right else None

    @property
    def first_bad(self) -> int | None:
        """The first step that is labelled bad; None where none is."""
        labels = self.labeled.labels
        return next((i for i, label in enumerate(labels) if label is not None and not label.good), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the scores of the perturbed trace must do."""

    kind: ExpectedKind
    step: int = 0
    """The first step of the perturbed trace that this is said of; for drop the one where the fault shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Perturbed:
    """The changed trace, how its steps stand to those of the base, and what is expected."""

    trace: Trace
    source: tuple[int | None, ...]
    expected: Expected
    base: Trace | None = None
    """What to compare with, where it is not the attempt itself."""

    def __post_init__(self) -> None:
        if len(self.source) != len(self.trace) or not 0 <= self.expected.step < len(self.trace):
            raise TraceError(
                f"a perturbed trace of {len(self.trace)} steps needs one source a step and an expectation inside it",
                got=(len(self.source), self.expected.step),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inapplicable:
    """The perturbation cannot be made of this attempt."""

    reason: str
    """Without the particulars of the attempt, so that reasons can be counted."""


Outcome: TypeAlias = Perturbed | Inapplicable


@runtime_checkable
class Perturbation(Protocol):
    """Who changes an attempt."""

    @property
    def seed(self) -> int:
        """Of everything that it draws."""
        ...

    def perturb(self, attempt: Attempt, others: Sequence[Attempt]) -> Outcome:
        """`attempt` changed, or why not. `others` are attempts that a perturbation may borrow from."""
        ...


NOT_RIGHT = Inapplicable(reason="the attempt is not known to be right")
NOT_WRONG = Inapplicable(reason="the attempt is not known to be wrong")
"""An attack lifts what is wrong; what is right has nothing to gain."""
NO_STEPS = Inapplicable(reason="the trace has too few steps")
