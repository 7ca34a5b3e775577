"""One objective for each of two outputs of a head.

    L = L_1(slots of output 0) + b L_2(slots of output 1)

The published use is a validity head and a value head, both with squared error and b = 1 (BiRM, arXiv 2503.04618);
recommended here: cross-entropy for the first and the binomial likelihood, or cross-entropy, for the second. A pass with
no slots of one output has the other's loss alone. Which target each output means is the checkpoint's to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from stepward.config import build
from stepward.errors import ConfigError, LabelError
from stepward.training.objectives.contract import Objective, Scope, StepTargets, check_weight
from stepward.types import Convention, Json


@dataclass(frozen=True, kw_only=True)
class PerOutput:
    """Objectives are named as in a recipe: "mse", or {"use": "bce", "smoothing": 0.1}.

    Raises `ConfigError` where one is unknown, or has a class weight: the prior correction is made for one output only.
    """

    first: Json = "bce"
    second: Json = "bce"
    second_weight: float = 1.0
    """b."""

    def __post_init__(self) -> None:
        check_weight("per_output.second_weight", self.second_weight)
        shifts = [objective.logit_shift for objective in self._objectives]
        if any(shifts):
            raise ConfigError(
                "objectives of two outputs must weigh good and bad steps alike", got=shifts, mend="set bad_weight: 1"
            )

    def losses(self, logits_S: Tensor, targets: StepTargets) -> Tensor:
        """One loss per slot, [S]."""
        found = torch.zeros_like(logits_S)
        for output, (objective, weight) in enumerate(zip(self._objectives, (1.0, self.second_weight), strict=True)):
            own = targets.outputs_S == output
            found = found.masked_scatter(own, weight * objective.losses(logits_S[own], targets.where(own)))
        return found

    def check(self, targets: StepTargets) -> None:
        """Raise `LabelError` where one of the objectives does, or nothing teaches an output."""
        if len(outputs := {*targets.outputs_S.tolist()}) != len(NAMES):
            raise LabelError("per_output teaches two outputs", got=f"{len(outputs)} taught", mend="set heads: two")
        for output, objective in enumerate(self._objectives):
            objective.check(targets.where(targets.outputs_S == output))

    @property
    def logit_shift(self) -> float:
        """0: nothing was reweighed."""
        return 0.0

    @property
    def convention(self) -> Convention:
        """The first output's, which is the one that is read."""
        return self._objectives[0].convention

    @property
    def scope(self) -> Scope:
        """The wider of both."""
        scopes = {objective.scope for objective in self._objectives}
        return next(scope for scope in ("siblings", "trace", "slot") if scope in scopes)

    @cached_property
    def _objectives(self) -> tuple[Objective, Objective]:
        both = [build("objective", each, f"per_output.{name}") for name, each in vars(self).items() if name in NAMES]
        first, second = (cast("Objective", each) for each in both)
        return first, second


NAMES = ("first", "second")
