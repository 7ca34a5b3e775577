"""Bradley-Terry on siblings: of two steps after the same prefix, the better one shall score higher.

    L = -log sigmoid(r_w - r_l - m) + a (r_w + r_l)^2

over all pairs of different steps with the same ids before them, whose labels differ by more than `gap`; the loss of a
set of siblings is the mean over its pairs. Only differences count, so a common offset is free: the anchor a draws the
two scores' mean to 0 and keeps it from drifting. Siblings with equal labels ("ties"):

    drop         say nothing
    half         -1/2 log sigmoid(d) - 1/2 log sigmoid(-d),  d = r_1 - r_2
    rao_kupper   P(w > l) = sigmoid(d - m), P(tie) = (e^{2m} - 1) sigmoid(d - m) sigmoid(-d - m);  needs m > 0

A score ranks the steps after one prefix; it is no probability and does not compare across prefixes beyond what the
model generalises: fit a calibrator before a threshold. On a log-ratio readout this is DPO on step prefixes, whose
shared prefix gets no gradient. (rStar-Math, arXiv 2501.04519; Step-DPO, arXiv 2406.18629.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from stepward.errors import ConfigError, LabelError
from stepward.training.objectives.contract import Ranking, Scope, StepTargets


@dataclass(frozen=True, slots=True, kw_only=True)
class BradleyTerry(Ranking):
    """Needs siblings with different labels. Raises `ConfigError` where a number is negative."""

    margin: float = 0.0
    """m: by how much the better step shall be ahead."""
    anchor: float = 1e-3
    """a; 0 leaves the offset free."""
    gap: float = 0.0
    """Labels that differ by no more than this are a tie."""
    ties: Literal["drop", "half", "rao_kupper"] = "drop"

    scope: ClassVar[Scope] = "siblings"

    def __post_init__(self) -> None:
        if min(self.margin, self.anchor, self.gap) < 0:
            raise ConfigError("bradley_terry needs margin, anchor and gap of at least 0", got=self)
        if self.ties == "rao_kupper" and not self.margin > 0:
            raise ConfigError("ties: rao_kupper needs a margin above 0", got=self.margin, mend="set margin: 0.5")

    def losses(self, logits_S: Tensor, targets: StepTargets) -> Tensor:
        """One loss per slot, [S], in nats: at every slot the mean over the pairs of its siblings."""
        pairs = self._pairs(targets)
        better, worse = logits_S[pairs.better], logits_S[pairs.worse]
        ahead = better - worse
        found = torch.where(pairs.tied, self._tie_losses(ahead), softplus(self.margin - ahead))
        found = found + self.anchor * (better + worse).square()
        counts = torch.bincount(pairs.sets_S[pairs.better], minlength=pairs.sets)
        sums = logits_S.new_zeros(pairs.sets).index_add(0, pairs.sets_S[pairs.better], found)
        return (sums / counts.clamp(min=1))[pairs.sets_S]

    def check(self, targets: StepTargets) -> None:
        """Raise `LabelError` where a slot that counts has no siblings to be compared with."""
        alone = int((~self.compared(targets))[targets.weights_S > 0].sum())
        if alone:
            raise LabelError(
                "objective bradley_terry compares steps after the same prefix whose labels differ",
                got=f"{alone} of {len(targets)} labels without such siblings",
                mend="leave them out with `only_compared`, bring alternatives of a step, or take objective bce",
            )

    def compared(self, targets: StepTargets) -> Tensor:
        """For each slot, [S]: whether a pair of siblings stands after its prefix."""
        pairs = self._pairs(targets)
        return torch.bincount(pairs.sets_S[pairs.better], minlength=pairs.sets)[pairs.sets_S] > 0

    def _tie_losses(self, ahead: Tensor) -> Tensor:
        if self.ties == "rao_kupper":
            room = 2.0 * ahead.new_tensor(self.margin)
            return -(room.expm1().log() + logsigmoid(ahead - self.margin) + logsigmoid(-ahead - self.margin))
        return -0.5 * (logsigmoid(ahead) + logsigmoid(-ahead))

    def _pairs(self, targets: StepTargets) -> Pairs:
        """All pairs that count; a pair stands once, the better step first."""
        keys, sets_S = torch.unique(targets.prefixes_S ^ targets.outputs_S, return_inverse=True)
        one, other = _neighbours(sets_S)
        ahead = targets.targets_S[one] - targets.targets_S[other]
        tied = ahead.abs() <= self.gap
        once = torch.where(tied, one < other, ahead > 0) & ~(tied & (self.ties == "drop"))
        counted_S = targets.weights_S > 0
        kept = once & (targets.steps_S[one] != targets.steps_S[other]) & counted_S[one] & counted_S[other]
        return Pairs(better=one[kept], worse=other[kept], tied=tied[kept], sets_S=sets_S, sets=len(keys))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Slots that are compared."""

    better: Tensor
    worse: Tensor
    tied: Tensor
    sets_S: Tensor
    """Which set of siblings each slot belongs to."""
    sets: int


def _neighbours(sets_S: Tensor) -> tuple[Tensor, Tensor]:
    """Every ordered pair of slots of one set, a slot with itself included: two lists of indexes."""
    order = torch.argsort(sets_S, stable=True)
    counts = torch.bincount(sets_S)
    sizes = counts[sets_S[order]]
    starts = (counts.cumsum(0) - counts)[sets_S[order]]
    one = torch.repeat_interleave(torch.arange(len(order), device=order.device), sizes)
    within = torch.arange(len(one), device=order.device) - (sizes.cumsum(0) - sizes)[one]
    return order[one], order[starts[one] + within]
