"""In which order examples are seen: seeded, and a pure function of the epoch.

What stands together stays together. With trees the traces of one problem are one unit, because a pass pays once for
what they share; a problem over the batch's size is cut between traces that share little. With rows and chains an
example is a unit of its own, unless the objective compares siblings: then a problem is never cut. An epoch shuffles
the units, cuts batches by tokens and shuffles the batches; rows, which are padded, are sorted by length within large
windows first. So a run that stopped at batch 17 of epoch 2 goes on at exactly that batch.

A batch is measured by the lengths of its traces however they are packed: packing changes what a step costs, and not how
many traces it learns from.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stepward.training.examples import Example

Pack: TypeAlias = Literal["tree", "chain", "rows"]
"""tree: tokens that traces share are computed once; chain: traces one after the other, unpadded; rows: padded."""

WINDOW = 24
"""Batches' worth of rows that are sorted by length together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Examples that meet in every batch."""

    indexes: tuple[int, ...]
    tokens: int
    """Sum of their lengths."""


def units(examples: Sequence[Example], *, pack: Pack, tokens: int, whole: bool = False) -> list[Unit]:
    """Every example in one unit, of at most `tokens` tokens; with `whole`, a problem is one unit whatever it holds."""
    lengths = [len(example.encoded) for example in examples]
    order = list(range(len(examples)))
    if pack != "tree" and not whole:
        return [_unit([index], lengths) for index in order]
    groups: dict[str, list[int]] = {}
    for index in order:
        groups.setdefault(examples[index].group, []).append(index)
    if whole:
        return [_unit(group, lengths) for group in groups.values()]
    neighbours = [sorted(group, key=lambda i: examples[i].encoded.ids) for group in groups.values()]
    return [_unit(part, lengths) for group in neighbours for part in _cut(group, lengths, tokens)]


def epoch_batches(
    sizes: Sequence[int], *, tokens: int, seed: int, epoch: int, by_length: bool = True
) -> list[list[int]]:
    """Indexes of `sizes` in batches of about `tokens` tokens, each once; a larger one is a batch of its own."""
    draw = random.Random(f"{seed}:{epoch}")
    order = list(range(len(sizes)))
    draw.shuffle(order)
    mean = max(1.0, sum(sizes) / max(1, len(sizes)))
    window = max(1, round(WINDOW * tokens / mean)) if by_length else max(1, len(sizes))
    batches = [
        batch
        for start in range(0, len(order), window)
        for batch in _cut(_sorted(order[start : start + window], sizes, by_length), sizes, tokens)
    ]
    draw.shuffle(batches)
    return batches


def _sorted(indexes: Sequence[int], sizes: Sequence[int], by_length: bool) -> Sequence[int]:
    return sorted(indexes, key=lambda i: sizes[i]) if by_length else indexes


def _cut(indexes: Sequence[int], sizes: Sequence[int], tokens: int) -> list[list[int]]:
    batches: list[list[int]] = []
    room = 0
    for index in indexes:
        if not batches or room < sizes[index]:
            batches.append([])
            room = tokens
        batches[-1].append(index)
        room -= sizes[index]
    return batches


def _unit(indexes: Sequence[int], lengths: Sequence[int]) -> Unit:
    return Unit(indexes=tuple(indexes), tokens=sum(lengths[index] for index in indexes))
