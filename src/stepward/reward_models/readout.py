"""Which hidden states a head sees: layers, and the read position, the mean over the step's own tokens, or both.

Legend: `R` read positions of a whole batch in order, `H` hidden size. A state depends on its own trace alone, so scores
do not depend on batching, order, padding or packing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from stepward.errors import ConfigError
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.logprobs import step_logprobs
from stepward.reward_models.surprise import SURPRISES, surprises
from stepward.reward_models.token_batch import TokenBatch

Pool = Literal["read", "mean", "both"]
Likelihood = Literal["none", "step", "so_far"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readout:
    """What is read for each step. Raises `ConfigError` where no layer is named."""

    layers: tuple[int, ...] = (-1,)
    """Indexes into the hidden states: 0 the embedding, -1 the last (after its norm); several are concatenated."""
    pool: Pool = "read"
    """read: at the read position; mean: over the step's own tokens; both: concatenated."""
    surprise: bool = False
    """Also what the backbone, as a language model, thought of the step's tokens; see `surprise.py`."""
    likelihood: Likelihood = "none"
    """In place of states `beta` x the log-probability of the step's own tokens, or of all so far: `log_ratio.py`."""
    beta: float = 1.0

    def __post_init__(self) -> None:
        if self.likelihood != "none" and (self.layers or self.surprise or not self.beta > 0):
            raise ConfigError(
                "a readout of log-probabilities reads no layers and needs beta above 0", got=self, mend="layers: []"
            )
        if not self.layers and not self.surprise and self.likelihood == "none":
            raise ConfigError("a readout needs at least one layer", got=self.layers, mend="layers: [-1] is the last")

    def width(self, hidden: int) -> int:
        """Numbers per step, for a backbone of hidden size `hidden`."""
        if self.likelihood != "none":
            return 1
        return hidden * len(self.layers) * (2 if self.pool == "both" else 1) + SURPRISES * self.surprise

    def absolute(self, layers: int) -> tuple[int, ...]:
        """The indexes of `layers`, counted from the embedding, for a backbone of `layers` layers."""
        return tuple(index % (layers + 1) for index in self.layers)

    def deepest(self, layers: int) -> int:
        """The last hidden state that is needed, counted from the embedding."""
        return max(self.absolute(layers)) if self.layers and not self.surprise else layers

    def check(self, layers: int) -> None:
        """Raise `ConfigError` unless a backbone of `layers` layers has every layer that is read."""
        wrong = [index for index in self.layers if not -layers - 1 <= index <= layers]
        if wrong:
            raise ConfigError(f"a readout names layers outside 0..{layers}", got=wrong, mend="-1 is the last")


LAST = Readout()
"""The last layer at the read position."""


def step_states(backbone: Backbone, batch: TokenBatch, readout: Readout) -> Tensor:
    """What `readout` reads for each step of the batch: [R, width], in fp32. Gradients flow through it."""
    indexes = readout.absolute(backbone.layers)
    out = batch.run(backbone, output_hidden_states=any(index != backbone.layers for index in indexes))
    layers = [out.last_hidden_state if index == backbone.layers else out.hidden_states[index] for index in indexes]
    found = [pooled for hidden in layers for pooled in _pooled(hidden.flatten(0, 1), batch, readout.pool)]
    if readout.likelihood != "none":
        so_far = readout.likelihood == "so_far"
        sums = step_logprobs(backbone, batch, out.last_hidden_state.flatten(0, 1), so_far=so_far)
        found.append(readout.beta * sums)
    if readout.surprise:
        found.append(surprises(backbone, batch, out.last_hidden_state.flatten(0, 1)))
    return torch.cat(found, dim=-1)


def _pooled(hidden_AH: Tensor, batch: TokenBatch, pool: Pool) -> list[Tensor]:
    """`hidden_AH`: one row per place."""
    found = []
    if pool != "mean":
        found.append(hidden_AH[batch.reads_R].float())
    if pool != "read":
        own = hidden_AH[batch.own_N].float()
        total = own.new_zeros((len(batch.reads_R), own.shape[-1])).index_add(0, batch.steps_N, own)
        counts = torch.bincount(batch.steps_N, minlength=len(batch.reads_R))
        found.append(total / counts.unsqueeze(-1))
    return found
