"""Caps how many good labels stand beside each bad one within a problem, or the other way round.

    good <= ratio * max(bad, 1)   and   bad <= ratio * max(good, 1)

Rollout labels are mostly good, and a model may learn no more than that. Which labels go is decided by a hash of
problem, text and step, so the same labels stay whatever else is in the data. Where every trace must stay whole, weigh
classes in training instead (`balance` of the stage `train`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stepward.errors import ConfigError
from stepward.relabel.filters.leaving import only
from stepward.relabel.hard import hard_calls
from stepward.types import LabeledTrace, Problem, content_key


@dataclass(frozen=True, kw_only=True)
class BalancedLabels:
    """Keeps at most `ratio` labels of one sign for each of the other."""

    ratio: float = 4.0

    def __post_init__(self) -> None:
        if not self.ratio >= 1:
            raise ConfigError("ratio must be at least 1", got=self.ratio)

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """The same traces, less what is too many."""
        found: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
        for place, each in enumerate(labeled):
            for step, call in enumerate(hard_calls(problem, each)):
                if call is not None:
                    found[call].append((place, step))
        kept = {spot for call, spots in found.items() for spot in self._some(spots, len(found[not call]), labeled)}
        return [_only_at(each, {step for at, step in kept if at == place}) for place, each in enumerate(labeled)]

    def _some(
        self, spots: list[tuple[int, int]], others: int, labeled: Sequence[LabeledTrace]
    ) -> list[tuple[int, int]]:
        ids = [each.trace.id for each in labeled]
        ordered = sorted(spots, key=lambda spot: (content_key("balance", ids[spot[0]], spot[1]), spot))
        return ordered[: int(self.ratio * max(others, 1))]


def _only_at(labeled: LabeledTrace, steps: set[int]) -> LabeledTrace:
    return only(labeled, lambda step, _: step in steps)
