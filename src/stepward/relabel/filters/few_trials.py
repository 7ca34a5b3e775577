"""Leaves out labels that too few trials stand behind, such as those of prefixes whose completions mostly failed.

Labels without counts (people, checkers) are no estimates and stay; so does the trace's own verdict on its last step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stepward.errors import ConfigError
from stepward.relabel.filters.leaving import is_own_verdict, only
from stepward.types import LabeledTrace, Problem, StepLabel


@dataclass(frozen=True, kw_only=True)
class FewTrials:
    """Keeps labels with at least `trials`."""

    trials: int = 4

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ConfigError("trials must be at least 1", got=self.trials)

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """The same traces, less what has too few trials."""
        return [self._one(each) for each in labeled]

    def _one(self, labeled: LabeledTrace) -> LabeledTrace:
        def enough(step: int, label: StepLabel) -> bool:
            return label.trials is None or label.trials >= self.trials or is_own_verdict(labeled, step)

        return only(labeled, enough)
