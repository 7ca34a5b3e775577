"""Leaves out labels that say again what another trace of the problem said: repeats weigh more than they know.

    trace    of traces with equal steps (white space aside) the first keeps its labels
    prefix   of labels on equal prefixes the first stays: siblings from one tree share their beginning

Labels on one prefix may differ; then the first stands, and `one_per_trace` of the readers or a consensus is the better
tool. A prefix whose first label is None is not taken yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from stepward.errors import ConfigError
from stepward.relabel.filters.leaving import emptied, only
from stepward.types import LabeledTrace, Problem


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Keeps the first of equal labels within a problem."""

    by: Literal["trace", "prefix"] = "trace"

    def __post_init__(self) -> None:
        if self.by not in ("trace", "prefix"):
            raise ConfigError('by must be "trace" or "prefix"', got=self.by)

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """The same traces, less what was said before."""
        seen: set[tuple[str, ...]] = set()
        return [self._first(each, seen) for each in labeled]

    def _first(self, labeled: LabeledTrace, seen: set[tuple[str, ...]]) -> LabeledTrace:
        """`labeled` less what is in `seen`, which then holds what it says."""
        texts = tuple(" ".join(text.split()) for text in labeled.trace.step_texts)
        ends = [len(texts)] if self.by == "trace" else range(1, len(texts) + 1)
        said = {end: texts[:end] in seen for end in ends}
        if self.by == "trace":
            kept = emptied(labeled) if said[len(texts)] else labeled
        else:
            kept = only(labeled, lambda step, _: not said[step + 1])
        if labeled.target is not None:
            seen.update(texts[:end] for end in ends if self.by == "trace" or labeled.labels[end - 1] is not None)
        return kept
