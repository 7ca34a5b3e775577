"""What a policy computed, kept for the call that goes on from there.

A search writes a step, looks at it, and asks for continuations of the prefix that it makes. The keys and values of that
prefix were computed when it was written, so the next call takes them from here and computes new tokens alone: of a
prefix just written its last token, which no model has read yet (RadixAttention, Zheng et al. 2024, arXiv 2312.07104).

Kept are the prefixes that are read and the rows that stopped at a stop string; nobody continues a solution that ended
itself. A prefix whose text becomes other ids than were written is known up to the first that differs. Samples are those
without memory: the same random numbers meet the same logits, up to the rounding of matrix products of another shape (in
float32 the last bits, which move about one sampled token in a million).

Memory is bounded in tokens. Once over the bound it is cut back to three quarters, the leaves first that were not used
for the longest time; rows that stop in one step of the loop come in together before that. Of a model whose layers keep
keys and values of different shapes nothing is kept.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch

from stepward.policies.prefix_grid import PrefixGrid
from stepward.reward_models.tree.packing import Indexes
from stepward.reward_models.tree.prefix_cache import CacheStats, Key, PrefixCache


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A row at a step's end."""

    slot: int
    ids: Sequence[int]
    """What its caches hold: its prompt and all that it wrote but the last token."""
    prefix: int
    """How many of `ids` stand in its lane; the others are its own."""


@dataclass(eq=False, slots=True)
class PrefixMemory:
    """Keys and values of up to `max_tokens` tokens between calls. Live state: holds tensors; threads may share it."""

    max_tokens: int
    _cache: PrefixCache = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._cache = PrefixCache(max_tokens=max(1, self.max_tokens * 3 // 4))

    @property
    def stats(self) -> CacheStats:
        """What it did so far; `computed` is not counted here."""
        return self._cache.stats

    def serve(self, key: Key) -> None:
        """Forget what was computed with other weights."""
        with self._lock:
            self._cache.serve(key)

    def clear(self) -> None:
        """Free everything."""
        with self._lock:
            self._cache.clear()

    def fill(self, grid: PrefixGrid, lane: int, ids: Sequence[int]) -> int:
        """Put what is known of the prefix `ids` into `lane`, from its first token on; how many tokens that are."""
        with self._lock:
            whole = _line(ids)
            known = self._cache.known(whole)
            self._cache.hits += known
            if known:
                grid.fill(lane, torch.cat(list(self._cache.slices(whole, 0, known)), dim=-2))
            return known

    def keep_prefix(self, grid: PrefixGrid, lane: int, ids: Sequence[int]) -> None:
        """Keep the prefix `ids`, which stands in `lane`."""
        if grid.uniform:
            with self._lock:
                self._cache.add(_line(ids), lambda depth: grid.prefix(lane, depth, len(ids)))
                self._shrink()

    def keep_rows(self, grid: PrefixGrid, rows: Sequence[Stopped]) -> None:
        """Keep what `rows` wrote, before others take their slots."""
        if not (rows and grid.uniform):
            return
        slots = torch.tensor([row.slot for row in rows], device=grid.device)
        own = grid.own(slots, max(len(row.ids) - row.prefix for row in rows))
        with self._lock:
            for at, row in enumerate(rows):
                self._cache.add(_line(row.ids), partial(_behind, grid, row, own[:, :, at]))
            self._shrink()

    def _shrink(self) -> None:
        """Seldom and by much: each time all leaves are looked at."""
        if self._cache.held > self.max_tokens:
            self._cache.shrink()


def _line(ids: Sequence[int]) -> Indexes:
    return np.asarray(ids, dtype=np.int64)


def _behind(grid: PrefixGrid, row: Stopped, own: torch.Tensor, depth: int) -> torch.Tensor:
    """Keys and values of `row` from token `depth` on, as a tensor that keeps no other alive."""
    mine = own[..., max(depth - row.prefix, 0) : len(row.ids) - row.prefix, :]
    if depth >= row.prefix:
        return mine.clone()
    return torch.cat([grid.prefix(row.slot // grid.shape.width, depth, row.prefix), mine], dim=-2)
