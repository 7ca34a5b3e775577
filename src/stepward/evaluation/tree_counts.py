"""Recounts the Monte-Carlo values of OmegaPRM's published trees from the completions that stand in them.

Each completion that ended right is kept as a leaf with value 1 below the state that it was drawn from, so

    value = right leaves / n        n = 16 at the root, 32 at every other state

in trees of the open implementation with k = 16: it draws the k completions of a state that its search visits twice, and
counts both. A state with value 0 keeps none of its completions: nothing can be counted, 0 = 0 / n. A state that the
file holds m times, with its completions pooled and its values averaged, has m times the n.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stepward.datasets.omega_prm import Cut

PER_VISIT = 16
VISITS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One state that completions were drawn from."""

    depth: int
    """Steps before it; 0 for the question."""
    value: float
    right: int
    """Completions kept below it."""
    trials: int
    """n of the rule."""

    @property
    def reproduced(self) -> bool:
        """Whether the value follows from the counts, exactly."""
        return self.right == self.value * self.trials


def states(root: Cut, *, per_visit: int = PER_VISIT) -> list[State]:
    """Every state of the tree, in its order; right leaves are no states."""
    return list(_states(root, 0, per_visit))


def leaves(root: Cut) -> Iterator[tuple[Cut, ...]]:
    """The steps of every way to a leaf with value 1: the completions that ended right."""
    waiting: list[tuple[Cut, ...]] = [(child,) for child in reversed(root.children)]
    while waiting:
        path = waiting.pop()
        if is_right_leaf(path[-1]):
            yield path
        waiting.extend((*path, child) for child in reversed(path[-1].children))


def is_right_leaf(cut: Cut) -> bool:
    """Whether `cut` is a completion that ended right."""
    return cut.value == 1.0 and not cut.children


def _states(cut: Cut, depth: int, per_visit: int) -> Iterator[State]:
    right = sum(child.copies for child in cut.children if is_right_leaf(child))
    trials = per_visit * (VISITS if depth else 1) * cut.copies
    yield State(depth=depth, value=cut.value, right=right, trials=trials)
    for child in cut.children:
        if not is_right_leaf(child):
            yield from _states(child, depth + 1, per_visit)
