"""Splits by problem, never by step or by trace: a problem's side depends on its text, a seed and nothing else.

    u = sha256(seed, normal text) / 2^256;  the side is the one whose share of [0, 1) holds u

So one text is on one side whatever data set, order or neighbours it comes with, and adding problems moves none.
Shares hold in expectation: a split of n problems is off by about sqrt(share (1 - share) / n). Texts that differ only in
case, white space, punctuation or unicode form count as one problem.
"""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from stepward.errors import ConfigError

T = TypeVar("T")


def words_of(text: str) -> list[str]:
    """The words of `text`: NFKC, case folded, runs of letters and digits."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter if letter.isalnum() else " " for letter in folded).split()


def normal_text(text: str) -> str:
    """What two texts must share to be one problem; the text itself where it holds no letter or digit."""
    return " ".join(words_of(text)) or text


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Named sides and their shares, which add up to 1."""

    shares: Mapping[str, float] = field(default_factory=lambda: {"train": 0.9, "dev": 0.1})
    seed: int = 0

    def __post_init__(self) -> None:
        total = math.fsum(self.shares.values())
        if not self.shares or abs(total - 1.0) > 1e-9 or min(self.shares.values()) < 0:
            raise ConfigError("shares must be at least 0 and add up to 1", got=dict(self.shares))

    def side(self, text: str) -> str:
        """The side of the problem with this text."""
        digest = hashlib.sha256(f"{self.seed}\n{normal_text(text)}".encode("utf-8", "surrogatepass")).digest()
        at, reached = int.from_bytes(digest[:8], "big") / 2.0**64, 0.0
        for name, share in self.shares.items():
            reached += share
            if at < reached:
                return name
        return [name for name, share in self.shares.items() if share > 0][-1]

    def apply(self, items: Iterable[T], text: Callable[[T], str]) -> dict[str, list[T]]:
        """The items of each side, in order; `text` gives an item's problem text."""
        sides: dict[str, list[T]] = {name: [] for name in self.shares}
        for item in items:
            sides[self.side(text(item))].append(item)
        return sides
