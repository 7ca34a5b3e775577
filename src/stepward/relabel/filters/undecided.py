"""Leaves out rollout labels that do not say whether the prefix is alive.

    alive = Pr[theta > tau | k of n],   kept iff alive <= tail or alive >= 1 - tail

under a Beta prior, tau a chance of success that counts as dead (plus 1/m for m options). Mind the prior: Jeffreys' with
the defaults finds 2 of 8 alive (0.98), 1 of 8 and 0 of 8 undecided (0.85, 0.36), and needs 0 of 40 to find a prefix
dead. So on fixed K = 8 it would leave out every bad label; fit the prior to all counts (`metrics.binomial.fit_prior`),
or filter labels that were drawn until they decide.

Labels without counts stay, and the trace's own verdict. Degenerate case: tau = 0 calls every prefix alive.
Source: sequential stopping as in `labelers.adaptive`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from stepward.errors import ConfigError
from stepward.metrics.binomial import CountPosterior
from stepward.relabel.chance import ChanceCorrected
from stepward.relabel.filters.leaving import is_own_verdict, only
from stepward.types import LabeledTrace, Problem


@dataclass(frozen=True, kw_only=True)
class UndecidedCounts:
    """Keeps value labels whose counts decide between dead and alive."""

    tau: float = 0.05
    """A success rate up to which a prefix is dead."""
    tail: float = 0.05
    """What may be left of the other opinion."""
    prior: CountPosterior = field(default_factory=CountPosterior)
    options: int | None = None
    """Of multiple-choice problems that do not say."""

    def __post_init__(self) -> None:
        if not 0 < self.tau < 1 or not 0 < self.tail < 0.5:
            raise ConfigError("tau must lie in (0, 1) and tail in (0, 0.5)", got=(self.tau, self.tail))

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """The same traces, less what is undecided."""
        tau = self.tau
        if problem.answer_kind == "choice":
            tau += 1.0 / ChanceCorrected(options=self.options).options_of(problem)
        return [self._one(each, tau) for each in labeled]

    def _one(self, labeled: LabeledTrace, tau: float) -> LabeledTrace:
        labels = labeled.labels
        keep = [
            label is None
            or label.target != "value"
            or label.trials is None
            or is_own_verdict(labeled, step)
            or self.decided(label.successes or 0, label.trials, tau)
            for step, label in enumerate(labels)
        ]
        return only(labeled, lambda step, _: keep[step])

    def decided(self, successes: int, trials: int, tau: float) -> bool:
        """Whether k of n decide."""
        alive = self.prior.above(tau, successes, trials)
        return alive <= self.tail or alive >= 1 - self.tail
