"""Splits traces by whether an ensemble is already sure of them (ActPRM).

A trace is trusted if, up to the first step whose mean score is below 1/2, every score is at least `sure` (or at most
1 - sure) and the heads' standard deviation at most `deviation`. Untrusted traces are worth an expensive label; trusted
ones may be learned with a cheap one.

Each stage in `scores` is one head. Degenerate case: fewer than two heads have no deviation and are refused.
Paper: ActPRM, arXiv 2504.10559.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stepward.combine.uncertainty import ensemble_scores
from stepward.errors import ConfigError, ScoreError
from stepward.relabel.filters.leaving import emptied
from stepward.relabel.scores import scores_of
from stepward.types import LabeledTrace, Problem, StepScores


@dataclass(frozen=True, kw_only=True)
class TrustedByEnsemble:
    """Keeps the labels of traces that the heads trust, or of the others."""

    keep: Literal["trusted", "untrusted"] = "trusted"
    deviation: float = 0.01
    sure: float = 0.9

    def __post_init__(self) -> None:
        if self.keep not in ("trusted", "untrusted") or self.deviation < 0 or not 0.5 <= self.sure <= 1:
            raise ConfigError(
                'keep must be "trusted" or "untrusted", deviation at least 0, sure in [0.5, 1]',
                got=(self.keep, self.deviation, self.sure),
            )

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """The same traces: as they are, or without labels."""
        wanted = self.keep == "trusted"
        return [each if self.trusts(each) == wanted else emptied(each) for each in labeled]

    def trusts(self, labeled: LabeledTrace) -> bool:
        """ActPRM's rule. `ScoreError` for fewer than two heads."""
        heads = scores_of(labeled)
        if len(heads) < 2:
            raise ScoreError("trust needs the scores of at least two heads", got=len(heads))
        scores = StepScores(values=tuple(np.mean(heads, axis=0).tolist()))
        return ensemble_scores(scores, np.transpose(heads)).trusted(deviation=self.deviation, sure=self.sure)
