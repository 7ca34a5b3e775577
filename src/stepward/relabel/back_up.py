"""Tree values: what the endings of sampled traces say of the prefixes they share. No completion is drawn.

The traces of one problem form a tree. With z_i the outcome of trace i, 1 right and 0 wrong, a node is worth

    mean       V(s) = (1 / n) sum z_i               over the n traces through s
    max        V(s) = max z_i
    soft-max   V(s) = (1 / eta) log((1 / n) sum e^(eta z_i)),  which is (1 / eta) log(1 - p + p e^eta) at a share p

Taken step by step these are the count-weighted mean, maximum and log-mean-exp of the children's values: each
telescopes to the endings below the node. The mean is unbiased for the value under the policy that sampled the traces,
if it sampled them independently and none was left out. The maximum is the value of an optimal continuation and only
grows with n; the soft-max (ER-PRM's entropy-regularised value) stands between: eta -> 0 gives the mean, eta ->
infinity the maximum.

Degenerate cases: a step that only one trace has gets that trace's own outcome, which says nothing of the step;
`fewest` leaves such steps unlabelled. A trace that was cut short is worth the value label of its last step, where it
has one. A trace without outcome, or with an undecided one, counts nowhere; a node without any is unlabelled.

Source: ER-PRM, arXiv 2412.11006; the tree values of ReST-MCTS*, arXiv 2406.03816.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stepward.errors import ConfigError
from stepward.tree import StepTree
from stepward.types import Json, LabeledTrace, Origin, Problem, StepLabel

How = Literal["mean", "max", "soft_max"]


@dataclass(frozen=True, kw_only=True)
class BackUp:
    """Value labels from the endings of all traces through a step."""

    how: How = "mean"
    eta: float = 1.0
    """Sharpness of the soft-max, above 0."""
    fewest: int = 1
    """Endings below which a step is left unlabelled."""

    def __post_init__(self) -> None:
        if self.how not in ("mean", "max", "soft_max"):
            raise ConfigError("how must be mean, max or soft_max", got=self.how)
        if not 0 < self.eta < math.inf or self.fewest < 1:
            raise ConfigError("eta must be above 0 and fewest at least 1", got=(self.eta, self.fewest))

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """The same traces with tree values for labels. Their labels depend on the whole group."""
        tree = StepTree(problem)
        endings: dict[int, list[float]] = defaultdict(list)
        for each in labeled:
            tree.add(each.trace)
            if (outcome := ending(each)) is not None:
                for node in tree.find(each.trace):
                    endings[node.id].append(outcome)
        without = sum(ending(each) is None for each in labeled)
        return [
            replace(
                each,
                labels=tuple(self._label(endings[node.id]) for node in tree.find(each.trace)),
                meta={**each.meta, "traces": len(labeled), "without_outcome": without},
            )
            for each in labeled
        ]

    def value(self, endings: Sequence[float]) -> float:
        """What a prefix is worth whose traces end with these outcomes, each in [0, 1]; at least one."""
        if self.how == "max":
            return max(endings)
        if self.how == "soft_max":
            return soft_max(endings, self.eta)
        return sum(endings) / len(endings)

    def _label(self, endings: Sequence[float]) -> StepLabel | None:
        if len(endings) < self.fewest:
            return None
        settings: dict[str, Json] = {"how": self.how, "fewest": self.fewest}
        if self.how == "soft_max":
            settings["eta"] = self.eta
        whole = self.how == "mean" and all(each in (0.0, 1.0) for each in endings)
        return StepLabel(
            target="value",
            value=min(1.0, self.value(endings)),
            source="tree",
            successes=int(sum(endings)) if whole else None,
            trials=len(endings) if whole else None,
            origin=Origin(maker="relabeler:back_up", revision="1", settings=settings),
        )


def ending(labeled: LabeledTrace) -> float | None:
    """What a trace came to, in [0, 1]; None where nothing says it."""
    last = labeled.labels[-1] if labeled.labels else None
    if labeled.trace.finish != "stop" and last is not None and last.target == "value":
        return last.value
    if labeled.verdict is None or labeled.verdict.correct is None or labeled.trace.finish == "error":
        return None
    return float(labeled.verdict.correct)


def soft_max(values: Sequence[float], eta: float) -> float:
    """(1 / eta) log of the mean of e^(eta v): between the mean and the maximum of `values`, of which there is one."""
    top = max(values)
    return top + math.log(sum(math.exp(eta * (value - top)) for value in values) / len(values)) / eta
