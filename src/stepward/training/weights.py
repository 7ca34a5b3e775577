"""What a label weighs, where some are worth more than others. Weights multiply; 0 leaves a label out.

posterior   by what is left unknown after k of n rollouts
trust       by who said it
agreement   by whether a second labelling says the same
stated      by what the record itself says: a consensus weighs what agrees only nearly by half
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from stepward.errors import ConfigError, LabelError
from stepward.types import LabeledTrace, StepLabel


@runtime_checkable
class Weigher(Protocol):
    """Who says what labels weigh."""

    def weights(self, labeled: LabeledTrace) -> Sequence[float]:
        """One weight of at least 0 for each step; what it says of an unlabelled step does not count."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PosteriorWeights:
    """Inverse variance: w = spread^2 / (spread^2 + v), v the variance of Beta(k + 1/2, n - k + 1/2).

    `spread` is the standard deviation that true values have around what a model can know of them. A label without
    counts has v = 0 and weighs 1. Use it with soft labels; the binomial likelihood weighs by n of its own accord.
    """

    spread: float = 0.2

    def __post_init__(self) -> None:
        if not self.spread > 0:
            raise ConfigError("spread must be above 0", got=self.spread, mend="0.2 halves the weight of about 1 of 5")

    def weights(self, labeled: LabeledTrace) -> Sequence[float]:
        """One weight in (0, 1] for each step."""
        return [self.spread**2 / (self.spread**2 + _variance(label)) for label in labeled.labels]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """By the label's maker (such as "human:prm800k"), else its source (such as "rollout"), else `otherwise`."""

    of: Mapping[str, float] = field(default_factory=dict)
    otherwise: float = 1.0

    def __post_init__(self) -> None:
        if min([self.otherwise, *self.of.values()]) < 0:
            raise ConfigError("trust must be at least 0", got=dict(self.of), mend="0 leaves labels out")

    def weights(self, labeled: LabeledTrace) -> Sequence[float]:
        """One weight for each step."""
        return [self._weight(label) if label else 0.0 for label in labeled.labels]

    def _weight(self, label: StepLabel) -> float:
        return self.of.get(label.origin.maker, self.of.get(label.source, self.otherwise))


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """1 where a second labelling of the same trace calls the step the same, good or bad."""

    second: Mapping[str, LabeledTrace]
    """By id of the trace."""
    disagree: float = 0.0
    alone: float = 0.0
    """Where the second labelling says nothing of the step."""

    def __post_init__(self) -> None:
        if min(self.disagree, self.alone) < 0:
            raise ConfigError("agreement weights must be at least 0", got=(self.disagree, self.alone))

    @classmethod
    def of(cls, labeled: Sequence[LabeledTrace], *, disagree: float = 0.0, alone: float = 0.0) -> Agreement:
        """Agreement with `labeled`."""
        return cls(second={own.trace.id: own for own in labeled}, disagree=disagree, alone=alone)

    def weights(self, labeled: LabeledTrace) -> Sequence[float]:
        """One weight for each step."""
        other = self.second.get(labeled.trace.id)
        labels = other.labels if other else (None,) * len(labeled.labels)
        return [self._weight(one, two) for one, two in zip(labeled.labels, labels, strict=True)]

    def _weight(self, one: StepLabel | None, two: StepLabel | None) -> float:
        if one is None or two is None:
            return self.alone
        return 1.0 if one.good == two.good else self.disagree


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedWeights:
    """What the labelled trace's `meta` says its labels weigh, under `weight`; 1 where it says nothing."""

    def weights(self, labeled: LabeledTrace) -> Sequence[float]:
        """The same weight for each step. `LabelError` where it is no number of at least 0."""
        stated = labeled.meta.get("weight", 1.0)
        if isinstance(stated, bool) or not isinstance(stated, int | float) or not 0 <= stated < float("inf"):
            raise LabelError(f"the weight of trace {labeled.trace.id} must be a number of at least 0", got=stated)
        return [float(stated)] * len(labeled.labels)


def _variance(label: StepLabel | None) -> float:
    if label is None or label.trials is None or label.successes is None:
        return 0.0
    good, bad = label.successes + 0.5, label.trials - label.successes + 0.5
    whole = good + bad
    return good * bad / (whole**2 * (whole + 1))
