r"""A step ends at a blank line: the rule of Qwen2.5-Math-PRM, ProcessBench and search-and-learn.

A line that holds only whitespace is blank, so CRLF texts cut too. All blank lines in a row belong to the
step before. Degenerate case: a policy under RL may stop writing blank lines, and everything is one step.
"""

from __future__ import annotations

from dataclasses import dataclass

from stepward.segment.spans import BLANK_LINE, partition
from stepward.types import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class BlankLine:
    """Cuts after each run of blank lines."""

    @property
    def tag(self) -> str:
        """Name and version."""
        return "blank_line@1"

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """A sampler that stops after one of these, once it wrote something visible, stops at a step's end."""
        return ("\n\n",)

    def segment(self, text: str) -> tuple[Step, ...]:
        """Spans that partition `text`."""
        return partition(text, (run.end() for run in BLANK_LINE.finditer(text)))
