"""A sum that no longer holds, left standing alone or carried on.

    numeric corruption   one result is changed and nothing else: the steps behind it contradict it
    fluent wrong         the steps behind it go on from the wrong number, every sum worked out anew: one fault, and a
                         wrong answer that follows from it without a break

The first can be found by comparing numbers, the second only by checking the sum. Both touch sums that hold, so the
fault is certain; in the world the checker must find it, and for fluent wrong find nothing else.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

from stepward.evaluation.robustness.contract import NOT_RIGHT, Attempt, Expected, Inapplicable, Outcome, Perturbed
from stepward.evaluation.robustness.numbers import Carrying, Spoilt, numbers_in, replaced, spoilt
from stepward.evaluation.robustness.rewriting import Piece, Rewrite, answer_in, pieces, rng_of, with_text
from stepward.evaluation.robustness.truth import faults, is_world, located

MOST_TRIED = 32
"""Steps tried before a wrong number counts as one that cannot be carried on: each is read to the end of the trace."""
NO_SUM = Inapplicable(reason="no step writes a sum that holds")


@dataclass(frozen=True, kw_only=True)
class NumericCorruption:
    """One wrong result. Scores must fall at its step."""

    seed: int = 0

    def perturb(self, attempt: Attempt, others: Sequence[Attempt]) -> Outcome:
        """The attempt with one result changed."""
        if not attempt.sound:
            return NOT_RIGHT
        for index, wrong in _spoilt_steps(attempt, rng_of(self, attempt)):
            steps = pieces(attempt.trace)
            steps[index] = with_text(steps[index], wrong.text)
            made = Rewrite(by=self, of=attempt).reworded(steps, Expected(kind="drop", step=index), _told(index, wrong))
            return located(attempt.problem, made)
        return NO_SUM


@dataclass(frozen=True, kw_only=True)
class FluentWrong:
    """One wrong result that all later steps go on from. Scores must fall at its step."""

    seed: int = 0

    def perturb(self, attempt: Attempt, others: Sequence[Attempt]) -> Outcome:
        """The attempt with one result changed and the steps behind it worked out anew."""
        if not attempt.sound:
            return NOT_RIGHT
        tried = False
        for index, wrong in islice(_spoilt_steps(attempt, rng_of(self, attempt)), MOST_TRIED):
            tried = True
            made = self._carried(attempt, index, wrong)
            if made is not None:
                return made
        return Inapplicable(reason="no wrong number can be carried on with certainty") if tried else NO_SUM

    def _carried(self, attempt: Attempt, index: int, wrong: Spoilt) -> Perturbed | None:
        steps = pieces(attempt.trace)
        before = [attempt.problem.text, *(step.text for step in steps[:index]), wrong.head.removesuffix(wrong.new)]
        carrying = Carrying(set[Fraction]().union(*map(numbers_in, before)))
        behind = carrying.carry(wrong, [wrong.tail, *(step.text for step in steps[index + 1 :])])
        if behind is None:
            return None
        behind[0] = wrong.head + behind[0]
        made = [*steps[:index], *map(with_text, steps[index:], behind)]
        answer = answer_in(made[-1].text) or replaced(attempt.trace.answer or "", carrying.now) or None
        told = f"{_told(index, wrong)}, carried on"
        found = Rewrite(by=self, of=attempt).made(made, Expected(kind="drop", step=index), told, answer)
        return found if not is_world(attempt.problem) or faults(attempt.problem, found.trace) == [index] else None


def _spoilt_steps(attempt: Attempt, rng: random.Random) -> Iterator[tuple[int, Spoilt]]:
    """In drawn order, each step in which a sum can be spoilt."""
    texts: list[Piece] = pieces(attempt.trace)
    for index in rng.sample(range(len(texts)), len(texts)):
        wrong = spoilt(texts[index].text, rng)
        if wrong is not None:
            yield index, wrong


def _told(index: int, wrong: Spoilt) -> str:
    return f"step {index}: {wrong.old} became {wrong.new}"
