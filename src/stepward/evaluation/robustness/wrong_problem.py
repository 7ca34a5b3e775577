"""A right solution of another problem in the place of one to this: every step may be true, none of it is to the point.

The borrowed solution is one with another answer, of the same domain where there is one, as near in length as can be
had, so that length does not give it away. A scorer that does not read the problem cannot tell the two apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stepward.evaluation.robustness.contract import NOT_RIGHT, Attempt, Expected, Inapplicable, Outcome
from stepward.evaluation.robustness.rewriting import Rewrite, pieces
from stepward.evaluation.robustness.truth import located
from stepward.types import content_key


@dataclass(frozen=True, kw_only=True)
class WrongProblem:
    """The trace of another problem. Scores must fall from the first step on."""

    same_domain: bool = True
    """Borrow within the domain where it holds another problem."""
    seed: int = 0

    def perturb(self, attempt: Attempt, others: Sequence[Attempt]) -> Outcome:
        """A right attempt at another problem, under this problem's name."""
        if not attempt.sound:
            return NOT_RIGHT
        found = self._nearest(attempt, others)
        if found is None:
            return Inapplicable(reason="no right solution of another problem is at hand")
        borrowed = [replace(piece, source=None) for piece in pieces(found.trace)]
        made = Rewrite(by=self, of=attempt).made(
            borrowed, Expected(kind="drop"), f"of problem {found.problem.id}", found.trace.answer
        )
        return located(attempt.problem, made)

    def _nearest(self, attempt: Attempt, others: Sequence[Attempt]) -> Attempt | None:
        strange = [other for other in others if _strange(other, attempt)]
        here = attempt.problem.domain
        at_home = [other for other in strange if other.problem.domain == here] if self.same_domain else []
        usable = at_home or strange
        gaps = [abs(len(other.trace) - len(attempt.trace)) for other in usable]
        closest = min(gaps, default=0)
        nearest = [other for other, gap in zip(usable, gaps, strict=True) if gap == closest]
        return min(nearest, key=lambda other: self._lot(attempt, other), default=None)

    def _lot(self, attempt: Attempt, other: Attempt) -> str:
        """Chance among equals that does not depend on their order."""
        return content_key(self.seed, attempt.problem.id, attempt.trace.id, other.problem.id, other.trace.id)


def _strange(other: Attempt, attempt: Attempt) -> bool:
    mine, its = attempt.problem, other.problem
    new = its.id != mine.id and its.text != mine.text
    return new and (its.answer is None or its.answer != mine.answer) and other.sound is True and len(other.trace) > 0
