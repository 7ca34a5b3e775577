"""Negative log-likelihood, where the "logit" of a slot is the log-probability of a token.

    L = -log pi(token | what stands before it)

For generative fine-tuning, whose readout gives log-probabilities (`log_ratio.py`); a slot's weight says how much its
token counts. Its scores are log-probabilities and judge no step: verdicts are read from what the model then writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from stepward.errors import LabelError
from stepward.training.objectives.contract import Pointwise, StepTargets
from stepward.types import Convention


@dataclass(frozen=True, slots=True, kw_only=True)
class NegativeLogLikelihood(Pointwise):
    """Needs targets of 1: each token is one that stands there."""

    convention: ClassVar[Convention] = "logit"

    def losses(self, logits_S: Tensor, targets: StepTargets) -> Tensor:
        """One loss per slot, [S], in nats."""
        return -logits_S

    def check(self, targets: StepTargets) -> None:
        """Raise `LabelError` where a target is not 1: there is no likelihood of a token that is not there."""
        other = targets.targets_S[(targets.weights_S > 0) & (targets.targets_S != 1)]
        if len(other):
            raise LabelError(
                "a likelihood has no targets but 1; step labels do not train it",
                got=float(other[0]),
                mend="take objective bce for labels, or train_judge for critiques",
            )
