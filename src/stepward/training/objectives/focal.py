"""Focal loss: cross-entropy in which steps that are judged right already count less.

    L = -(1 - p_y)^g log p_y,  p_y = p for a good step, 1 - p for a bad one,  p = sigmoid(logit)

For data in which most steps are plainly good. It does the opposite of `generalised`: what the model disbelieves pulls
hardest, wrong labels included. g = 0 is cross-entropy. A soft target y mixes both classes' losses. Scores are drawn
towards 1/2: fit a calibrator before a threshold means anything. (Lin et al., arXiv 1708.02002; g = 2 there.)
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import logsigmoid

from stepward.errors import ConfigError
from stepward.training.objectives.contract import Pointwise, StepTargets


@dataclass(frozen=True, slots=True, kw_only=True)
class FocalLoss(Pointwise):
    """Raises `ConfigError` unless `gamma` is at least 0."""

    gamma: float = 2.0

    def __post_init__(self) -> None:
        if not self.gamma >= 0:
            raise ConfigError("focal.gamma must be at least 0", got=self.gamma, mend="2 is usual; 0 is bce")

    def losses(self, logits_S: Tensor, targets: StepTargets) -> Tensor:
        """One loss per slot, [S], in nats."""
        good, bad = logsigmoid(logits_S), logsigmoid(-logits_S)
        easy, hard = (self.gamma * bad).exp() * good, (self.gamma * good).exp() * bad
        return -(targets.targets_S * easy + (1.0 - targets.targets_S) * hard)
