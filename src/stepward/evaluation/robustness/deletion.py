"""One step taken out: one that a later step needs, or one that none does.

The pair is what tells a scorer that follows the argument from one that counts steps. Taking out a necessary step
leaves a number from nowhere, and scores must fall where it is read; taking out an inert one leaves the argument
whole. A product whose other factors stay rises either way (StrictPRMBench, 2026). The last step stays.

Inert steps are rare in short solutions. Where there is none, `InertDeletion` plants one: a step said twice, and it is
the repetition that is taken out; the base to compare with is then the attempt with the repetition in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stepward.evaluation.robustness.contract import NO_STEPS, NOT_RIGHT, Attempt, Expected, Inapplicable, Outcome
from stepward.evaluation.robustness.dependence import Dependence, Role, dependences
from stepward.evaluation.robustness.padding import with_repetition
from stepward.evaluation.robustness.rewriting import Rewrite, pieces, rng_of
from stepward.evaluation.robustness.truth import located


@dataclass(frozen=True, kw_only=True)
class NecessaryDeletion:
    """Without a step that a later one reads. Scores must fall at the reader."""

    seed: int = 0

    def perturb(self, attempt: Attempt, others: Sequence[Attempt]) -> Outcome:
        """The attempt without one necessary step."""
        if not attempt.sound:
            return NOT_RIGHT
        found = _steps(attempt, "necessary")
        if not found:
            return Inapplicable(reason="no step is known to be necessary")
        index, dependence = rng_of(self, attempt).choice(found)
        reader = index if dependence.reader is None else dependence.reader - 1
        kept = [piece for piece in pieces(attempt.trace) if piece.source != index]
        made = Rewrite(by=self, of=attempt).reworded(kept, Expected(kind="drop", step=reader), f"without step {index}")
        return located(attempt.problem, made)


@dataclass(frozen=True, kw_only=True)
class InertDeletion:
    """Without a step that no later one reads. No score must move."""

    plant: bool = True
    """Where no step is inert, say one twice in the base, and take the repetition out."""
    seed: int = 0

    def perturb(self, attempt: Attempt, others: Sequence[Attempt]) -> Outcome:
        """The attempt without one inert step."""
        if not attempt.sound:
            return NOT_RIGHT
        if len(attempt.trace) < 2:
            return NO_STEPS
        rng, rewrite = rng_of(self, attempt), Rewrite(by=self, of=attempt)
        found = _steps(attempt, "inert")
        if found:
            index, _ = rng.choice(found)
            kept = [piece for piece in pieces(attempt.trace) if piece.source != index]
            return rewrite.reworded(kept, Expected(kind="invariant"), f"without step {index}")
        if not self.plant:
            return Inapplicable(reason="no step is known to be inert")
        longer, place = with_repetition(attempt.trace, rng)
        steps = [replace(piece, source=at) for at, piece in enumerate(longer) if at != place]
        made = rewrite.reworded(steps, Expected(kind="invariant"), f"without the repetition planted at {place}")
        return replace(made, base=rewrite.trace(longer, f"a step repeated at {place}", attempt.trace.answer))


def _steps(attempt: Attempt, role: Role) -> list[tuple[int, Dependence]]:
    return [(index, each) for index, each in enumerate(dependences(attempt)) if each.role == role]
