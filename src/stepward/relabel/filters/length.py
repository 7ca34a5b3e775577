"""Leaves out traces that are too short or too long to teach from, or cut off by the sampler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stepward.errors import ConfigError
from stepward.relabel.filters.leaving import emptied
from stepward.types import LabeledTrace, Problem


@dataclass(frozen=True, kw_only=True)
class LengthCap:
    """Keeps the labels of traces within all limits."""

    least_steps: int = 1
    most_steps: int = 64
    most_characters: int | None = None
    ended: bool = False
    """Only traces that their writer ended."""

    def __post_init__(self) -> None:
        if not 0 <= self.least_steps <= self.most_steps or (self.most_characters or 1) < 1:
            limits = (self.least_steps, self.most_steps, self.most_characters)
            raise ConfigError("limits must satisfy 0 <= least_steps <= most_steps, most_characters >= 1", got=limits)

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """The same traces: as they are, or without labels."""
        return [each if self._fits(each) else emptied(each) for each in labeled]

    def _fits(self, labeled: LabeledTrace) -> bool:
        trace = labeled.trace
        short = self.most_characters is None or len(trace.text) <= self.most_characters
        whole = not self.ended or trace.finish == "stop"
        return self.least_steps <= len(trace) <= self.most_steps and short and whole
