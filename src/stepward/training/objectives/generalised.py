"""Generalised cross-entropy: between cross-entropy and absolute error, for labels of which some are wrong.

    L = (1 - p_y^q) / q,  p_y = p for a good step, 1 - p for a bad one,  p = sigmoid(logit)

A step counts p_y^q of what it counts in cross-entropy, so steps whose label the model firmly disbelieves pull little.
q -> 0 is cross-entropy; q = 1 is the absolute error, which no symmetric noise misleads but which learns slowly. A soft
target y mixes both classes' losses. Scores are pushed outwards: fit a calibrator before a threshold means anything.
(Zhang and Sabuncu, arXiv 1805.07836; q = 0.7 there.)
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import logsigmoid

from stepward.errors import ConfigError
from stepward.training.objectives.contract import Pointwise, StepTargets


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralisedCrossEntropy(Pointwise):
    """Raises `ConfigError` unless `q` lies in (0, 1]."""

    q: float = 0.7

    def __post_init__(self) -> None:
        if not 0 < self.q <= 1:
            raise ConfigError("generalised.q must lie in (0, 1]", got=self.q, mend="0.7 is usual; for 0 take bce")

    def losses(self, logits_S: Tensor, targets: StepTargets) -> Tensor:
        """One loss per slot, [S]."""
        good = -(self.q * logsigmoid(logits_S)).expm1() / self.q
        bad = -(self.q * logsigmoid(-logits_S)).expm1() / self.q
        return targets.targets_S * good + (1.0 - targets.targets_S) * bad
