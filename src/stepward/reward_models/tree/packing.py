"""Many traces as one row in which every distinct token stands once.

Traces that begin alike are merged into a forest of token ids, laid out depth first. A token's position is its depth and
it may attend to its own ancestors alone, so every trace reads as if it stood by itself. The forest is held as nodes:
runs of tokens without a branch. Depth first means that everything below a node follows it without a gap, from its
start to its stop. Traces that share nothing are a forest of chains: packing without padding is the same code.

Sorting the ids puts shared beginnings side by side, so one pass over neighbours builds the forest. Attention that pays
for a shared prompt once is Hydragen's idea (arXiv 2402.05099); training on trees of rollouts, see arXiv 2511.00413.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stepward.reward_models.encoding.encoded import Encoded

Indexes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Node:
    """A run of tokens without a branch: packed tokens `start` to `end`; its whole subtree ends at `stop`."""

    start: int
    end: int
    stop: int
    parent: int
    """Index of the node above; -1 for a root."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Forest:
    """Traces merged by common prefix. `T` counts distinct tokens."""

    ids_T: Indexes
    positions_T: Indexes
    """Depth of each token: where it stands in its own trace."""
    nodes: tuple[Node, ...]
    """In depth-first order."""
    places: tuple[Indexes, ...]
    """For each trace, in the order given: the packed index of each of its tokens."""
    fresh: tuple[int, ...]
    """For each trace: tokens that no earlier trace, in the order given, had brought. They sum to T."""

    @classmethod
    def of(cls, encoded: Sequence[Encoded], *, share: bool = True) -> Forest:
        """The forest of `encoded`; with `share` false every trace is a chain of its own."""
        lines = [np.asarray(item.ids, dtype=np.int64) for item in encoded]
        order = sorted(range(len(encoded)), key=lambda i: encoded[i].ids) if share else range(len(encoded))
        places: list[Indexes] = [lines[0][:0]] * len(encoded)
        pieces, parents, depths, count = [], [], [], 0
        before, above = lines[0][:0], lines[0][:0]
        for index in order:
            line = lines[index]
            common = common_prefix(before, line) if share else 0
            own = np.arange(count, count + len(line) - common)
            places[index] = np.concatenate([above[:common], own])
            if len(own):
                pieces.append(line[common:])
                parents.append(np.concatenate([above[common - 1 : common] if common else [-1], own[:-1]]))
                depths.append(np.arange(common, len(line)))
            count += len(own)
            before, above = line, places[index]
        none = lines[0][:0]
        positions_T = np.concatenate([none, *depths])
        return cls(
            ids_T=np.concatenate([none, *pieces]),
            positions_T=positions_T,
            nodes=_nodes(np.concatenate([none, *parents]), positions_T),
            places=tuple(places),
            fresh=_fresh(places, count),
        )

    def __len__(self) -> int:
        return len(self.ids_T)

    @functools.cached_property
    def ends_T(self) -> Indexes:
        """For each token: one past the last packed token that may attend to it."""
        lengths = [node.end - node.start for node in self.nodes]
        return np.repeat(np.asarray([node.stop for node in self.nodes], dtype=np.int64), lengths)


@dataclass(frozen=True, slots=True)
class OldRun:
    """Tokens of one node that are known already, and who attends to them."""

    start: int
    """First packed token of the remainder below them."""
    stop: int
    """One past the last one."""
    trace: int
    """A trace that knows all of them; they are its tokens `first` to `last`."""
    first: int
    last: int


def remainder(forest: Forest, known: Sequence[int]) -> tuple[Forest, tuple[OldRun, ...]]:
    """What is left to compute of `forest` when the first `known[i]` tokens of trace i need not be, and what is not.

    A known token below one that some other trace needs is computed again. Places of known tokens are -1.
    """
    needed = np.zeros(len(forest), dtype=bool)
    for own, count in zip(forest.places, known, strict=True):
        needed[own[count:]] = True
    owner = np.zeros(len(forest), dtype=np.int64)
    for trace, own in enumerate(forest.places):
        needed[own[needed[own].argmax() :]] |= needed[own].any()
        owner[own] = trace
    at = np.concatenate([[0], np.cumsum(needed)])
    nodes, runs, new = list[Node](), list[OldRun](), {-1: -1}
    for index, node in enumerate(forest.nodes):
        fresh = node.end - int(at[node.end] - at[node.start])
        start, end, stop = int(at[fresh]), int(at[node.end]), int(at[node.stop])
        if start < end:
            new[index] = len(nodes)
            nodes.append(Node(start, end, stop, new.get(node.parent, -1)))
        if node.start < fresh and start < stop:
            depth = int(forest.positions_T[node.start])
            runs.append(OldRun(start, stop, int(owner[fresh - 1]), depth, depth + fresh - node.start))
    places = tuple(np.where(needed[own], at[own], -1) for own in forest.places)
    left = Forest(
        ids_T=forest.ids_T[needed],
        positions_T=forest.positions_T[needed],
        nodes=tuple(nodes),
        places=places,
        fresh=_fresh([own[own >= 0] for own in places], int(at[-1])),
    )
    return left, tuple(runs)


def distinct_tokens(encoded: Sequence[Encoded]) -> tuple[int, ...]:
    """For each trace: tokens that no earlier trace had brought. They sum to what a shared forward pass computes."""
    return Forest.of(encoded).fresh if encoded else ()


def packs(encoded: Sequence[Encoded], batch_tokens: int, *, share: bool = True) -> list[list[int]]:
    """Indexes of `encoded` in packs of at most `batch_tokens` distinct tokens; a longer trace is a pack of its own.

    Traces that begin alike stand in one pack, so far as it holds them.
    """
    order = sorted(range(len(encoded)), key=lambda i: encoded[i].ids) if share else range(len(encoded))
    found, room = list[list[int]](), 0
    before = np.zeros(0, dtype=np.int64)
    for index in order:
        line = np.asarray(encoded[index].ids, dtype=np.int64)
        cost = len(line) - (common_prefix(before, line) if share else 0)
        if not found or cost > room:
            found.append([])
            cost, room = len(line), batch_tokens
        found[-1].append(index)
        room -= cost
        before = line
    return found


def common_prefix(left: Indexes, right: Indexes) -> int:
    """Length of the longest common prefix."""
    shorter = min(len(left), len(right))
    differ = left[:shorter] != right[:shorter]
    return int(differ.argmax()) if differ.any() else shorter


def _nodes(parents_T: Indexes, positions_T: Indexes) -> tuple[Node, ...]:
    count = len(parents_T)
    children = np.bincount(parents_T + 1, minlength=count + 1)[1:]
    inner = (parents_T >= 0) & (parents_T == np.arange(count) - 1) & (children[parents_T] == 1)
    starts = np.flatnonzero(~inner)
    ends = np.append(starts[1:], count) if count else starts
    above = np.where(parents_T[starts] < 0, -1, np.searchsorted(starts, parents_T[starts], side="right") - 1)
    stops = _stops(positions_T[starts].tolist(), count, starts.tolist())
    rows = zip(starts.tolist(), ends.tolist(), stops, above.tolist(), strict=True)
    return tuple(Node(start, end, stop, parent) for start, end, stop, parent in rows)


def _stops(depths: list[int], count: int, starts: list[int]) -> list[int]:
    """Where each node's subtree ends: at the next node that stands no deeper."""
    stops, open_nodes = [count] * len(depths), list[int]()
    for index, depth in enumerate(depths):
        while open_nodes and depths[open_nodes[-1]] >= depth:
            stops[open_nodes.pop()] = starts[index]
        open_nodes.append(index)
    return stops


def _fresh(places: Sequence[Indexes], count: int) -> tuple[int, ...]:
    """A shared token belongs to the first trace that brought it; a trace's known tokens are always a prefix of it."""
    seen = np.zeros(count, dtype=bool)
    counts = []
    for own in places:
        counts.append(int(len(own) - np.count_nonzero(seen[own])))
        seen[own] = True
    return tuple(counts)
