"""Blank steps in published data: a handful of rows hold them, and no step of a trace may be empty.

They are left out and counted, and indexes into the steps are moved along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stepward.datasets.reading import Tally
from stepward.errors import TraceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """The steps that are not blank, and where each given step went."""

    steps: tuple[str, ...]
    moved: tuple[int | None, ...]
    """For each given index the new one; None for a blank step."""


def without_blanks(steps: Sequence[str], tally: Tally) -> Filled:
    """`steps` without those that hold nothing but white space; their number goes to `tally`.

    Raises `TraceError` where nothing is left.
    """
    kept: list[str] = []
    moved: list[int | None] = []
    for step in steps:
        moved.append(len(kept) if step.strip() else None)
        if step.strip():
            kept.append(step)
    if not kept:
        raise TraceError(f"all of {len(steps)} steps are blank", mend="leave the row out")
    tally.note("blank steps left out", len(steps) - len(kept))
    return Filled(steps=tuple(kept), moved=tuple(moved))
