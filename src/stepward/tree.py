"""The attempts at one problem as a tree: common prefixes stand once, alternatives are siblings.

Two traces share a node as long as their steps agree exactly in text and kind. A node stands for the
prefix that ends with its step; the root stands for the empty prefix. Nodes carry counts: of `trials`
completions from here, `successes` ended right, so that their ratio estimates the node's value under
the policy. Backing counts up to the root makes each value the count-weighted mean over its children,
which stays unbiased where the children were sampled by that policy.

Nodes link by index and every walk is a loop: depth has no limit, and building is linear in the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from stepward.codec import from_json, to_json
from stepward.errors import DataError, LabelError, TraceError
from stepward.types import (
    UNKNOWN,
    Json,
    LabeledTrace,
    Origin,
    Problem,
    Source,
    Step,
    StepKind,
    StepLabel,
    Trace,
)


@dataclass(eq=False, slots=True, kw_only=True)
class Node:
    """One step after its parent's prefix. Grown by `StepTree`; counts are added by `back_up` or `count`."""

    id: int
    """Index into `StepTree.nodes`; a parent's is smaller than its children's."""
    parent: int | None
    """None for the root."""
    text: str
    kind: StepKind = "thought"
    depth: int
    """Steps from the root, whose depth is 0."""
    successes: int = 0
    trials: int = 0
    visits: int = 0
    """Back-ups that went through this node."""
    trace_ids: list[str] = field(default_factory=list)
    """One id for each added trace that ends here; equal attempts repeat it."""
    children: list[int] = field(default_factory=list)

    @property
    def value(self) -> float | None:
        """`successes / trials`; None before the first trial."""
        return self.successes / self.trials if self.trials else None

    def count(self, successes: int, trials: int) -> None:
        """Add counts to this node alone."""
        if not 0 <= successes <= trials:
            raise LabelError("counts must satisfy 0 <= k <= n", got=(successes, trials))
        self.successes += successes
        self.trials += trials


class StepTree:
    """The traces of one `problem`, prefixes merged."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.nodes = [Node(id=0, parent=None, text="", depth=0)]
        self._child: dict[tuple[int, StepKind, str], int] = {}

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def root(self) -> Node:
        """The empty prefix."""
        return self.nodes[0]

    def add(self, trace: Trace) -> Node:
        """The node where `trace` ends, after growing what is new of it."""
        self._check(trace)
        node = self.root
        for step, text in zip(trace.steps, trace.step_texts, strict=True):
            node = self.add_step(node, text, step.kind)
        node.trace_ids.append(trace.id)
        return node

    def add_step(self, parent: Node, text: str, kind: StepKind = "thought") -> Node:
        """The child of `parent` with this step, new or already there."""
        if not text:
            raise TraceError(f"a step of problem {self.problem.id!r} must hold at least one character")
        known = self._child.get((parent.id, kind, text))
        if known is not None:
            return self.nodes[known]
        node = Node(id=len(self.nodes), parent=parent.id, text=text, kind=kind, depth=parent.depth + 1)
        self._child[parent.id, kind, text] = node.id
        parent.children.append(node.id)
        self.nodes.append(node)
        return node

    def add_alternative(self, node: Node, text: str, kind: StepKind = "thought") -> Node:
        """The sibling of `node` with this step: another way to go on from the same prefix."""
        return self.add_step(self._parent(node), text, kind)

    def find(self, trace: Trace) -> tuple[Node, ...]:
        """One node per step of `trace`; `TraceError` where the tree does not hold it."""
        self._check(trace)
        at, found = 0, []
        for index, (step, text) in enumerate(zip(trace.steps, trace.step_texts, strict=True)):
            child = self._child.get((at, step.kind, text))
            if child is None:
                raise TraceError(f"step {index} of trace {trace.id} is not in the tree", mend="add the trace first")
            found.append(self.nodes[child])
            at = child
        return tuple(found)

    def walk(self, start: Node | None = None) -> Iterator[Node]:
        """`start`, or the root, and all below it, parents first and children in order of arrival."""
        stack = [start or self.root]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(self.nodes[child] for child in reversed(node.children))

    def path(self, node: Node) -> tuple[Node, ...]:
        """The nodes from the root's child down to `node`; none for the root."""
        found = []
        while node.parent is not None:
            found.append(node)
            node = self.nodes[node.parent]
        return tuple(reversed(found))

    def children(self, node: Node) -> tuple[Node, ...]:
        """The steps that follow `node`, in order of arrival."""
        return tuple(self.nodes[child] for child in node.children)

    def siblings(self, node: Node) -> tuple[Node, ...]:
        """The other children of the parent of `node`; none for the root."""
        return () if node.parent is None else tuple(n for n in self.children(self.nodes[node.parent]) if n is not node)

    def leaves(self) -> tuple[Node, ...]:
        """Nodes that nothing follows, in the order of `walk`; the root alone where nothing was added."""
        return tuple(node for node in self.walk() if not node.children)

    def prefix(self, node: Node) -> str:
        """The text up to and with the step of `node`."""
        return "".join(each.text for each in self.path(node))

    def trace(self, node: Node) -> Trace:
        """The prefix of `node` as a trace without answer or origin."""
        steps, at = [], 0
        for each in self.path(node):
            steps.append(Step(at, at + len(each.text), each.kind))
            at += len(each.text)
        return Trace(problem_id=self.problem.id, text=self.prefix(node), steps=tuple(steps))

    def back_up(self, node: Node, successes: int, trials: int) -> None:
        """Add counts, and one visit, to `node` and everything above it."""
        for each in (*self.path(node), self.root):
            each.count(successes, trials)
            each.visits += 1

    def label(self, trace: Trace, *, source: Source = "tree", origin: Origin = UNKNOWN) -> LabeledTrace:
        """`trace` with a value label k / n for each step, and None for each step without trials."""
        labels = tuple(_label(node, source, origin) for node in self.find(trace))
        return LabeledTrace(trace=trace, labels=labels)

    def to_json(self) -> Json:
        """The problem and one row per node, in order of `id`; `from_json` gives the tree back."""
        return {"problem": to_json(self.problem), "nodes": [to_json(_row(node)) for node in self.nodes]}

    @classmethod
    def from_json(cls, value: Json) -> StepTree:
        """The tree that `to_json` wrote. Raises `DataError` naming the node that does not fit."""
        stored = from_json(_Stored, value)
        tree = cls(stored.problem)
        for index, row in enumerate(stored.nodes):
            tree._restore(index, row)
        return tree

    def _restore(self, index: int, row: _Row) -> None:
        if index == 0:
            node = self.root
        elif 0 <= row.parent < index and row.text:
            node = self.add_step(self.nodes[row.parent], row.text, row.kind)
        else:
            raise DataError(f"node {index} of a tree needs a step and an earlier node as parent", got=row)
        if node.id != index:
            raise DataError(f"node {index} of a tree repeats node {node.id}", got=row.text)
        node.count(row.successes, row.trials)
        node.visits = row.visits
        node.trace_ids = list(row.trace_ids)

    def _check(self, trace: Trace) -> None:
        if trace.problem_id != self.problem.id:
            raise TraceError(f"a tree of problem {self.problem.id!r} takes its traces only", got=trace.problem_id)

    def _parent(self, node: Node) -> Node:
        if node.parent is None:
            raise TraceError(f"the root of the tree of problem {self.problem.id!r} has no alternatives")
        return self.nodes[node.parent]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A node as it is stored: depth and children follow from the parents."""

    parent: int = 0
    text: str = ""
    kind: StepKind = "thought"
    successes: int = 0
    trials: int = 0
    visits: int = 0
    trace_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    problem: Problem
    nodes: tuple[_Row, ...]


def _row(node: Node) -> _Row:
    return _Row(
        parent=node.parent or 0,
        text=node.text,
        kind=node.kind,
        successes=node.successes,
        trials=node.trials,
        visits=node.visits,
        trace_ids=tuple(node.trace_ids),
    )


def _label(node: Node, source: Source, origin: Origin) -> StepLabel | None:
    if node.value is None:
        return None
    return StepLabel(
        target="value",
        value=node.value,
        source=source,
        successes=node.successes,
        trials=node.trials,
        origin=origin,
    )
