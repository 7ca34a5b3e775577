"""Binomial likelihood of counts: k of n rollouts ended right.

    L = -[ k log p + (n - k) log(1 - p) ],  p = sigmoid(logit)      (the constant log C(n, k) is left out)

A label from many rollouts weighs more than one from few, which a soft label forgets; with the same n everywhere it is
n times the cross-entropy on k / n. k = 0 and k = n pull towards 0 and 1 without ever demanding them. Targets must be
the soft view, k / n.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import logsigmoid

from stepward.errors import LabelError
from stepward.training.objectives.contract import Pointwise, StepTargets


@dataclass(frozen=True, slots=True, kw_only=True)
class BinomialLikelihood(Pointwise):
    """Needs labels with counts."""

    def losses(self, logits_S: Tensor, targets: StepTargets) -> Tensor:
        """One loss per slot, [S], in nats."""
        successes = targets.targets_S * targets.trials_S
        failures = targets.trials_S - successes
        return -(successes * logsigmoid(logits_S) + failures * logsigmoid(-logits_S))

    def check(self, targets: StepTargets) -> None:
        """Raise `LabelError` where a slot that counts has no trials, or its target is not k / n."""
        counted = targets.weights_S > 0
        without = int((targets.trials_S[counted] < 1).sum())
        if without:
            raise LabelError(
                "a binomial likelihood needs k of n at every label",
                got=f"{without} of {int(counted.sum())} labels without counts",
                mend="use objective bce, or rollouts",
            )
        successes = (targets.targets_S * targets.trials_S)[counted]
        if bool(((successes - successes.round()).abs() > 1e-3).any()):
            raise LabelError("targets are not k of n", mend="build the examples with the soft view and raw counts")
