"""Discounted outcomes: a step is worth the outcomes of the traces through it, the more the nearer they end.

    y = mean over the traces through the step of  gamma^d (2 z - 1),  rescaled to (y + 1) / 2

z is 1 for a right trace and 0 for a wrong one. d counts the steps that still follow (`count_from` "end", the standard
return), or those that came before ("start", what the authors' code does: late steps of a winning run then count for
little). Steps are one where their whole prefixes agree.

1/2 is neutral here: the far steps of right and wrong traces draw near it, so a label is no chance of success, though
its target is value; its hard view says nothing.

Degenerate case: an undecided trace counts nowhere; a step that only such traces have is unlabelled.

Source: Choudhury, "Process Reward Models for LLM Agents", arXiv 2502.10325 (gamma 0.95).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stepward.errors import ConfigError
from stepward.tree import StepTree
from stepward.types import LabeledTrace, Origin, Problem, StepLabel


@dataclass(frozen=True, kw_only=True)
class DiscountedOutcome:
    """Value labels from discounted outcomes. Needs verdicts."""

    gamma: float = 0.95
    count_from: Literal["end", "start"] = "end"

    def __post_init__(self) -> None:
        if not 0 < self.gamma <= 1:
            raise ConfigError("gamma must lie in (0, 1]", got=self.gamma)
        if self.count_from not in ("end", "start"):
            raise ConfigError("count_from must be end or start", got=self.count_from)

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """The same traces. Their labels depend on the whole group."""
        tree = StepTree(problem)
        returns: dict[int, list[float]] = defaultdict(list)
        for each in labeled:
            tree.add(each.trace)
            for node, value in zip(tree.find(each.trace), self._returns(each), strict=True):
                returns[node.id] += [value] if value is not None else []
        return [
            replace(each, labels=tuple(self._label(returns[node.id]) for node in tree.find(each.trace)))
            for each in labeled
        ]

    def _returns(self, labeled: LabeledTrace) -> list[float | None]:
        steps = len(labeled.trace)
        if labeled.verdict is None or labeled.verdict.correct is None:
            return [None] * steps
        sign = 1.0 if labeled.verdict.correct else -1.0
        distances = range(steps) if self.count_from == "start" else range(steps - 1, -1, -1)
        return [sign * self.gamma**distance for distance in distances]

    def _label(self, returns: Sequence[float]) -> StepLabel | None:
        if not returns:
            return None
        settings = {"gamma": self.gamma, "count_from": self.count_from}
        return StepLabel(
            target="value",
            value=(sum(returns) / len(returns) + 1) / 2,
            source="tree",
            origin=Origin(maker="relabeler:discounted", revision="1", settings=settings),
        )
