"""Gradient descent on backbone (full) or adapters (lora) together with the head.

One optimizer step is one batch of about `batch_tokens` tokens, each process taking its share in as many forward passes
as it needs; its weights sum to one over the batch, so the cut does not change the gradient. Every `evaluate_every`
steps the held-out problems are scored by the same reader that scores at test time; the best weights are kept, and
training ends where `patience` looks bring nothing. A stop request takes effect between two steps, after a state is
written.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from stepward.errors import ModelError
from stepward.reward_models.backbone import Backbone, quiet
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.lean.install import make_lean
from stepward.reward_models.reader import StepReader
from stepward.training.devices import ALONE, Devices
from stepward.training.examples import Example
from stepward.training.losses import normalised, weightless
from stepward.training.metrics_file import MetricsFile
from stepward.training.objectives.contract import StepTargets
from stepward.training.order import Unit, epoch_batches, units
from stepward.training.passes import Passes, possible_pack
from stepward.training.sharding import clip, settle, spread_out, sum_spread
from stepward.training.spec import Adapter, TrainSpec
from stepward.training.split import Halves
from stepward.training.state import Place, read_state, read_weights, write_state, write_weights
from stepward.training.trackers.contract import Tracker
from stepward.training.watch import Watch

STATE, BEST = "state/state.safetensors", "state/best.safetensors"


@dataclass(eq=False, kw_only=True)
class GradientRun:
    """One training under way. Live state: holds weights and optimizer."""

    spec: TrainSpec
    halves: Halves
    backbone: Backbone
    head: ScoreHead
    out: Path
    key: str
    watch: Watch
    devices: Devices = ALONE
    trackers: tuple[Tracker, ...] = ()
    """Get every step's numbers, beside metrics.jsonl."""
    place: Place = field(init=False)
    passes: Passes = field(init=False)
    _weights: dict[str, torch.nn.Parameter] = field(init=False)
    _optimizer: torch.optim.Optimizer = field(init=False)
    _units: list[Unit] = field(init=False)
    _plan: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        knobs, train = self.spec.descent, self.halves.train
        pack = possible_pack(knobs.pack, self.backbone, [*train, *self.halves.held_out])
        settle(self.backbone)
        make_lean(self.backbone.model)
        self.passes = Passes(backbone=self.backbone, head=self.head, spec=self.spec, pack=pack)
        self._weights = trained_weights(self.backbone, self.head)
        self._optimizer = optimizer(self._weights, self.spec)
        siblings = self.spec.objective.scope == "siblings"
        self._units = units(train, pack=pack, tokens=knobs.batch_tokens, whole=siblings)
        order = partial(epoch_batches, tokens=knobs.batch_tokens, seed=self.spec.seed, by_length=pack == "rows")
        sizes = [unit.tokens for unit in self._units]
        self._plan = [batch for epoch in range(knobs.epochs) for batch in order(sizes, epoch=epoch)]
        self.place = read_state(self.out / STATE, self.key, self._weights, self._optimizer)
        if self.devices.main:
            self._metrics.forget_after(self.place.step)

    @property
    def reader(self) -> StepReader:
        """What scores the held-out problems."""
        return StepReader(
            backbone=self.backbone,
            head=self.head,
            readout=self.spec.readout,
            batch_tokens=self.spec.descent.forward_tokens,
        )

    @property
    def _metrics(self) -> MetricsFile:
        return MetricsFile(folder=self.out)

    def run(self) -> bool:
        """Train to the end and put the best weights in place; False where a stop request came first."""
        self.prepare()
        alone = self.passes
        self.passes = alone.in_lanes(self.spec.descent.lanes)
        try:
            return self._descend()
        finally:
            self.passes.close()
            self.passes = alone

    def prepare(self) -> None:
        """Let the backbone keep only what enters each layer, where that is asked for."""
        if self.spec.descent.recompute:
            model: Any = self.backbone.model
            with quiet():
                model.activation_checkpointing_enable()

    def _descend(self) -> bool:
        knobs = self.spec.descent
        while self.place.step < len(self._plan) and self.place.since_best < knobs.patience:
            if self.devices.agreed(self.watch.stop()):
                self._save()
                return False
            started = time.perf_counter()
            report = self._step()
            last = self.place.step == len(self._plan)
            if self.halves.held_out and (last or self.place.step % knobs.evaluate_every == 0):
                report |= self._look()
            self.place.seconds += time.perf_counter() - started
            self._tell(report)
            if self.place.step % knobs.save_every == 0:
                self._save()
        if self.place.best_loss is not None:
            self.devices.wait()
            read_weights(self.out / BEST, self._weights)
        return True

    def _step(self) -> dict[str, float]:
        """One optimizer step; what it reports."""
        batch = [self._units[index] for index in self._plan[self.place.step]]
        rate = _rate(self.place.step, len(self._plan), self.spec.descent.warmup)
        for group in self._optimizer.param_groups:
            group["lr"] = group["rate"] * rate
        self.backbone.model.train()
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._gradients(batch)
        norm = clip(self._weights.values(), self.spec.descent.clip)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise ModelError(
                f"training diverged at step {self.place.step}",
                got={"loss": loss, "gradient_norm": norm},
                mend="take a smaller learning rate; the state before is kept",
            )
        self._optimizer.step()
        self.place.step += 1
        self.place.tokens += sum(len(self.halves.train[index].encoded) for unit in batch for index in unit.indexes)
        return {"loss": loss, "gradient_norm": norm, "rate": rate}

    def _gradients(self, batch: Sequence[Unit]) -> float:
        """Put the gradient of the batch's loss into every process; the loss is returned."""
        members = [[self.halves.train[index] for index in unit.indexes] for unit in batch]
        weighed = iter(normalised([each for unit in members for each in unit], self.spec.normalisation))
        shares = [[next(weighed) for _ in unit] for unit in members]
        mine = [example for at in self.devices.share([unit.tokens for unit in batch]) for example in shares[at]]
        passes = self.passes.cut(mine)
        if not spread_out(self._weights.values()):
            loss = self.devices.total(self.passes.gradient(passes))
            self.devices.sum_gradients(self._weights.values())
            return loss
        idle = self.devices.largest(len(passes)) - len(passes)
        passes += [[weightless(shares[0][0])]] * idle  # gathering weights takes every process, pass by pass
        loss = self.devices.total(self.passes.gradient(passes))
        sum_spread(self._weights.values(), self.devices)
        return loss

    def _look(self) -> dict[str, float]:
        """Score the held-out problems and keep the weights where they are the best so far."""
        loss = self.devices.agreed(held_out_loss(self.reader, self.halves.held_out, self.spec))
        settle(self.backbone)
        if self.place.best_loss is None or loss < self.place.best_loss:
            self.place.best_loss, self.place.best_step, self.place.since_best = loss, self.place.step, 0
            write_weights(self.out / BEST, self._weights, write=self.devices.main)
        else:
            self.place.since_best += 1
        return {"held_out_loss": loss}

    def _tell(self, report: Mapping[str, float]) -> None:
        if self.devices.main:
            numbers = {"steps": len(self._plan), "tokens": self.place.tokens, **report}
            for tracker in (self._metrics, *self.trackers):
                tracker.log(self.place.step, numbers)
            self.watch.progress({"step": self.place.step, **numbers})

    def _save(self) -> None:
        write_state(self.out / STATE, self.place, self._weights, self._optimizer, write=self.devices.main)


def trained_weights(backbone: Backbone, head: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """Every weight that learns, by a name that lasts; a tied one once."""
    modules = {"backbone": backbone.model, "head": head}
    return {
        f"{part}.{name}": weight
        for part, module in modules.items()
        for name, weight in module.named_parameters()
        if weight.requires_grad
    }


def optimizer(weights: Mapping[str, torch.nn.Parameter], spec: TrainSpec) -> torch.optim.Optimizer:
    """AdamW in one fused pass over the weights, with a rate of its own for the head."""
    head = [weight for name, weight in weights.items() if name.startswith("head.")]
    rest = [weight for name, weight in weights.items() if not name.startswith("head.")]
    groups: list[dict[str, Any]] = [
        {"params": rest, "rate": spec.descent.learning_rate},
        {"params": head, "rate": spec.descent.head_learning_rate},
    ]
    return torch.optim.AdamW(groups, weight_decay=spec.descent.weight_decay, betas=(0.9, 0.98), fused=True)


def held_out_loss(reader: StepReader, examples: Sequence[Example], spec: TrainSpec) -> float:
    """The objective's mean over the read positions of `examples`, weighed as in training."""
    outputs = torch.cat(reader.outputs([example.encoded for example in examples]))
    targets = StepTargets.of(normalised(examples, spec.normalisation))
    return float((spec.objective.losses(targets.pick(outputs), targets) * targets.weights_S).sum())


def adapted(backbone: Backbone, adapter: Adapter) -> None:
    """Put fresh low-rank adapters on the backbone; everything else stops learning."""
    from peft import LoraConfig, get_peft_model

    names = adapter.targets if adapter.targets == "all-linear" else adapter.targets.split()
    config = LoraConfig(r=adapter.rank, lora_alpha=adapter.alpha, target_modules=names)
    model: Any = backbone.model
    with quiet():
        backbone.model = get_peft_model(model, config)


def _rate(step: int, steps: int, warmup: float) -> float:
    """Share of the full learning rate at a 0-based step: up in a line, then down in a half cosine to a tenth."""
    rise = max(1, round(warmup * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.1 + 0.45 * (1.0 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))
