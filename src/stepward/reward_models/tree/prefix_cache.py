"""What a model computed for the beginnings of traces, kept for those that go on from there.

A search scores a trace again and again as it grows. Here its tokens stand in a radix tree: each segment holds, for a
run of token ids, the keys and values of every layer, and what the head said at read positions within. A trace that
comes back finds its longest known beginning, so only new tokens are computed and a known step costs nothing
(RadixAttention, arXiv 2312.07104, for a reward model).

Memory is bounded in tokens: the leaves that were not used for the longest time go first. One cache serves one reader at
a time, and forgets everything when weights, format or readout are others than before.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from stepward.errors import ConfigError
from stepward.reward_models.tree.packing import Indexes, common_prefix

Place: TypeAlias = tuple[int, ...]
"""Of a step within its trace: read position, start and end of its own tokens; then, where what is said of it depends on
more than its ids, whatever else must be alike, such as where earlier steps stand."""
Key: TypeAlias = tuple[object, ...]


def reach(place: Place) -> int:
    """Tokens of a trace that a step's output depends on."""
    return max(place[0] + 1, place[2])


@dataclass(eq=False, slots=True)
class Segment:
    """A run of tokens without a branch, at some depth of the tree."""

    ids: Indexes
    start: int
    """Depth of its first token."""
    keys_values: Tensor
    """[layers, 2, key heads, tokens, D]."""
    parent: Segment | None
    children: dict[int, Segment] = field(default_factory=dict)
    outputs: dict[Place, Tensor] = field(default_factory=dict)
    """What the head said at read positions within."""
    used: int = 0

    @property
    def end(self) -> int:
        """One past the depth of its last token."""
        return self.start + len(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStats:
    """Tokens since the cache was made."""

    hits: int = 0
    """Found, where they would have been computed."""
    computed: int = 0
    evicted: int = 0
    held: int = 0
    """In memory now."""


@dataclass(eq=False, kw_only=True)
class PrefixCache:
    """A radix tree over token ids. Raises `ConfigError` where it may hold nothing. Live state: holds tensors."""

    max_tokens: int = 65_536
    """Most tokens held between calls. One costs 4 x layers x key heads x D bytes x 2 in fp32: 46 kB for SmolLM2."""
    hits: int = field(default=0, init=False)
    computed: int = field(default=0, init=False)
    evicted: int = field(default=0, init=False)
    held: int = field(default=0, init=False)
    _root: Segment = field(init=False)
    _key: Key = field(default=(), init=False)
    _clock: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ConfigError("a cache must hold at least one token", got=self.max_tokens, mend="use no cache instead")
        self.clear()

    @property
    def stats(self) -> CacheStats:
        """What it did so far."""
        return CacheStats(hits=self.hits, computed=self.computed, evicted=self.evicted, held=self.held)

    def clear(self) -> None:
        """Forget everything that was computed."""
        self._root = Segment(np.zeros(0, dtype=np.int64), 0, torch.zeros(0), None)
        self.held = 0

    def serve(self, key: Key) -> None:
        """Forget what was computed for another `key`: whatever scores depend on besides the ids."""
        if key != self._key:
            self.clear()
            self._key = key

    def known(self, ids: Indexes) -> int:
        """Tokens at the beginning of `ids` that are held, and now count as used."""
        self._clock += 1
        path = self._walk(ids)
        for segment, _ in path:
            segment.used = self._clock
        return _length(path)

    def outputs(self, ids: Indexes, places: Sequence[Place]) -> list[Tensor | None]:
        """What the head said of the steps at `places` of a trace that begins with `ids`; None where it is not held."""
        path = self._walk(ids)
        known = _length(path)
        return [
            next(segment for segment, _ in path if segment.end > place[0]).outputs.get(place)
            if reach(place) <= known
            else None
            for place in places
        ]

    def slices(self, ids: Indexes, first: int, last: int) -> Iterator[Tensor]:
        """Keys and values of tokens `first` to `last` of a trace that begins with `ids`, piece by piece."""
        for segment, count in self._walk(ids[:last]):
            if segment.start + count > first:
                yield segment.keys_values[..., max(first - segment.start, 0) : count, :]

    def add(self, ids: Indexes, keys_values: Callable[[int], Tensor]) -> None:
        """Hold `ids`. `keys_values(n)` gives those of all tokens from depth n on, which are not held yet."""
        path = self._walk(ids)
        at = _length(path)
        if at == len(ids):
            return
        above, count = path[-1] if path else (self._root, 0)
        if count < len(above.ids):
            above = self._split(above, count)
        above.children[int(ids[at])] = Segment(ids[at:].copy(), at, keys_values(at), above, used=self._clock)
        self.held += len(ids) - at

    def remember(self, ids: Indexes, outputs: Sequence[tuple[Place, Tensor]]) -> None:
        """Keep what the head said of steps of a trace whose `ids` are held."""
        path = [segment for segment, _ in self._walk(ids)]
        for place, output in outputs:
            next(segment for segment in path if segment.end > place[0]).outputs[place] = output

    def shrink(self) -> None:
        """Drop the leaves that were not used for the longest time until at most `max_tokens` are held."""
        if self.held <= self.max_tokens:
            return
        leaves = [(leaf.used, index, leaf) for index, leaf in enumerate(self._leaves())]
        heapq.heapify(leaves)
        while self.held > self.max_tokens:
            _, index, leaf = heapq.heappop(leaves)
            above = leaf.parent
            assert above is not None, "the root holds no tokens"
            del above.children[int(leaf.ids[0])]
            self.held -= len(leaf.ids)
            self.evicted += len(leaf.ids)
            if not above.children and above is not self._root:
                heapq.heappush(leaves, (above.used, index, above))

    def _walk(self, ids: Indexes) -> list[tuple[Segment, int]]:
        """The segments that `ids` begin with, and how many tokens of each."""
        path, segment, at = list[tuple[Segment, int]](), self._root, 0
        while at < len(ids) and (child := segment.children.get(int(ids[at]))) is not None:
            count = common_prefix(child.ids, ids[at:])
            path.append((child, count))
            at += count
            if count < len(child.ids):
                break
            segment = child
        return path

    def _split(self, segment: Segment, count: int) -> Segment:
        """Cut `segment` after `count` tokens; the part above is returned. Tensors are copied, so each frees its own."""
        above = segment.parent
        assert above is not None, "the root is never split"
        head = Segment(segment.ids[:count], segment.start, segment.keys_values[..., :count, :].clone(), above)
        head.used = segment.used
        above.children[int(head.ids[0])] = head
        head.outputs = {place: own for place, own in segment.outputs.items() if place[0] < head.end}
        segment.outputs = {place: own for place, own in segment.outputs.items() if place[0] >= head.end}
        segment.ids, segment.start, segment.parent = segment.ids[count:], head.end, head
        segment.keys_values = segment.keys_values[..., count:, :].clone()
        head.children[int(segment.ids[0])] = segment
        return head

    def _leaves(self) -> Iterator[Segment]:
        waiting = list(self._root.children.values())
        while waiting:
            segment = waiting.pop()
            waiting += segment.children.values()
            if not segment.children:
                yield segment


def _length(path: Sequence[tuple[Segment, int]]) -> int:
    return path[-1][0].start + path[-1][1] if path else 0
