"""Binary cross-entropy on hard or soft targets.

    L = -[ y' log p + w (1 - y') log(1 - p) ],  p = sigmoid(logit),  y' = (1 - e) y + e / 2

With w = 1 and e = 0 its minimum is p = y. A weight w on the bad class trains p' = y / (y + w (1 - y)), that is a logit
lower by log w, which `logit_shift` gives back exactly (prior correction). A target of 1 or 0 has loss 0 only in the
limit; label smoothing e keeps logits finite by asking for no more than 1 - e/2. (Reference: Lightman et al., arXiv
2305.20050, and every discriminative PRM since; smoothing: arXiv 1512.00567.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import logsigmoid

from stepward.errors import ConfigError
from stepward.training.objectives.contract import Pointwise, StepTargets, check_weight


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryCrossEntropy(Pointwise):
    """Raises `ConfigError` unless `bad_weight` is above 0 and `smoothing` in [0, 1)."""

    bad_weight: float = 1.0
    """w: what the bad class weighs against the good one."""
    smoothing: float = 0.0
    """e: how far every target is drawn towards 1/2."""

    def __post_init__(self) -> None:
        check_weight("bce.bad_weight", self.bad_weight)
        if not 0 <= self.smoothing < 1:
            raise ConfigError("bce.smoothing must lie in [0, 1)", got=self.smoothing, mend="0.1 is usual, 0 is none")

    def losses(self, logits_S: Tensor, targets: StepTargets) -> Tensor:
        """One loss per slot, [S], in nats."""
        good = (1.0 - self.smoothing) * targets.targets_S + 0.5 * self.smoothing
        return -(good * logsigmoid(logits_S) + self.bad_weight * (1.0 - good) * logsigmoid(-logits_S))

    @property
    def logit_shift(self) -> float:
        """The logarithm of w."""
        return math.log(self.bad_weight)


CROSS_ENTROPY = BinaryCrossEntropy()
"""Good and bad steps weigh alike."""
