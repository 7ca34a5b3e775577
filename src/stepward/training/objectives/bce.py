"""Binary cross-entropy on hard or soft targets.

    L = -[ y log p + w (1 - y) log(1 - p) ],  p = sigmoid(logit)

With w = 1 its minimum is p = y. A weight w on the bad class trains p' = y / (y + w (1 - y)), that is a logit lower by
log w, which `logit_shift` gives back exactly (prior correction). A target of 1 or 0 has loss 0 only in the limit.
(Reference: Lightman et al., arXiv 2305.20050, and every discriminative PRM since.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import logsigmoid

from stepward.training.objectives.contract import StepTargets, check_weight


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryCrossEntropy:
    """Raises `ConfigError` unless `bad_weight` is above 0."""

    bad_weight: float = 1.0
    """w: what the bad class weighs against the good one."""

    def __post_init__(self) -> None:
        check_weight("bce.bad_weight", self.bad_weight)

    def losses(self, logits_R: Tensor, targets: StepTargets) -> Tensor:
        """One loss per position, [R], in nats."""
        good = targets.targets_R
        return -(good * logsigmoid(logits_R) + self.bad_weight * (1.0 - good) * logsigmoid(-logits_R))

    def check(self, targets: StepTargets) -> None:
        """Any target in [0, 1] will do."""

    @property
    def logit_shift(self) -> float:
        """The logarithm of w."""
        return math.log(self.bad_weight)


CROSS_ENTROPY = BinaryCrossEntropy()
"""Good and bad steps weigh alike."""
