"""Gradient descent on backbone (full) or adapters (lora) together with the head.

One optimizer step is one batch of about `batch_tokens` tokens, cut into forward passes of similar lengths; its weights
sum to one over the batch, so the cut does not change the gradient. Every `evaluate_every` steps the held-out problems
are scored by the same reader that scores at test time; the best weights are kept, and training ends where `patience`
looks bring nothing. A stop request takes effect between two steps, after a state is written.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from stepward.errors import ModelError
from stepward.reward_models.backbone import Backbone, quiet
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.reader import StepReader, length_batches
from stepward.reward_models.readout import TokenBatch, step_states
from stepward.training.examples import Example
from stepward.training.losses import normalised
from stepward.training.objectives.contract import StepTargets
from stepward.training.order import epoch_batches
from stepward.training.spec import Adapter, TrainSpec
from stepward.training.split import Halves
from stepward.training.state import Place, read_state, read_weights, write_state, write_weights
from stepward.training.watch import Watch

STATE, BEST, METRICS = "state/state.safetensors", "state/best.safetensors", "metrics.jsonl"


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
    place: Place = field(init=False)
    _weights: dict[str, torch.nn.Parameter] = field(init=False)
    _optimizer: torch.optim.Optimizer = field(init=False)
    _plan: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        knobs = self.spec.descent
        modules = {"backbone": self.backbone.model, "head": self.head}
        self._weights = {
            f"{part}.{name}": weight
            for part, module in modules.items()
            for name, weight in module.named_parameters()
            if weight.requires_grad
        }
        own = [weight for name, weight in self._weights.items() if not name.startswith("head.")]
        groups: list[dict[str, Any]] = [
            {"params": own, "rate": knobs.learning_rate},
            {"params": list(self.head.parameters()), "rate": knobs.head_learning_rate},
        ]
        self._optimizer = torch.optim.AdamW(groups, weight_decay=knobs.weight_decay, betas=(0.9, 0.98), fused=True)
        lengths = [len(example.encoded) for example in self.halves.train]
        self._plan = [
            batch
            for epoch in range(knobs.epochs)
            for batch in epoch_batches(lengths, tokens=knobs.batch_tokens, seed=self.spec.seed, epoch=epoch)
        ]
        self.place = read_state(self.out / STATE, self.key, self._weights, self._optimizer)
        self._forget_later_metrics()

    @property
    def reader(self) -> StepReader:
        """What scores the held-out problems."""
        return StepReader(
            backbone=self.backbone,
            head=self.head,
            readout=self.spec.readout,
            batch_tokens=self.spec.descent.forward_tokens,
        )

    def run(self) -> bool:
        """Train to the end and put the best weights in place; False where a stop request came first."""
        knobs = self.spec.descent
        while self.place.step < len(self._plan) and self.place.since_best < knobs.patience:
            if self.watch.stop():
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
            read_weights(self.out / BEST, self._weights)
        return True

    def _step(self) -> dict[str, float]:
        """One optimizer step; what it reports."""
        batch = [self.halves.train[index] for index in self._plan[self.place.step]]
        rate = _rate(self.place.step, len(self._plan), self.spec.descent.warmup)
        for group in self._optimizer.param_groups:
            group["lr"] = group["rate"] * rate
        self.backbone.model.train()
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._gradients(normalised(batch, self.spec.normalisation))
        norm = float(torch.nn.utils.clip_grad_norm_(self._weights.values(), self.spec.descent.clip))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise ModelError(
                f"training diverged at step {self.place.step}",
                got={"loss": loss, "gradient_norm": norm},
                mend="take a smaller learning rate; the state before is kept",
            )
        self._optimizer.step()
        self.place.step += 1
        self.place.tokens += sum(len(example.encoded) for example in batch)
        return {"loss": loss, "gradient_norm": norm, "rate": rate}

    def _gradients(self, batch: Sequence[Example]) -> float:
        """Add the gradient of the batch's loss, which is returned."""
        total = 0.0
        lengths = [len(example.encoded) for example in batch]
        for indexes in length_batches(lengths, self.spec.descent.forward_tokens):
            examples = [batch[index] for index in indexes]
            tokens = TokenBatch.of([example.encoded for example in examples], self.backbone.device)
            logits = self.head(step_states(self.backbone, tokens, self.spec.readout))
            targets = StepTargets.of(examples).to(logits.device)
            loss = (self.spec.objective.losses(logits, targets) * targets.weights_R).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        return total

    def _look(self) -> dict[str, float]:
        """Score the held-out problems and keep the weights where they are the best so far."""
        loss = held_out_loss(self.reader, self.halves.held_out, self.spec)
        if self.place.best_loss is None or loss < self.place.best_loss:
            self.place.best_loss, self.place.best_step, self.place.since_best = loss, self.place.step, 0
            write_weights(self.out / BEST, self._weights)
        else:
            self.place.since_best += 1
        return {"held_out_loss": loss}

    def _tell(self, report: Mapping[str, float]) -> None:
        line = {"step": self.place.step, "steps": len(self._plan), "tokens": self.place.tokens, **report}
        with (self.out / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.watch.progress(line)

    def _save(self) -> None:
        write_state(self.out / STATE, self.place, self._weights, self._optimizer)

    def _forget_later_metrics(self) -> None:
        """Lines after the restored step are about to be written again."""
        file = self.out / METRICS
        if file.is_file():
            lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
            kept = [line for line in lines if json.loads(line)["step"] <= self.place.step]
            file.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


def held_out_loss(reader: StepReader, examples: Sequence[Example], spec: TrainSpec) -> float:
    """The objective's mean over the read positions of `examples`, weighed as in training."""
    logits = torch.tensor([value for own in reader.logits([e.encoded for e in examples]) for value in own])
    targets = StepTargets.of(normalised(examples, spec.normalisation))
    return float((spec.objective.losses(logits, targets) * targets.weights_R).sum())


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
