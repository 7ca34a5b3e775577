"""What an objective is: logits and targets of read positions in, one loss per position out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from stepward.errors import ConfigError
from stepward.training.examples import Example


@dataclass(frozen=True, slots=True)
class StepTargets:
    """Targets of `R` read positions, in the order of the batch."""

    targets_R: Tensor
    """In [0, 1]."""
    weights_R: Tensor
    """0 masks a position; masked positions hold any target."""
    trials_R: Tensor
    """n of k of n; 0 without counts."""

    @classmethod
    def of(cls, examples: Sequence[Example]) -> StepTargets:
        """The targets of `examples`, one after the other, as fp32."""
        slots = [slot for own in examples for slot in zip(own.targets, own.weights, own.trials, strict=True)]
        columns = torch.tensor(slots, dtype=torch.float32).reshape(-1, 3)
        return cls(columns[:, 0], columns[:, 1], columns[:, 2])

    def to(self, device: torch.device) -> StepTargets:
        """The same on `device`."""
        return StepTargets(self.targets_R.to(device), self.weights_R.to(device), self.trials_R.to(device))


@runtime_checkable
class Objective(Protocol):
    """What is minimised."""

    def losses(self, logits_R: Tensor, targets: StepTargets) -> Tensor:
        """One loss per position, [R]; weights are applied by the caller."""
        ...

    def check(self, targets: StepTargets) -> None:
        """Raise `LabelError` where labels do not hold what this objective needs."""
        ...

    @property
    def logit_shift(self) -> float:
        """What to add to trained logits so that they say the data's own base rate again."""
        ...


def check_weight(name: str, weight: float) -> None:
    """Raise `ConfigError` unless `weight` is above 0."""
    if not weight > 0:
        raise ConfigError(f"{name} must be above 0", got=weight, mend="1 weighs good and bad steps alike")
