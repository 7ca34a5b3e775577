"""Leaves out labels that a scorer finds hard to believe: most label errors are among those of the highest loss.

    gap = |label - mean score|,   left out iff gap > `gap`

The scorer must not have been trained on these very labels, or it has learned their errors too: train on one half of the
problems and score the other. What a scorer cannot know it also disagrees with, so look at the report of what was
dropped before believing it: a filter that drops mostly bad labels teaches optimism.

Scores come from the stage's `scores`. Degenerate case: without scores, `ScoreError`. Source: small-loss selection as in
co-teaching, arXiv 1804.06872.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from stepward.errors import ConfigError
from stepward.relabel.filters.leaving import only
from stepward.relabel.hard import hard_calls
from stepward.relabel.scores import scores_of
from stepward.types import LabeledTrace, Problem


@dataclass(frozen=True, kw_only=True)
class ScorerDisagreement:
    """Keeps labels near the mean of the scores."""

    gap: float = 0.8
    view: Literal["hard", "soft"] = "hard"
    """Of the label: 0 or 1, or its value."""

    def __post_init__(self) -> None:
        if not 0 < self.gap <= 1 or self.view not in ("hard", "soft"):
            raise ConfigError('gap must lie in (0, 1], view be "hard" or "soft"', got=(self.gap, self.view))

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """The same traces, less what is far from the scores."""
        return [self._one(problem, each) for each in labeled]

    def _one(self, problem: Problem, labeled: LabeledTrace) -> LabeledTrace:
        means = [fmean(column) for column in zip(*scores_of(labeled), strict=True)]
        calls = hard_calls(problem, labeled) if self.view == "hard" else ()
        return only(
            labeled,
            lambda step, label: abs((float(bool(calls[step])) if calls else label.value) - means[step]) <= self.gap,
        )
