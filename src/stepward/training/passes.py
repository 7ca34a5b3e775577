"""From a batch of examples to its gradient: cut into forward passes, laid out, computed, and summed.

The weights of a batch sum to one over the whole of it, so the gradient does not depend on how it is cut. An objective
that compares siblings may meet them in different passes: then each pass runs twice, once for the logits that the loss
needs and once for the gradient (gradient caching, arXiv 2101.06983), and the result is the same.

With bfloat16 the products of the backbone are computed in half precision (autocast); weights, their gradients and
moments, what is read, the head and the loss stay in fp32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from stepward.reward_models.backbone import PRECISIONS, Backbone
from stepward.reward_models.reader import length_batches
from stepward.reward_models.readout import TokenBatch, step_states
from stepward.reward_models.tree.check import longest_packed
from stepward.reward_models.tree.packing import packs
from stepward.training.examples import Example
from stepward.training.objectives.contract import StepTargets
from stepward.training.order import Pack
from stepward.training.spec import TrainSpec


@dataclass(frozen=True, eq=False, kw_only=True)
class Passes:
    """Backbone and head as they are trained."""

    backbone: Backbone
    head: nn.Module
    spec: TrainSpec
    pack: Pack
    """As the specification wants it, or rows where the backbone reads no packed row exactly."""

    def cut(self, batch: Sequence[Example]) -> list[list[Example]]:
        """`batch` in passes of at most `forward_tokens` tokens as they are laid out; a longer trace is its own."""
        encoded, most = [example.encoded for example in batch], self.spec.descent.forward_tokens
        if self.pack == "rows":
            cuts = length_batches([len(item) for item in encoded], most)
        else:
            cuts = packs(encoded, most, share=self.pack == "tree")
        return [[batch[index] for index in cut] for cut in cuts]

    def gradient(self, passes: Sequence[Sequence[Example]]) -> float:
        """Add the gradient of the loss of all `passes`; returns the loss."""
        if self.spec.objective.scope == "siblings" and len(passes) > 1:
            return self._together(passes)
        return math.fsum(self._backward(self.outputs(examples), examples) for examples in passes)

    def outputs(self, examples: Sequence[Example]) -> Tensor:
        """What the head says at every read position, [R, outputs]."""
        encoded = [example.encoded for example in examples]
        device = self.backbone.device
        if self.pack == "rows":
            tokens = TokenBatch.of(encoded, device)
        else:
            tokens = TokenBatch.packed(encoded, device, share=self.pack == "tree")
        half = self.spec.descent.precision
        with torch.autocast(device.type, PRECISIONS[half], enabled=half != "float32"):
            states = step_states(self.backbone, tokens, self.spec.readout)
        return cast("Tensor", self.head(states))

    def _together(self, passes: Sequence[Sequence[Example]]) -> float:
        found = [cast("Tensor", checkpoint(self.outputs, examples, use_reentrant=False)) for examples in passes]
        return self._backward(torch.cat(found), [example for examples in passes for example in examples])

    def _backward(self, outputs_RC: Tensor, examples: Sequence[Example]) -> float:
        targets = StepTargets.of(examples).to(outputs_RC.device)
        loss = (self.spec.objective.losses(targets.pick(outputs_RC), targets) * targets.weights_S).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())


def possible_pack(wanted: Pack, backbone: Backbone, examples: Sequence[Example]) -> Pack:
    """`wanted`, or rows where the backbone does not read packed rows of these lengths exactly."""
    if wanted == "rows" or max((len(example.encoded) for example in examples), default=0) > longest_packed(backbone):
        return "rows"
    return wanted
