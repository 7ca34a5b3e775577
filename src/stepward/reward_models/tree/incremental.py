"""Scores traces from where a cache knows them: only new tokens are computed, and a step that was scored costs nothing.

A trace is computed from its first step without a remembered output, or from the end of what the cache holds, whichever
comes first. What is left of a pack stands on keys and values of the cache, each of which meets all queries below it in
one call. So the cost of a level of a search is that of its new tokens, however deep it stands; attention alone, a small
part, grows with depth.

Surprise adds up over a trace and predicts a step's first token from the token before it. So with each step the cache
keeps what its trace came to, and the token before a new step is computed once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from stepward.errors import ConfigError
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.encoding.codec import Encoded
from stepward.reward_models.readout import Readout, step_states
from stepward.reward_models.surprise import TOTALS
from stepward.reward_models.token_batch import TokenBatch
from stepward.reward_models.tree.attention import Block, Past
from stepward.reward_models.tree.packing import Forest, Indexes, OldRun, packs, remainder
from stepward.reward_models.tree.prefix_cache import Place, PrefixCache, reach


def remembers(readout: Readout) -> bool:
    """Whether a trace can be read from its middle: not so where log-probabilities of all its tokens are wanted."""
    return readout.likelihood == "none"


@dataclass(eq=False, kw_only=True)
class IncrementalReader:
    """A backbone, a head, and a cache of what they said. Raises `ConfigError` for a readout of log-probabilities."""

    backbone: Backbone
    head: nn.Module
    readout: Readout
    cache: PrefixCache
    batch_tokens: int

    def __post_init__(self) -> None:
        if not remembers(self.readout):
            raise ConfigError(
                "a likelihood is not read from the middle of a trace",
                got=self.readout,
                mend="score without a cache, or read hidden layers or surprise",
            )

    def outputs(self, encoded: Sequence[Encoded]) -> list[Tensor]:
        """What the head says at every read position of each trace, which has one: [steps, outputs]."""
        self.cache.serve(self._key())
        found: list[Tensor] = [torch.zeros(0)] * len(encoded)
        for pack in packs(encoded, self.batch_tokens):
            work = self._plan([encoded[index] for index in pack])
            self._compute(work)
            for index, trace in zip(pack, work.traces, strict=True):
                said = torch.stack([own for own in trace.outputs if own is not None])
                found[index] = said[:, : said.shape[1] - self._carried]
            self.cache.shrink()
        return found

    def tokens(self, encoded: Sequence[Encoded]) -> list[int]:
        """Tokens of each trace that would have to be computed now; a shared one belongs to the first trace."""
        self.cache.serve(self._key())
        counts = [0] * len(encoded)
        for pack in packs(encoded, self.batch_tokens):
            work = self._plan([encoded[index] for index in sorted(pack)])
            for index, fresh in zip(sorted(pack), work.forest.fresh, strict=True):
                counts[index] = fresh
        return counts

    @property
    def _carried(self) -> int:
        """Numbers that are remembered of a step besides what the head said: what a step behind it adds up from."""
        return TOTALS if self.readout.surprise else 0

    def _key(self) -> tuple[object, ...]:
        """Weights count their changes in place, so a cache does not outlive a step of training."""
        weights = [*self.backbone.model.parameters(), *self.head.parameters()]
        changes = sum(0 if weight.is_inference() else weight._version for weight in weights)
        told = (self.backbone.revision, repr(self.backbone.codec.format), repr(self.readout))
        return (*told, self.backbone.model, self.head, changes)

    def _plan(self, encoded: Sequence[Encoded]) -> _Work:
        traces = [_Trace.of(item, self.cache, self.readout) for item in encoded]
        whole = Forest.of([trace.rest for trace in traces])
        forest, runs = remainder(whole, [trace.known for trace in traces])
        return _Work(traces=traces, whole=len(whole), forest=forest, runs=runs)

    def _compute(self, work: _Work) -> None:
        self.cache.computed += len(work.forest)
        self.cache.hits += work.whole - len(work.forest)
        if not len(work.forest):
            return
        past = Past(tuple(self._blocks(work)))
        rest = [trace.rest for trace in work.traces]
        batch = TokenBatch.standing_on(past, work.forest, rest, self.backbone.device)
        if self.readout.surprise:
            batch = replace(batch, totals=torch.stack([trace.totals for trace in work.traces]).to(self.backbone.device))
        states = step_states(self.backbone, batch, self.readout)
        carried = states[:, states.shape[1] - self._carried :]
        flat = torch.cat([self.head(states).float(), carried], dim=-1).cpu()
        kept = torch.stack([torch.cat(past.kept[layer]) for layer in sorted(past.kept)])
        for trace, places, own in zip(
            work.traces, work.forest.places, torch.split(flat, list(batch.counts)), strict=True
        ):
            self.cache.add(trace.ids, _columns(kept, places))
            self.cache.remember(trace.ids, list(zip(trace.left, own, strict=True)))
            trace.fill(own)

    def _blocks(self, work: _Work) -> Iterator[Block]:
        for run in work.runs:
            pieces = list(self.cache.slices(work.traces[run.trace].ids, run.first, run.last))
            joined = pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=-2)  # a copy is cheaper than more calls
            yield Block(run.start, run.stop, joined)


@dataclass(eq=False, slots=True)
class _Trace:
    """One trace of a pack: what is remembered of it, and what is to be read."""

    ids: Indexes
    outputs: list[Tensor | None]
    """One for each step; None where it is to be computed."""
    left: list[Place]
    """Of the steps to be computed."""
    rest: Encoded
    """Its ids up to the last one that any step needs, with the steps to be computed."""
    known: int
    """Tokens at its beginning that need not be computed."""
    totals: Tensor
    """What the steps before those that are left come to, as surprise adds it up."""

    @classmethod
    def of(cls, item: Encoded, cache: PrefixCache, readout: Readout) -> _Trace:
        """`item` beside what `cache` knows of it."""
        ids, places = np.asarray(item.ids, dtype=np.int64), places_of(item, so_far=readout.surprise)
        ids = ids[: max(map(reach, places))]
        outputs = cache.outputs(ids, places)
        gap = next((at for at, own in enumerate(outputs) if own is None), len(outputs))
        if readout.surprise:  # a step adds to those before it: all behind a gap are read again
            outputs[gap:] = [None] * (len(outputs) - gap)
        before = outputs[gap - 1] if gap else None
        left = [place for place, own in zip(places, outputs, strict=True) if own is None]
        first = min((_first_needed(place, readout) for place in left), default=len(ids))
        rest = Encoded(
            ids=tuple(ids.tolist()),
            spans=tuple((place[1], place[2]) for place in left),
            read_positions=tuple(place[0] for place in left),
        )
        known = min(first, cache.known(ids))
        totals = torch.zeros(TOTALS) if before is None else before[-TOTALS:]
        return cls(ids=ids, outputs=outputs, left=left, rest=rest, known=known, totals=totals)

    def fill(self, own: Tensor) -> None:
        """Put `own`, one row a computed step, where outputs are missing."""
        rows = iter(own)
        self.outputs = [next(rows) if found is None else found for found in self.outputs]


def _first_needed(place: Place, readout: Readout) -> int:
    """The first token whose state is read for the step at `place`."""
    read, start = place[:2]
    if readout.surprise:
        return min(read, max(start - 1, 0))
    return read if readout.pool == "read" else min(read, start)


@dataclass(eq=False, slots=True)
class _Work:
    traces: list[_Trace]
    whole: int
    """Tokens that would be computed without the cache."""
    forest: Forest
    """What is left of them."""
    runs: tuple[OldRun, ...]


def places_of(item: Encoded, *, so_far: bool = False) -> list[Place]:
    """Read position and own tokens of each step; with `so_far` also where all steps before it stand."""
    edges = [edge for span in item.spans for edge in span]
    return [
        (read, *item.spans[at], *(edges[: 2 * at] if so_far else ())) for at, read in enumerate(item.read_positions)
    ]


def _columns(kept: Tensor, places: Indexes) -> Callable[[int], Tensor]:
    return lambda depth: kept[..., torch.from_numpy(places[depth:]), :]
