"""Takes guessing off rollout labels of multiple-choice problems.

    value' = max(0, (k/n - 1/m) / (1 - 1/m)),   m options

so that a prefix from which completions only guess is worth 0, not 1/m. "Any of K" is nearly always true there, so the
counts go (into the note): they would be read as k of n of the corrected value. What is left has a hard view again,
above chance or not; it is a noisy one, since k/n scatters around 1/m: `sure` asks for a posterior Pr[theta > 1/m] of at
least that much, else the value is 0.

Where a problem's `meta` holds `options`, a number or a list, that counts; else `options`. Problems of other kinds are
left as they are. Degenerate case: one trial is the trace's own verdict and stays. Paper: arXiv 2505.14391 (noise of
rollouts).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stepward.errors import ConfigError, LabelError
from stepward.metrics.binomial import JEFFREYS, above_chance
from stepward.types import Json, LabeledTrace, Problem, StepLabel


@dataclass(frozen=True, kw_only=True)
class ChanceCorrected:
    """Corrects value labels of multiple-choice problems."""

    options: int | None = None
    """m, for problems that do not say."""
    sure: float = 0.0
    """Least posterior probability of being above chance that leaves a value above 0; 0 asks for none."""

    def __post_init__(self) -> None:
        if (self.options is not None and self.options < 2) or not 0 <= self.sure < 1:
            raise ConfigError("options must be at least 2 and sure in [0, 1)", got=(self.options, self.sure))

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """The same traces; `LabelError` where a multiple-choice problem does not say how many options it has."""
        if problem.answer_kind != "choice":
            return list(labeled)
        options = self.options_of(problem)
        return [
            replace(each, labels=tuple(self._corrected(label, options) for label in each.labels)) for each in labeled
        ]

    def options_of(self, problem: Problem) -> int:
        """How many options `problem` has."""
        stated = problem.meta.get("options")
        count = len(stated) if isinstance(stated, Sequence) and not isinstance(stated, str) else stated
        found = count if isinstance(count, int) and not isinstance(count, bool) else self.options
        if found is None or found < 2:
            raise LabelError(
                f"multiple-choice problem {problem.id!r} does not say how many options it has",
                got=stated,
                mend="put `options` into its meta, or give chance.options",
            )
        return found

    def _corrected(self, label: StepLabel | None, options: int) -> StepLabel | None:
        if label is None or label.target != "value" or label.successes is None or label.trials in (None, 1):
            return label
        k, n = label.successes, label.trials or 0
        value = max(0.0, above_chance(k / n, options))
        if self.sure and JEFFREYS.above(1.0 / options, k, n) < self.sure:
            value = 0.0
        said: dict[str, Json] = {"options": options, "sure": self.sure}
        origin = replace(label.origin, settings={**label.origin.settings, "chance": said})
        note = f"{k} of {n}, chance level 1/{options}" + (f"; {label.note}" if label.note else "")
        return replace(label, value=value, successes=None, trials=None, origin=origin, note=note)
