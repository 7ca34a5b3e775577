"""In which order examples are seen: seeded, bucketed by length, and a pure function of the epoch.

An epoch shuffles the examples, sorts within large windows by length, cuts batches by tokens, and shuffles the batches.
So a run that stopped at batch 17 of epoch 2 goes on at exactly that batch, and little is spent on padding.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

WINDOW = 24
"""Batches' worth of examples that are sorted by length together."""


def epoch_batches(lengths: Sequence[int], *, tokens: int, seed: int, epoch: int) -> list[list[int]]:
    """Indexes in batches of about `tokens` tokens; every index once. A longer example is a batch of its own."""
    draw = random.Random(f"{seed}:{epoch}")
    order = list(range(len(lengths)))
    draw.shuffle(order)
    mean = max(1.0, sum(lengths) / max(1, len(lengths)))
    window = max(1, round(WINDOW * tokens / mean))
    batches = [
        batch
        for start in range(0, len(order), window)
        for batch in _cut(sorted(order[start : start + window], key=lambda i: lengths[i]), lengths, tokens)
    ]
    draw.shuffle(batches)
    return batches


def _cut(indexes: Sequence[int], lengths: Sequence[int], tokens: int) -> list[list[int]]:
    batches: list[list[int]] = []
    room = 0
    for index in indexes:
        if not batches or room < lengths[index]:
            batches.append([])
            room = tokens
        batches[-1].append(index)
        room -= lengths[index]
    return batches
