"""A trace as a model reads it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A trace as a model reads it."""

    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    """Where each step's own tokens stand: first index and one past the last, marker excluded."""
    read_positions: tuple[int, ...]
    """Where each step's score is read."""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of a trace: some of its steps, read behind the problem and as many steps before them as fit."""

    encoded: Encoded
    """Spans and read positions of the steps that are scored in it, and of no others."""
    start: int
    """First step that is scored in it; the windows of a trace score each step once, in order."""
    shown: int = 0
    """First step that it shows: the steps before it were dropped."""
    dropped_tokens: int = 0
    """Tokens of the dropped steps."""
