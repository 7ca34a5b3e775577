"""A head on cached features: the backbone stays as it is, so training takes seconds.

    minimise  sum_i w_i loss(head(z_i), y_i) + c/2 |weights|^2,   z = (features - mean) / deviation

by L-BFGS over everything at once. c is the candidate of the least held-out loss in cross-validation over folds of
problems. Standardisation is then absorbed into the head's first layer. A feature that never changes gets deviation 1.
With one problem alone nothing can be held out: the strongest penalty is taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stepward.reward_models.heads import ScoreHead
from stepward.training.examples import Example
from stepward.training.losses import normalised
from stepward.training.objectives.contract import StepTargets
from stepward.training.spec import TrainSpec
from stepward.training.split import folds
from stepward.training.watch import Progress


@dataclass(frozen=True, slots=True)
class Rows:
    """Features and targets of slots that count: row s of `states` is what slot s reads."""

    states: Tensor
    targets: StepTargets
    fold: Tensor
    outputs: int = 1
    """Of the head."""

    def where(self, chosen: Tensor) -> Rows:
        """The rows that `chosen`, a mask, names."""
        return Rows(self.states[chosen], self.targets.where(chosen), self.fold[chosen], self.outputs)

    def logits(self, outputs_SC: Tensor) -> Tensor:
        """Each slot's own output, [S], its offset added."""
        return outputs_SC.gather(1, self.targets.outputs_S.unsqueeze(1)).squeeze(1) + self.targets.offsets_S


@dataclass(frozen=True, slots=True)
class Fitted:
    """A head and how it was chosen."""

    head: ScoreHead
    penalty: float
    held_out_loss: float
    """Mean loss on problems outside the fit, at the chosen penalty; infinite where none could be held out."""


def fit_head(
    states_RW: Tensor, examples: Sequence[Example], spec: TrainSpec, progress: Progress | None = None
) -> Fitted:
    """The head for the features of `examples` ([R, width], in order), penalty chosen by cross-validation."""
    rows = _rows(states_RW, examples, spec)
    losses = {c: _held_out_loss(rows, c, spec) for c in spec.head_fit.penalties}
    penalty = min(losses, key=lambda c: (losses[c], -c))
    for candidate, loss in losses.items():
        if progress is not None and math.isfinite(loss):
            progress({"penalty": candidate, "held_out_loss": loss})
    return Fitted(_fit(rows, penalty, spec), penalty, losses[penalty])


def fit_head_at(states_RW: Tensor, examples: Sequence[Example], spec: TrainSpec, penalty: float) -> ScoreHead:
    """The head for the features of `examples` at a penalty that was chosen before."""
    return _fit(_rows(states_RW, examples, spec), penalty, spec)


def _rows(states: Tensor, examples: Sequence[Example], spec: TrainSpec) -> Rows:
    dealt = folds(examples, count=spec.head_fit.folds, seed=spec.seed)
    fold = [own for own, example in zip(dealt, examples, strict=True) for _ in example.slots]
    targets = StepTargets.of(normalised(examples, spec.normalisation))
    outputs = 1 + max((slot.output for example in examples for slot in example.slots), default=0)
    rows = Rows(states[targets.reads_S], targets, torch.tensor(fold), outputs)
    return rows.where(targets.weights_S > 0)


def _held_out_loss(rows: Rows, penalty: float, spec: TrainSpec) -> float:
    """Weighted mean over all folds that hold and leave something."""
    total = weight = 0.0
    for fold in range(spec.head_fit.folds):
        out = rows.fold == fold
        if bool(out.any()) and not bool(out.all()):
            head, held = _fit(rows.where(~out), penalty, spec), rows.where(out)
            with torch.no_grad():
                losses = spec.objective.losses(held.logits(head(held.states)), held.targets)
            total += float((losses * held.targets.weights_S).sum())
            weight += float(held.targets.weights_S.sum())
    return total / weight if weight else math.inf


def _fit(rows: Rows, penalty: float, spec: TrainSpec) -> ScoreHead:
    mean, scale = rows.states.mean(dim=0), rows.states.std(dim=0, unbiased=False)
    scale = torch.where(scale > 1e-6 * (1.0 + mean.abs()), scale, torch.ones_like(scale))
    standard = (rows.states - mean) / scale
    weights = rows.targets.weights_S / rows.targets.weights_S.sum()
    torch.manual_seed(spec.seed)
    head = ScoreHead(rows.states.shape[1], spec.head_hidden, rows.outputs)
    matrices = [parameter for parameter in head.parameters() if parameter.ndim > 1]
    optimizer = torch.optim.LBFGS(
        head.parameters(), max_iter=spec.head_fit.iterations, history_size=20, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (spec.objective.losses(rows.logits(head(standard)), rows.targets) * weights).sum()
        loss = loss + 0.5 * penalty * torch.stack([matrix.square().sum() for matrix in matrices]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    head.absorb(mean, scale)
    return head.eval()
