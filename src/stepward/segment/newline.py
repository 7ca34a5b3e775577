r"""A step is a line: the rule of PRM800K, Math-Shepherd, Skywork and TRL's default.

Blank lines belong to the line before, so they are never steps; the indentation of a line is its own.
Degenerate case: tables, code and aligned LaTeX fall into one step per line; `protect` keeps them whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from stepward.segment.spans import NEWLINE, partition
from stepward.types import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Newline:
    """Cuts after each line that is not blank."""

    @property
    def tag(self) -> str:
        """Name and version."""
        return "newline@1"

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """A sampler that stops after one of these, once it wrote something visible, stops at a step's end."""
        return ("\n",)

    def segment(self, text: str) -> tuple[Step, ...]:
        """Spans that partition `text`."""
        return partition(text, (run.end() for run in NEWLINE.finditer(text)))
