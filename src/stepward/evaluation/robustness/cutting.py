"""Steps left out or moved: the answer alone, a leap to it, the end cut off, and the order lost.

answer only       the last step without any reasoning: nothing shows where the answer is from
leap to answer    the beginning, then the answer: the answer rests on steps that are not there
truncated         the beginning alone. What is there is as right as before, so the scores of the steps that stayed
                  must not move; a scorer whose numbers depend on what follows is found out by it
shuffled          all steps in another order, the last one in its place: steps read what is not yet found
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stepward.errors import ConfigError
from stepward.evaluation.robustness.contract import NO_STEPS, NOT_RIGHT, Attempt, Expected, Inapplicable, Outcome
from stepward.evaluation.robustness.dependence import by_numbers
from stepward.evaluation.robustness.rewriting import Rewrite, answer_in, pieces, rng_of
from stepward.evaluation.robustness.truth import is_world, located

NO_ANSWER = Inapplicable(reason="the last step states no answer")
ORDERS_TRIED = 8


@dataclass(frozen=True, kw_only=True)
class AnswerOnly:
    """The answer without a reason. Scores must fall at once."""

    seed: int = 0

    def perturb(self, attempt: Attempt, others: Sequence[Attempt]) -> Outcome:
        """The attempt's last step alone."""
        return _ending(attempt, kept=0) or located(
            attempt.problem,
            Rewrite(by=self, of=attempt).reworded(pieces(attempt.trace)[-1:], Expected(kind="drop")),
        )


@dataclass(frozen=True, kw_only=True)
class LeapToAnswer:
    """The first steps, then the right answer. Scores must fall at the answer."""

    keep: float = 0.4
    """Share of the steps before the answer that stay; at least one stays and one goes."""
    seed: int = 0

    def __post_init__(self) -> None:
        _check_share(self.keep)

    def perturb(self, attempt: Attempt, others: Sequence[Attempt]) -> Outcome:
        """The attempt without the middle."""
        before = len(attempt.trace) - 1
        kept = max(1, math.floor(before * self.keep))
        refused = _ending(attempt, kept)
        if refused is not None:
            return refused
        if not is_world(attempt.problem) and not _leaves_gap(attempt, kept):
            return Inapplicable(reason="no step between is known to be necessary")
        steps = pieces(attempt.trace)
        made = Rewrite(by=self, of=attempt).reworded(
            [*steps[:kept], steps[-1]], Expected(kind="drop", step=kept), f"steps {kept} to {before - 1} left out"
        )
        return located(attempt.problem, made)


@dataclass(frozen=True, kw_only=True)
class Truncated:
    """The first steps alone. Their scores must not move."""

    keep: float = 0.5
    """Share of the steps that stay, rounded up; at least one goes."""
    seed: int = 0

    def __post_init__(self) -> None:
        _check_share(self.keep)

    def perturb(self, attempt: Attempt, others: Sequence[Attempt]) -> Outcome:
        """The attempt's beginning."""
        count = len(attempt.trace)
        if count < 2:
            return NO_STEPS
        kept = min(count - 1, math.ceil(count * self.keep))
        steps = pieces(attempt.trace)[:kept]
        return Rewrite(by=self, of=attempt).made(steps, Expected(kind="invariant"), f"cut behind step {kept - 1}")


@dataclass(frozen=True, kw_only=True)
class Shuffled:
    """The steps before the last in another order. Scores must fall where a step reads what is not yet found."""

    seed: int = 0

    def perturb(self, attempt: Attempt, others: Sequence[Attempt]) -> Outcome:
        """The attempt in an order in which it cannot be read."""
        if not attempt.sound:
            return NOT_RIGHT
        before = len(attempt.trace) - 1
        if before < 2:
            return NO_STEPS
        steps, rng = pieces(attempt.trace), rng_of(self, attempt)
        for _ in range(ORDERS_TRIED):
            order = rng.sample(range(before), before)
            fault = _fault(attempt, order)
            if fault is None:
                continue
            made = Rewrite(by=self, of=attempt).reworded(
                [*(steps[at] for at in order), steps[-1]], Expected(kind="drop", step=fault), f"order {order}"
            )
            found = located(attempt.problem, made)
            if not isinstance(found, Inapplicable):
                return found
        return Inapplicable(reason="no order is known in which its steps cannot be read")


def _fault(attempt: Attempt, order: Sequence[int]) -> int | None:
    """The first place in `order` that reads a later one; None where there is none. In the world the checker tells."""
    if is_world(attempt.problem):
        return None if list(order) == sorted(order) else 0
    place = {step: at for at, step in enumerate(order)}
    read = enumerate(by_numbers(attempt.problem, attempt.trace))
    too_early = [
        place[each.reader]
        for step, each in read
        if each.reader in place and each.reader is not None and place[each.reader] < place[step]
    ]
    return min(too_early, default=None)


def _ending(attempt: Attempt, kept: int) -> Inapplicable | None:
    """Why `kept` first steps and the last one make no leap; None where they do."""
    if not attempt.sound:
        return NOT_RIGHT
    if len(attempt.trace) - 1 <= kept:
        return NO_STEPS
    return None if answer_in(attempt.trace.step_texts[-1]) is not None else NO_ANSWER


def _leaves_gap(attempt: Attempt, kept: int) -> bool:
    """Whether the last step reads one that stands behind the first `kept`."""
    between = by_numbers(attempt.problem, attempt.trace)[kept:]
    return any(each.reader == len(attempt.trace) - 1 for each in between)


def _check_share(keep: float) -> None:
    if not 0 < keep < 1:
        raise ConfigError("keep must lie between 0 and 1", got=keep)
