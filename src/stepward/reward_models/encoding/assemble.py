"""From pieces of text to token ids: joined id by id, or tokenised as one text in which steps and marks are found.

Both end with the last mark: no causal model sees what a chat template writes behind it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stepward.errors import ModelError, ScoreError
from stepward.reward_models.encoding.encoded import Encoded
from stepward.reward_models.encoding.vocabulary import ids_of
from stepward.reward_models.formats.layout import Piece, merged
from stepward.reward_models.formats.record import PRMFormat


@dataclass(frozen=True, eq=False, kw_only=True)
class Assembly:
    """A tokenizer and what of a format decides the ids."""

    tokenizer: Any
    words: PRMFormat
    opening: tuple[int, ...]
    marker_id: int

    def many(self, made: Sequence[Sequence[Piece]]) -> list[Encoded]:
        """One record per list of pieces, in order. Raises `ScoreError` where a mark did not survive as it is."""
        return self._joined(made) if self.words.assembly == "ids" else self._tokenised(made)

    def _joined(self, made: Sequence[Sequence[Piece]]) -> list[Encoded]:
        """Every piece is tokenised alone, once however often it occurs."""
        parts = [_to_last_mark(merged(pieces)) for pieces in made]
        unique = list(dict.fromkeys(piece.text for pieces in parts for piece in pieces))
        known = dict(zip(unique, ids_of(self.tokenizer, unique), strict=True))
        return [self._join(pieces, known) for pieces in parts]

    def _join(self, pieces: Sequence[Piece], known: dict[str, list[int]]) -> Encoded:
        ids, spans, reads = [*self.opening], [], []
        for piece in pieces:
            start, own = len(ids), known[piece.text]
            if piece.role == "mark":
                reads.append(start - 1 if self.words.read == "before" else start + len(own) - 1)
            if piece.role in ("frame", "step") or self.words.keep_marker:
                ids += own
            if piece.role == "step":
                spans.append((start, len(ids)))
        reads = [read + self.words.shift for read in reads]
        return Encoded(ids=tuple(ids), spans=tuple(spans), read_positions=tuple(reads))

    def _tokenised(self, made: Sequence[Sequence[Piece]]) -> list[Encoded]:
        if not getattr(self.tokenizer, "is_fast", False):
            raise ModelError(
                f"format {self.words.name!r} needs character offsets, which this tokenizer does not give",
                got=type(self.tokenizer).__name__,
                mend="save it as tokenizer.json: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)",
            )
        if not made:
            return []
        texts = ["".join(piece.text for piece in pieces) for pieces in made]
        out = self.tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)
        rows = zip(made, out.input_ids, out.offset_mapping, strict=True)
        return [_Located(self, ids, offsets).encoded(pieces) for pieces, ids, offsets in rows]


class _Located:
    """One text's tokens, and which of its characters they stand for."""

    def __init__(self, assembly: Assembly, ids: list[int], offsets: list[tuple[int, int]]) -> None:
        self.assembly, self.words, self.ids = assembly, assembly.words, ids
        self.starts, self.ends = [a for a, _ in offsets], [b for _, b in offsets]

    def encoded(self, pieces: Sequence[Piece]) -> Encoded:
        at, spans, marks, gone = 0, [], [], set()
        for piece in pieces:
            start, at = at, at + len(piece.text)
            if piece.role == "step":
                spans.append((bisect_right(self.ends, start), bisect_left(self.starts, at)))
            elif piece.role != "frame":
                tokens = self.mark(start, at)
                marks += [tokens] if piece.role == "mark" else []
                gone |= set() if self.words.keep_marker else set(range(*tokens))
        stop = marks[-1][1] if marks and self.words.read != "prefix" else len(self.ids)
        reads = [first - 1 if self.words.read == "before" else last - 1 for first, last in marks]
        return self.placed(stop, gone, spans, reads)

    def mark(self, start: int, end: int) -> tuple[int, int]:
        """First token of the mark at these characters, and one past its last; an error where it did not survive."""
        first, stop = bisect_right(self.ends, start), bisect_left(self.starts, end)
        one, turns = self.words.one_token, self.words.layout == "turns"
        survived = first < stop and (self.starts[first] >= start or not one)
        if not turns:
            survived &= self.ends[stop - 1] <= end and self.ids[stop - 1] == self.assembly.marker_id
        if not survived:
            raise ScoreError(
                f"the tokenizer merges a mark of format {self.words.name!r} with the text beside it",
                got=self.assembly.tokenizer.convert_ids_to_tokens(self.ids[max(first - 1, 0) : stop + 1]),
                mend="change the end of the step before it, or use the tokenizer that was published with the model",
            )
        return first, stop

    def placed(self, stop: int, gone: set[int], spans: list[tuple[int, int]], reads: list[int]) -> Encoded:
        """The record without the tokens in `gone` and what stands behind `stop`."""
        taken, opening = sorted(gone), self.assembly.opening

        def place(at: int) -> int:
            return len(opening) + at - bisect_left(taken, at)

        ids = self.ids[:stop]
        return Encoded(
            ids=(*opening, *([token for at, token in enumerate(ids) if at not in gone] if gone else ids)),
            spans=tuple((place(a), place(b)) for a, b in spans),
            read_positions=tuple(place(read) + self.words.shift for read in reads),
        )


def _to_last_mark(pieces: list[Piece]) -> list[Piece]:
    marks = [index for index, piece in enumerate(pieces) if piece.role == "mark"]
    return pieces[: marks[-1] + 1] if marks else pieces
