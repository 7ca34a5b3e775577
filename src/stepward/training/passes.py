"""From a batch of examples to its gradient: cut into forward passes, laid out, computed, and summed.

The weights of a batch sum to one over the whole of it, so the gradient does not depend on how it is cut. An objective
that compares siblings may meet them in different passes: then each pass runs twice, once for the logits that the loss
needs and once for the gradient (gradient caching, arXiv 2101.06983), and the result is the same.

With bfloat16 the products of the backbone are computed in half precision (autocast); weights, their gradients and
moments, what is read, the head and the loss stay in fp32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from stepward.reward_models.backbone import PRECISIONS, Backbone
from stepward.reward_models.reader import length_batches
from stepward.reward_models.readout import step_states
from stepward.reward_models.token_batch import TokenBatch
from stepward.reward_models.tree.check import longest_packed
from stepward.reward_models.tree.packing import distinct_tokens, packs
from stepward.training.examples import Example
from stepward.training.lanes import Lanes, add_gradients, dealt, draws, twin
from stepward.training.objectives.contract import StepTargets
from stepward.training.order import Pack
from stepward.training.sharding import spread_out
from stepward.training.spec import TrainSpec


@dataclass(frozen=True, eq=False, kw_only=True)
class Passes:
    """Backbone and head as they are trained."""

    backbone: Backbone
    head: nn.Module
    spec: TrainSpec
    pack: Pack
    """As the specification wants it, or rows where the backbone reads no packed row exactly."""
    lanes: Lanes | None = None
    """What computes passes side by side; None: one after the other."""
    twins: tuple[Passes, ...] = ()
    """What every lane but the first computes with."""

    def in_lanes(self, count: int) -> Passes:
        """These, with passes in up to `count` lanes where nothing speaks against it, and as they are elsewhere."""
        count, model = min(count, torch.get_num_threads()), self.backbone.model
        meet = self.spec.objective.scope == "siblings"
        if count < 2 or meet or self.backbone.device.type != "cpu" or spread_out(model.parameters()) or draws(model):
            return self
        twins = [
            replace(self, backbone=replace(self.backbone, model=twin(model)), head=twin(self.head))
            for _ in range(count - 1)
        ]
        return replace(self, lanes=Lanes.open(count), twins=tuple(twins))

    def close(self) -> None:
        """End the lanes."""
        if self.lanes is not None:
            self.lanes.close()

    def cut(self, batch: Sequence[Example]) -> list[list[Example]]:
        """`batch` in passes of at most `forward_tokens` tokens as they are laid out; a longer trace is its own."""
        encoded = [example.encoded for example in batch]

        def cuts(most: int) -> list[list[int]]:
            if self.pack == "rows":
                return length_batches([len(item) for item in encoded], most)
            return packs(encoded, most, share=self.pack == "tree")

        found = _even(cuts, self.spec.descent.forward_tokens, 1 + len(self.twins))
        return [[batch[index] for index in cut] for cut in found]

    def gradient(self, passes: Sequence[Sequence[Example]]) -> float:
        """Add the gradient of the loss of all `passes`; returns the loss."""
        if self.spec.objective.scope == "siblings" and len(passes) > 1:
            return self._together(passes)
        if self.lanes is not None and len(passes) > 1:
            return self._side_by_side(passes, self.lanes)
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
        with torch.autocast(device.type, PRECISIONS[half], enabled=half != "float32", cache_enabled=False):
            states = step_states(self.backbone, tokens, self.spec.readout)
        return cast("Tensor", self.head(states))

    def _side_by_side(self, passes: Sequence[Sequence[Example]], lanes: Lanes) -> float:
        hands = dealt([self._cost(examples) for examples in passes], lanes.count)
        everyone = (self, *self.twins)

        def work(lane: int) -> float:
            mine = [passes[index] for index in hands[lane]]
            return math.fsum(everyone[lane]._backward(everyone[lane].outputs(one), one) for one in mine)

        loss = math.fsum(lanes.run(work))
        for each in self.twins:
            add_gradients(self.backbone.model, each.backbone.model)
            add_gradients(self.head, each.head)
        return loss

    def _cost(self, examples: Sequence[Example]) -> int:
        encoded = [example.encoded for example in examples]
        return sum(distinct_tokens(encoded)) if self.pack == "tree" else sum(map(len, encoded))

    def _together(self, passes: Sequence[Sequence[Example]]) -> float:
        found = [cast("Tensor", checkpoint(self.outputs, examples, use_reentrant=False)) for examples in passes]
        return self._backward(torch.cat(found), [example for examples in passes for example in examples])

    def _backward(self, outputs_RC: Tensor, examples: Sequence[Example]) -> float:
        targets = StepTargets.of(examples).to(outputs_RC.device)
        loss = (self.spec.objective.losses(targets.pick(outputs_RC), targets) * targets.weights_S).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())


def _even(cuts: Callable[[int], list[list[int]]], most: int, count: int) -> list[list[int]]:
    """`cuts(most)`; for several lanes cut smaller, so that each of them has about as much to do."""
    if count == 1:
        return cuts(most)
    wanted = math.ceil(len(cuts(most)) / count) * count
    low, high = 0, most
    while high - low > 1 + most // 64:
        middle = (low + high) // 2
        low, high = (low, middle) if len(cuts(middle)) <= wanted else (middle, high)
    return cuts(high)


def possible_pack(wanted: Pack, backbone: Backbone, examples: Sequence[Example]) -> Pack:
    """`wanted`, or rows where the backbone does not read packed rows of these lengths exactly."""
    if wanted == "rows" or max((len(example.encoded) for example in examples), default=0) > longest_packed(backbone):
        return "rows"
    return wanted
