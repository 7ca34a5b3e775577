"""What is known of a step behind a noisy label, as a number.

`PosteriorMean`: the value behind k of n rollouts, (k + a) / (n + a + b), with Jeffreys' prior a = b = 1/2, one's own,
or one fitted to the counts of the problem itself. Nearer the truth than k / n wherever n is small, and never 0 or 1: 0
of 8 becomes 0.056. The counts stay, and with them the hard view.

`PosteriorTruth`: the chance that a step is good, given that a label of known noise calls it so,

    Pr[good | labelled y] = T[1, y] pi / (T[1, y] pi + T[0, y] (1 - pi)),   T[i, j] = Pr[label j | truth i]

with the rates of `evaluation.noise` and the share pi of good steps. Soft labels for what labels cannot say for sure.

Degenerate cases: labels without counts have no posterior mean and stay as they are. A prior per problem (`empirical`)
needs two counted labels, else Jeffreys' is taken; for a prior over many problems fit it once with
`metrics.binomial.fit_prior` and give a and b.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stepward.errors import ConfigError
from stepward.metrics.binomial import JEFFREYS, CountPosterior, fit_prior
from stepward.relabel.agreement.ballot import Hard, check_target
from stepward.relabel.hard import hard_calls
from stepward.types import Json, LabeledTrace, Origin, Problem, StepLabel


@dataclass(frozen=True, kw_only=True)
class PosteriorMean:
    """Replaces the value of each counted value label by its posterior mean."""

    prior: Literal["fixed", "empirical"] = "fixed"
    """fixed: a and b; empirical: fitted to the counts of each problem."""
    a: float = 0.5
    b: float = 0.5

    def __post_init__(self) -> None:
        CountPosterior(a=self.a, b=self.b)
        if self.prior not in ("fixed", "empirical"):
            raise ConfigError('prior must be "fixed" or "empirical"', got=self.prior)

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """The same traces; only counted labels of target value change."""
        posterior = self._posterior(labeled)
        settings: dict[str, Json] = {"a": posterior.a, "b": posterior.b, "prior": self.prior}
        return [
            replace(each, labels=tuple(_mean(label, posterior, settings) for label in each.labels)) for each in labeled
        ]

    def _posterior(self, labeled: Sequence[LabeledTrace]) -> CountPosterior:
        if self.prior == "fixed":
            return CountPosterior(a=self.a, b=self.b)
        counts = [_counts(label) for each in labeled for label in each.labels]
        rolled = [found for found in counts if found is not None and found[1] > 1]
        if len(rolled) < 2:
            return JEFFREYS
        return fit_prior([k for k, _ in rolled], [n for _, n in rolled])


@dataclass(frozen=True, kw_only=True)
class PosteriorTruth:
    """Replaces each hard view by the chance that the step is good."""

    target: Hard
    """What the truth means that the noise was estimated against."""
    false_bad: float
    """T[1, 0]: share of good steps that are labelled bad."""
    false_good: float
    """T[0, 1]: share of bad steps that are labelled good."""
    good_share: float
    """Pr[good] before the label is seen."""

    def __post_init__(self) -> None:
        check_target(self.target)
        rates = (self.false_bad, self.false_good, self.good_share)
        if not (all(0 <= rate <= 1 for rate in rates) and self.false_bad + self.false_good < 1):
            raise ConfigError("rates lie in [0, 1], and false_bad + false_good is below 1", got=rates)

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """The same traces with soft labels. `LabelError` for any-of-K on multiple choice."""
        settings: dict[str, Json] = {
            "false_bad": self.false_bad,
            "false_good": self.false_good,
            "good_share": self.good_share,
        }
        origin = Origin(maker="relabeler:posterior_truth", revision="1", settings=settings)
        value = {True: self.chance(called_good=True), False: self.chance(called_good=False)}
        return [
            replace(
                each,
                labels=tuple(
                    None
                    if call is None
                    else StepLabel(target=self.target, value=value[call], source="converted", origin=origin)
                    for call in hard_calls(problem, each)
                ),
            )
            for each in labeled
        ]

    def chance(self, *, called_good: bool) -> float:
        """Pr[good | label]. 1/2 where no step at all would get this label."""
        of_good = 1.0 - self.false_bad if called_good else self.false_bad
        of_bad = self.false_good if called_good else 1.0 - self.false_good
        good, bad = of_good * self.good_share, of_bad * (1.0 - self.good_share)
        return good / (good + bad) if good + bad > 0 else 0.5


def _counts(label: StepLabel | None) -> tuple[int, int] | None:
    """The k and n of a value label; None where there are none."""
    if label is None or label.target != "value" or label.successes is None or label.trials is None:
        return None
    return label.successes, label.trials


def _mean(label: StepLabel | None, posterior: CountPosterior, settings: dict[str, Json]) -> StepLabel | None:
    counts = _counts(label)
    if label is None or counts is None:
        return label
    origin = replace(label.origin, settings={**label.origin.settings, "posterior": settings})
    return replace(label, value=posterior.mean(*counts), origin=origin)
