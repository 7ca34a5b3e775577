"""The one scorer: encoded traces to logits. Training validates with it, tests and search score with it.

Traces that begin alike, such as the candidates of one problem, are packed together and what they share is computed
once. A backbone that cannot read a packed row exactly gets padded rows of similar lengths. Results go back in the order
they came, and do not depend on any of this.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stepward.errors import ScoreError
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.encoding.codec import Encoded
from stepward.reward_models.readout import LAST, Readout, step_states
from stepward.reward_models.token_batch import TokenBatch
from stepward.reward_models.tree.check import longest_packed
from stepward.reward_models.tree.incremental import IncrementalReader
from stepward.reward_models.tree.packing import distinct_tokens, packs
from stepward.reward_models.tree.prefix_cache import PrefixCache


@dataclass(eq=False, kw_only=True)
class StepReader:
    """A backbone, a head and what the head reads. Live state: holds the weights."""

    backbone: Backbone
    head: nn.Module
    """[R, width] -> [R, outputs]."""
    readout: Readout = LAST
    output: int = 0
    """Which output of the head is read."""
    batch_tokens: int = 8192
    """Most distinct, or padded, tokens of one forward pass; a longer trace is a batch of its own."""
    cache: PrefixCache | None = None
    """Keeps what was computed for traces that will go on, as in a search; not for a likelihood."""

    def logits(self, encoded: Sequence[Encoded]) -> list[tuple[float, ...]]:
        """One logit per step of each trace, in order; no forward pass for a trace without steps.

        Raises `ScoreError` where a logit is not finite.
        """
        found = [tuple(own[:, self.output].tolist()) for own in self.outputs(encoded)]
        for index, logits in enumerate(found):
            if not all(map(math.isfinite, logits)):
                raise ScoreError(f"the model gave trace {index} of its batch logits that are not finite", got=logits)
        return found

    @torch.inference_mode()
    def outputs(self, encoded: Sequence[Encoded]) -> list[Tensor]:
        """What the head says at every read position of each trace, in order: [steps, outputs], fp32, on the CPU."""
        self.backbone.model.eval()
        found: list[Tensor] = [torch.zeros((0, self.output + 1))] * len(encoded)
        short, long = _sorted_out(self.backbone, encoded)
        if self.cache is not None:
            for index, own in zip(short, self._incremental(self.cache).outputs(_at(encoded, short)), strict=True):
                found[index] = own
        rest = long if self.cache is not None else [*short, *long]
        for indexes, tokens in token_batches(self.backbone, _at(encoded, rest), self.batch_tokens):
            flat = self.head(step_states(self.backbone, tokens, self.readout)).float().cpu()
            for index, own in zip(indexes, flat.split(tokens.counts), strict=True):
                found[rest[index]] = own
        return found

    def tokens(self, encoded: Sequence[Encoded]) -> list[int]:
        """Tokens of each trace that scoring them together would compute now, padding excluded.

        A token that traces share belongs to the first of them; what a cache holds costs nothing.
        """
        short, long = _sorted_out(self.backbone, encoded)
        counts = [0] * len(encoded)
        for index in long:
            counts[index] = len(encoded[index])
        if self.cache is not None:
            own = self._incremental(self.cache).tokens(_at(encoded, short))
        else:
            own = packed_tokens(_at(encoded, short), self.batch_tokens)
        for index, count in zip(short, own, strict=True):
            counts[index] = count
        return counts

    def flops(self, tokens: int) -> float:
        """Estimate for one forward pass over `tokens`: 2 x parameters x tokens."""
        return 2.0 * self.backbone.parameters * tokens

    def _incremental(self, cache: PrefixCache) -> IncrementalReader:
        return IncrementalReader(
            backbone=self.backbone,
            head=self.head,
            readout=self.readout,
            cache=cache,
            batch_tokens=self.batch_tokens,
        )


def token_batches(
    backbone: Backbone, encoded: Sequence[Encoded], batch_tokens: int
) -> Iterator[tuple[list[int], TokenBatch]]:
    """Indexes and tokens of every forward pass that `encoded` needs; traces without read positions need none."""
    short, long = _sorted_out(backbone, encoded)
    for pack in packs(_at(encoded, short), batch_tokens):
        indexes = [short[index] for index in pack]
        yield indexes, TokenBatch.packed(_at(encoded, indexes), backbone.device)
    for rows in length_batches([len(item) for item in _at(encoded, long)], batch_tokens):
        indexes = [long[index] for index in rows]
        yield indexes, TokenBatch.of(_at(encoded, indexes), backbone.device)


def packed_tokens(encoded: Sequence[Encoded], batch_tokens: int) -> list[int]:
    """For each trace: tokens that it is the first to bring to its pack."""
    counts = [0] * len(encoded)
    for pack in map(sorted, packs(encoded, batch_tokens)):
        for index, count in zip(pack, distinct_tokens(_at(encoded, pack)), strict=True):
            counts[index] = count
    return counts


def _sorted_out(backbone: Backbone, encoded: Sequence[Encoded]) -> tuple[list[int], list[int]]:
    """Indexes of traces with steps that are packed, and of those that are read as rows."""
    asked = [index for index, item in enumerate(encoded) if item.read_positions]
    longest = longest_packed(backbone) if asked else 0.0
    short = [index for index in asked if len(encoded[index]) <= longest]
    return short, [index for index in asked if len(encoded[index]) > longest]


def _at(encoded: Sequence[Encoded], indexes: Sequence[int]) -> list[Encoded]:
    return [encoded[index] for index in indexes]


def length_batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Indexes of `lengths` in batches of at most `batch_tokens` padded tokens, longest first; zeros are left out."""
    batches: list[list[int]] = []
    for index in sorted((i for i, n in enumerate(lengths) if n), key=lambda i: -lengths[i]):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= batch_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
