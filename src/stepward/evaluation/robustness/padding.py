"""More words, no more content: said at length, said twice, declared checked, and the question copied out.

None of it makes a step truer or falser, so the scores of the solution's own steps must not move. A step that only
repeats may be called redundant by a scorer trained to do so; it is not wrong.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stepward.evaluation.robustness.contract import NO_STEPS, Attempt, Expected, Inapplicable, Outcome
from stepward.evaluation.robustness.rewriting import Piece, Rewrite, pieces, rng_of, with_text
from stepward.types import Trace

BEFORE = (
    "Let us now look at this part with some care.",
    "At this point it makes sense to go slowly.",
    "Moving on, the following is what we want to write down.",
    "Now for the next part of the solution.",
)
BEHIND = (
    "That is what we wanted to state here.",
    "With this written down we may go on.",
    "This is all that this part is about.",
    "So much for this part of the work.",
)
CHECKS = (
    "Let me double-check: correct.",
    "Checking this again: yes, it is right.",
    "I have verified this, and it holds.",
)
INVARIANT = Expected(kind="invariant")


@dataclass(frozen=True, kw_only=True)
class Verbose:
    """Every step between two empty sentences. No score must move."""

    seed: int = 0

    def perturb(self, attempt: Attempt, others: Sequence[Attempt]) -> Outcome:
        """The attempt in more words."""
        if not len(attempt.trace):
            return NO_STEPS
        rng = rng_of(self, attempt)
        wordy = [
            with_text(piece, f"{rng.choice(BEFORE)} {piece.text} {rng.choice(BEHIND)}")
            for piece in pieces(attempt.trace)
        ]
        return Rewrite(by=self, of=attempt).reworded(wordy, INVARIANT)


@dataclass(frozen=True, kw_only=True)
class RedundantStep:
    """One step, word for word, a second time. The scores of the others must not move."""

    seed: int = 0

    def perturb(self, attempt: Attempt, others: Sequence[Attempt]) -> Outcome:
        """The attempt with a step repeated behind it, before the last one."""
        if len(attempt.trace) < 2:
            return NO_STEPS
        longer, place = with_repetition(attempt.trace, rng_of(self, attempt))
        return Rewrite(by=self, of=attempt).reworded(longer, INVARIANT, f"a step repeated at {place}")


@dataclass(frozen=True, kw_only=True)
class SelfCheck:
    """A claim to have checked, where nothing was. No score must move."""

    place: Literal["step", "inside"] = "step"
    """A step of its own, or at the end of one."""
    seed: int = 0

    def perturb(self, attempt: Attempt, others: Sequence[Attempt]) -> Outcome:
        """The attempt with a declaration behind one step."""
        if not len(attempt.trace):
            return NO_STEPS
        rng, steps = rng_of(self, attempt), pieces(attempt.trace)
        at, said = rng.randrange(len(steps)), rng.choice(CHECKS)
        if self.place == "step":
            steps.insert(at + 1, Piece(said))
        else:
            steps[at] = with_text(steps[at], f"{steps[at].text} {said}")
        return Rewrite(by=self, of=attempt).reworded(steps, INVARIANT, f"behind step {at}: {said}")


@dataclass(frozen=True, kw_only=True)
class RepeatedQuestion:
    """The question copied out before the first step. No score must move."""

    place: Literal["step", "inside"] = "step"
    """A step of its own, or at the beginning of the first one."""
    seed: int = 0

    def perturb(self, attempt: Attempt, others: Sequence[Attempt]) -> Outcome:
        """The attempt behind its question."""
        question = " ".join(attempt.problem.text.split())
        if not len(attempt.trace):
            return NO_STEPS
        if not question:
            return Inapplicable(reason="the problem has no text")
        first, *rest = pieces(attempt.trace)
        if self.place == "step":
            steps = [Piece(question), first, *rest]
        else:
            steps = [with_text(first, f"{question} {first.text}"), *rest]
        return Rewrite(by=self, of=attempt).reworded(steps, INVARIANT)


def with_repetition(trace: Trace, rng: random.Random) -> tuple[list[Piece], int]:
    """The steps of a trace of at least two with one said again behind it, never last, and where the repetition is."""
    steps = pieces(trace)
    said = rng.randrange(len(steps) - 1)
    place = rng.randint(said + 1, len(steps) - 1)
    return [*steps[:place], replace(steps[said], source=None), *steps[place:]], place
