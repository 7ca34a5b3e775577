"""Pinball loss: outputs of a head learn quantiles of the value.

    e = y - p,  p = sigmoid(logit);   L_q = q e + s log(1 + exp(-e / s))   ->   max(q e, (q - 1) e)  as s -> 0

Output c learns the quantile `levels[c]`: of the labels that look alike to the head, a share q lies below it. The smooth
form (Zheng 2011) has a gradient everywhere, which L-BFGS needs; s is small against the spread of values.

Degenerate case: quantiles of hard labels are 0 or 1 and say nothing: where every target is 0 or 1, `LabelError`.
(Quantile PRMs: arXiv 2506.09338.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from stepward.errors import ConfigError, LabelError
from stepward.training.objectives.contract import Pointwise, StepTargets


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinball(Pointwise):
    """Raises `ConfigError` unless every level lies between 0 and 1, and `smooth` is not negative."""

    levels: tuple[float, ...] = (0.1, 0.5, 0.9)
    smooth: float = 0.02
    """s, in units of the value; 0 is the exact pinball."""

    def __post_init__(self) -> None:
        if not self.levels or not all(0 < level < 1 for level in self.levels) or self.smooth < 0:
            raise ConfigError("pinball needs levels in (0, 1) and smooth of at least 0", got=self)

    def losses(self, logits_S: Tensor, targets: StepTargets) -> Tensor:
        """One loss per slot, [S], in units of the value."""
        level_S = torch.tensor(self.levels, device=logits_S.device)[targets.outputs_S]
        error_S = targets.targets_S - logits_S.sigmoid()
        if self.smooth == 0:
            return torch.maximum(level_S * error_S, (level_S - 1) * error_S)
        return level_S * error_S + self.smooth * softplus(-error_S / self.smooth)

    def check(self, targets: StepTargets) -> None:
        """Raise `LabelError` unless each output has its level, or where every target is 0 or 1."""
        counted = targets.targets_S[targets.weights_S > 0]
        if bool(((counted == 0) | (counted == 1)).all()):
            raise LabelError(
                "pinball needs soft labels: quantiles of 0 and 1 say nothing", mend="build the examples with view soft"
            )
        outputs = int(targets.outputs_S.max()) + 1 if len(targets) else 0
        if outputs != len(self.levels):
            raise LabelError(
                f"pinball teaches one output for each of its {len(self.levels)} levels",
                got=f"{outputs} outputs",
                mend="name one level (levels: [0.5]), or add quantile heads to a frozen model (use: heads)",
            )
