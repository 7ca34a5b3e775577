"""The default: protect what must stay whole, then cut on blank lines, or on lines where there are none.

1. Spans of LaTeX, fenced code, tables and JSON are found (`protected`); no cut falls inside one.
2. Cuts are blank lines outside those spans; where a text has none, line ends.
3. A step that ends in a colon or is a heading is a lead-in, one with fewer than `min_ink` visible characters
   is too short to judge: either takes in the next step. (A short last step stays: to merge it backwards would
   change a step that was already followed by another.)

Prefix-stable in each `split`: in "auto" because every boundary of a text with a blank line comes after one,
so the text before the boundary has one too. While a text grows, however, its first blank line turns line cuts
into paragraph cuts; fix `split` for a search that judges steps as they are written. A cap on the number of
steps cannot be kept this way: see `merge`.

Degenerate cases: a text without line ends is one step; an unclosed fence takes the rest of the text, another
unclosed opener `patience` characters. Source: protect-then-split, with the rules that are not prefix-stable
(backward merges, literal openers at the end) left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from stepward.errors import ConfigError
from stepward.segment.protected import PATIENCE, outside, protected_spans
from stepward.segment.spans import BLANK_LINE, NEWLINE, count_ink, next_ink, partition, tag_of
from stepward.types import Step

LEAD_IN = re.compile(r"[:：][*_\s]*\Z")
HEADING = re.compile(r"(?:^|\n)[ \t]*#{1,6}[ \t][^\n]*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Protect:
    """Cuts on blank lines, else on line ends, but never inside LaTeX, code, tables or JSON."""

    split: Literal["auto", "blank_line", "newline"] = "auto"
    min_ink: int = 8
    """A step with fewer visible characters takes in the next one; 0 keeps every step."""
    patience: int = PATIENCE
    """Characters that an opener without a closer protects; a code fence protects to the end."""

    def __post_init__(self) -> None:
        if self.split not in ("auto", "blank_line", "newline"):
            raise ConfigError("split is auto, blank_line or newline", got=self.split)
        if self.min_ink < 0 or self.patience < 0:
            raise ConfigError("min_ink and patience are at least 0", got=(self.min_ink, self.patience))

    @property
    def tag(self) -> str:
        """Name, version and the fields that are not at their default."""
        return tag_of(self, "protect@1")

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """None: a line end may stand inside a formula. Ask `stops.ends_step` after each blank line."""
        return ()

    def segment(self, text: str) -> tuple[Step, ...]:
        """Spans that partition `text`."""
        return partition(text, _without_lead_ins(text, self._cuts(text), self.min_ink))

    def _cuts(self, text: str) -> list[int]:
        spans = protected_spans(text, self.patience)
        if self.split != "newline":
            cuts = list(outside((run.end() for run in BLANK_LINE.finditer(text)), spans))
            if self.split == "blank_line" or (cuts and cuts[-1] > next_ink(text, 0)):
                return cuts
        return list(outside((run.end() for run in NEWLINE.finditer(text)), spans))


def _without_lead_ins(text: str, cuts: Iterable[int], min_ink: int) -> Iterator[int]:
    start = ink = 0
    for cut in cuts:
        piece = text[start:cut].rstrip()
        ink += count_ink(piece)
        start = cut
        if ink >= min_ink and not LEAD_IN.search(piece[-80:]) and not HEADING.search(piece[-400:]):
            yield cut
            ink = 0
