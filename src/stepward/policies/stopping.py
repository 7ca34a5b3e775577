"""Where a row's text ends: token ids -> written text, and stop strings found without reading every token.

A stop string can only be completed by a token whose text holds the string's last character (or a part of
one, in byte-level vocabularies). Whether an id is such a token is learned once per id, so that a row's text
is decoded at those few tokens and at its end. Text is cut exactly after the stop string; the token that ran
past it was written all the same and stays among the counted ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

UNKNOWN, QUIET, MAY_END = 2, 0, 1
PARTIAL = "\ufffd"
"""What decoders show for bytes that are no whole character yet."""


class Detokenizer(Protocol):
    """The part of a Hugging Face tokenizer that turns ids into text."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Text -> ids."""
        ...

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool) -> str:
        """Ids -> text."""
        ...


def text_behind(tokenizer: Detokenizer, last: int, ids: Sequence[int]) -> str:
    """The text that `ids` add behind the token `last`: some decoders treat the first token of a text apart."""
    head = _decode(tokenizer, [last])
    whole = _decode(tokenizer, [last, *ids])
    return whole[len(head) :] if whole.startswith(head) else _decode(tokenizer, ids)


def stop_end(text: str, stops: Iterable[str]) -> int | None:
    """The offset just behind the stop string that ends first; None where there is none."""
    ends = [at + len(stop) for stop in stops if (at := text.find(stop)) >= 0]
    return min(ends, default=None)


@dataclass(slots=True)
class StopWatch:
    """Which token ids may complete one of `stops`; learned as ids are met."""

    tokenizer: Detokenizer
    stops: tuple[str, ...]
    vocabulary: int
    _known: NDArray[np.int8] = field(init=False)
    _anchor: int = field(init=False)

    def __post_init__(self) -> None:
        self._known = np.full(self.vocabulary, UNKNOWN if self.stops else QUIET, dtype=np.int8)
        self._anchor = next(iter(self.tokenizer.encode("a", add_special_tokens=False)), 0)

    def may_end(self, tokens_B: NDArray[np.int64]) -> NDArray[np.bool_]:
        """For each token, whether a stop string can end in it."""
        for token in np.unique(tokens_B[self._known[tokens_B] == UNKNOWN]):
            self._known[token] = MAY_END if self._completes(int(token)) else QUIET
        return np.equal(self._known[tokens_B], MAY_END)

    def _completes(self, token: int) -> bool:
        text = text_behind(self.tokenizer, self._anchor, [token])
        return any(stop[-1] in text or (PARTIAL in text and not stop[-1].isascii()) for stop in self.stops)


def _decode(tokenizer: Detokenizer, ids: Sequence[int]) -> str:
    return tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
