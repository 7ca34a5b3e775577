"""Problem-disjoint splits by hash: a problem's side depends on its text and the seed, not on what else is there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from stepward.training.examples import Example


@dataclass(frozen=True, slots=True, kw_only=True)
class Halves:
    """The two sides of a split."""

    train: tuple[Example, ...]
    held_out: tuple[Example, ...]


def fraction(group: str, seed: int) -> float:
    """A number in [0, 1) that depends on `group` and `seed` alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{group}".encode()).digest()[:8], "big") / 2.0**64


def hold_out(examples: Sequence[Example], *, share: float, seed: int = 0) -> Halves:
    """About `share` of the problems held out, never a part of one."""
    out = {group: fraction(group, seed) < share for group in {example.group for example in examples}}
    return Halves(
        train=tuple(example for example in examples if not out[example.group]),
        held_out=tuple(example for example in examples if out[example.group]),
    )


def folds(examples: Sequence[Example], *, count: int, seed: int = 0) -> list[int]:
    """A fold in 0..count-1 for each example; the problems are dealt out evenly in an order fixed by `seed`."""
    groups = sorted({example.group for example in examples}, key=lambda group: fraction(group, seed))
    fold_of = {group: index % count for index, group in enumerate(groups)}
    return [fold_of[example.group] for example in examples]
