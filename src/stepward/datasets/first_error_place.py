"""Where a marked solution goes wrong: from an expert's number, or the text of a line, to the 0-based step.

Experts of the MR family count the "Step k" headers that stand in a text, while its file holds lines: read as a position
in the list, the number would mark another step. Lines from one header to the next are therefore one step. A place that
cannot be found has a reason, and the reader's choice `unplaced` says what becomes of such a solution:

    "drop"   it is left out and counted
    "keep"   it is given without labels, with `unplaced` in its meta, and counted: an MR-Score needs every solution
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from stepward.datasets.human import After, Labels, first_error_labels
from stepward.datasets.reading import Tally
from stepward.errors import ConfigError
from stepward.types import Json, Origin

HEADER = re.compile(r"\W*Step (\d+)")
Unplaced: TypeAlias = Literal["drop", "keep"]
UNPLACED = "unplaced"
"""Where a kept solution's meta tells why its error has no place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A solution's steps, and whether an error number can be placed among them."""

    steps: tuple[str, ...]
    placeable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """A solution's steps, and where the first error is."""

    steps: tuple[str, ...]
    first: int | None = None
    """The 0-based step; None where there is no error, or no place for it."""
    unplaced: str = ""
    """Why a wrong solution's error has no place."""

    def labels(self, *, origin: Origin, after: After) -> Labels:
        """One per step, none where the place is unknown. `LabelError` for a place beyond the last step."""
        if self.unplaced:
            return (None,) * len(self.steps)
        return first_error_labels(len(self.steps), self.first, origin=origin, after=after)

    def kept(self, unplaced: Unplaced, tally: Tally) -> bool:
        """Whether the solution is given; what has no place is counted."""
        if self.unplaced and unplaced == "drop":
            tally.drop(self.unplaced)
            return False
        tally.note(f"wrong solutions kept without labels: {self.unplaced}", int(bool(self.unplaced)))
        return True

    @property
    def meta(self) -> dict[str, Json]:
        """What the trace must tell."""
        return {UNPLACED: self.unplaced} if self.unplaced else {}


def check_unplaced(unplaced: Unplaced) -> None:
    """`ConfigError` unless `unplaced` is one of its two words."""
    if unplaced not in get_args(Unplaced):
        raise ConfigError('unplaced must be "drop" or "keep"', got=unplaced)


def lay_out(lines: Sequence[str]) -> Layout:
    """The steps of a solution given as lines that are not blank."""
    heads = [int(found.group(1)) if (found := HEADER.match(line)) else None for line in lines]
    numbers = [head for head in heads if head is not None]
    if not numbers:
        return Layout(steps=tuple(lines), placeable=True)
    if numbers != list(range(1, len(numbers) + 1)):
        return Layout(steps=tuple(lines), placeable=False)
    blocks: list[list[str]] = [[]]
    for line, head in zip(lines, heads, strict=True):
        if head is not None and head > 1:
            blocks.append([])
        blocks[-1].append(line)
    return Layout(steps=tuple("\n".join(block) for block in blocks), placeable=True)


def marked_by_number(first: int | None, layout: Layout) -> Marked:
    """By a 0-based header number, which may lie beyond the last step; None for a right solution."""
    if first is None or layout.placeable:
        return Marked(steps=layout.steps, first=first)
    return Marked(steps=layout.steps, unplaced="error number cannot be placed: step headers out of order")


def marked_by_line(line: str, steps: tuple[str, ...]) -> Marked:
    """By the one step that reads as `line`, but for the white space around it."""
    found = [index for index, step in enumerate(steps) if step.strip() == line.strip()]
    if len(found) == 1:
        return Marked(steps=steps, first=found[0])
    return Marked(steps=steps, unplaced="the line of the error is blank, or stands more than once")
