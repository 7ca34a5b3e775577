"""Squared error of the probability (Brier score).

    L = (p - y)^2,  p = sigmoid(logit)

Bounded, so a wrong label can pull only so hard; its gradient dies where p is near 0 or 1, so it learns slowly from
confident mistakes. Its minimum is p = y, as for cross-entropy. (Qwen2.5-Math-PRM, arXiv 2501.07301, for soft labels.)
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from stepward.training.objectives.contract import Pointwise, StepTargets


@dataclass(frozen=True, slots=True, kw_only=True)
class SquaredError(Pointwise):
    """Any target in [0, 1] will do."""

    def losses(self, logits_S: Tensor, targets: StepTargets) -> Tensor:
        """One loss per slot, [S]."""
        return (logits_S.sigmoid() - targets.targets_S).square()
