"""Quality values of ReST-MCTS*: how far a partial solution has come, and whether it went astray.

    v_0 = 0,   v_k = max(0, v_{k-1} + (1 - v_{k-1}) r_k / m_k)

m_k is the reasoning distance: the fewest steps to a right ending, step k itself counted. (The paper counts the steps
behind k and writes m_k + 1.) r_k in [-1, 1] says whether step k is good:

    tree     +1 for a step on a way to a right ending, else -1: the authors' code for self-training
    hard     +1 or -1 by the hard view of the labels that the traces have
    soft     1 - 2 Pr[step is wrong] = 2 value - 1: the paper's form, from the labels' values

A straight right solution of T steps gets v_k = k / T. A step off every right way takes m from its nearest ancestor on
one; the empty prefix, too, can be that ancestor.

v mixes distance with correctness. It does not compare with Monte-Carlo values, and its hard view (v > 0) says nothing:
train on the value.

Degenerate cases: without a right trace no distance is known and nothing is labelled. Behind a step whose r is unknown
(an unlabelled step, or with "tree" one that only undecided traces have) v is unknown.

Source: Zhang et al., arXiv 2406.03816.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stepward.errors import ConfigError, LabelError
from stepward.relabel.values import taken_from
from stepward.tree import Node, StepTree
from stepward.types import LabeledTrace, Origin, Problem, StepLabel


@dataclass(frozen=True, kw_only=True)
class RestMctsValues:
    """Value labels that grow with every good step and reach 1 at a right ending. Needs verdicts."""

    rewards: Literal["tree", "hard", "soft"] = "tree"

    def __post_init__(self) -> None:
        if self.rewards not in ("tree", "hard", "soft"):
            raise ConfigError("rewards must be tree, hard or soft", got=self.rewards)

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """The same traces with quality values. `LabelError` for progress labels where labels say what is good."""
        tree = StepTree(problem)
        for each in labeled:
            tree.add(each.trace)
        ahead = steps_to_right(tree, labeled)
        return [self._relabel(each, tree, ahead) for each in labeled]

    def _relabel(self, labeled: LabeledTrace, tree: StepTree, ahead: dict[int, int]) -> LabeledTrace:
        if not ahead:
            meta = {**labeled.meta, "rest_mcts": "no right trace"}
            return replace(labeled, labels=(None,) * len(labeled.trace), meta=meta)
        path = tree.find(labeled.trace)
        rewards = [self._reward(labeled, index, node, ahead) for index, node in enumerate(path)]
        known = [each for each in rewards[: _first_gap(rewards)] if each is not None]
        values = quality_values(known, _distances(path[: len(known)], ahead, ahead[tree.root.id]))
        labels = [self._label(value, old) for value, old in zip(values, labeled.labels, strict=False)]
        return replace(labeled, labels=(*labels, *(None,) * (len(path) - len(labels))))

    def _reward(self, labeled: LabeledTrace, index: int, node: Node, ahead: dict[int, int]) -> float | None:
        if self.rewards == "tree":
            decided = labeled.verdict is not None and labeled.verdict.correct is not None
            return 1.0 if node.id in ahead else -1.0 if decided else None
        label = labeled.labels[index]
        if label is None:
            return None
        if label.target == "progress":
            raise LabelError("quality values take labels of what a step is, not of what it gained", got=label.target)
        return 2 * label.value - 1 if self.rewards == "soft" else 1.0 if label.good else -1.0

    def _label(self, value: float, old: StepLabel | None) -> StepLabel:
        settings = {"rewards": self.rewards, **({} if self.rewards == "tree" else taken_from(old))}
        origin = Origin(maker="relabeler:rest_mcts", revision="1", settings=settings)
        return StepLabel(target="value", value=value, source="tree", origin=origin)


def quality_values(rewards: Sequence[float], distances: Sequence[int]) -> list[float]:
    """v_1 to v_T from r_k in [-1, 1] and m_k >= 1, step k itself counted; `LabelError` outside."""
    value, found = 0.0, []
    for reward, distance in zip(rewards, distances, strict=True):
        if not -1.0 <= reward <= 1.0 or distance < 1:
            raise LabelError("quality values need rewards in [-1, 1] and distances >= 1", got=(reward, distance))
        value = min(1.0, max(0.0, value + (1.0 - value) * reward / distance))
        found.append(value)
    return found


def steps_to_right(tree: StepTree, labeled: Sequence[LabeledTrace]) -> dict[int, int]:
    """Of each node on a way to a right ending, by its id, the fewest steps that are left."""
    found: dict[int, int] = {}
    for each in labeled:
        if each.verdict is None or not each.verdict.correct:
            continue
        path = (tree.root, *tree.find(each.trace))
        for node in path:
            left = len(each.trace) - node.depth
            found[node.id] = min(left, found.get(node.id, left))
    return found


def _distances(path: Sequence[Node], ahead: dict[int, int], from_root: int) -> list[int]:
    """Reasoning distances along `path`, from `ahead` or the nearest step above that stands there."""
    at, found = from_root + 1, []
    for node in path:
        at = ahead[node.id] + 1 if node.id in ahead else at
        found.append(at)
    return found


def _first_gap(rewards: Sequence[float | None]) -> int:
    return next((index for index, each in enumerate(rewards) if each is None), len(rewards))
