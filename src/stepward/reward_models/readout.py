"""Which hidden states a head sees: layers, and the read position, the mean over the step's own tokens, or both.

Legend: `B` traces, `T` tokens (right padding), `R` read positions of the whole batch in order, `H` hidden size.
A state depends on its own trace alone, so scores do not depend on batching, order or padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from stepward.errors import ConfigError
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.encode import Encoded
from stepward.reward_models.surprise import SURPRISES, surprises

Pool = Literal["read", "mean", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readout:
    """What is read for each step. Raises `ConfigError` where no layer is named."""

    layers: tuple[int, ...] = (-1,)
    """Indexes into the hidden states: 0 the embedding, -1 the last (after its norm); several are concatenated."""
    pool: Pool = "read"
    """read: at the read position; mean: over the step's own tokens; both: concatenated."""
    surprise: bool = False
    """Also what the backbone, as a language model, thought of the step's tokens; see `surprise.py`."""

    def __post_init__(self) -> None:
        if not self.layers and not self.surprise:
            raise ConfigError("a readout needs at least one layer", got=self.layers, mend="layers: [-1] is the last")

    def width(self, hidden: int) -> int:
        """Numbers per step, for a backbone of hidden size `hidden`."""
        return hidden * len(self.layers) * (2 if self.pool == "both" else 1) + SURPRISES * self.surprise

    def absolute(self, layers: int) -> tuple[int, ...]:
        """The indexes of `layers`, counted from the embedding, for a backbone of `layers` layers."""
        return tuple(index % (layers + 1) for index in self.layers)

    def deepest(self, layers: int) -> int:
        """The last hidden state that is needed, counted from the embedding."""
        return layers if self.surprise else max(self.absolute(layers))

    def check(self, layers: int) -> None:
        """Raise `ConfigError` unless a backbone of `layers` layers has every layer that is read."""
        wrong = [index for index in self.layers if not -layers - 1 <= index <= layers]
        if wrong:
            raise ConfigError(f"a readout names layers outside 0..{layers}", got=wrong, mend="-1 is the last")


LAST = Readout()
"""The last layer at the read position."""


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Traces padded on the right, and where their steps stand."""

    ids_BT: Tensor
    mask_BT: Tensor
    rows_R: Tensor
    reads_R: Tensor
    own_rows: Tensor
    """Row of every token that belongs to a step, markers excluded; `own_columns` and `own_reads` run along."""
    own_columns: Tensor
    own_reads: Tensor
    """Index into the read positions, for each of those tokens."""

    @classmethod
    def of(cls, batch: Sequence[Encoded], device: torch.device) -> TokenBatch:
        """`batch` as tensors on `device`."""
        longest = max(len(encoded) for encoded in batch)
        ids = torch.zeros((len(batch), longest), dtype=torch.long)
        mask = torch.zeros((len(batch), longest), dtype=torch.long)
        for row, encoded in enumerate(batch):
            ids[row, : len(encoded)] = torch.tensor(encoded.ids)
            mask[row, : len(encoded)] = 1
        reads = [(row, at) for row, encoded in enumerate(batch) for at in encoded.read_positions]
        spans = [(row, span) for row, encoded in enumerate(batch) for span in encoded.spans]
        own = [(row, at, index) for index, (row, (start, end)) in enumerate(spans) for at in range(start, end)]
        columns = [*zip(*reads, strict=True), *zip(*own, strict=True)]
        tensors = [ids, mask, *(torch.tensor(column, dtype=torch.long) for column in columns)]
        return cls(*(tensor.to(device) for tensor in tensors))


def step_states(backbone: Backbone, batch: TokenBatch, readout: Readout) -> Tensor:
    """What `readout` reads for each step of the batch: [R, width], in fp32."""
    indexes = readout.absolute(backbone.layers)
    deep = any(index != backbone.layers for index in indexes)
    out: Any = backbone.model(
        input_ids=batch.ids_BT, attention_mask=batch.mask_BT, use_cache=False, output_hidden_states=deep
    )
    layers = [out.last_hidden_state if index == backbone.layers else out.hidden_states[index] for index in indexes]
    found = [pooled for hidden in layers for pooled in _pooled(hidden, batch, readout.pool)]
    if readout.surprise:
        found.append(surprises(backbone, batch, out.last_hidden_state))
    return torch.cat(found, dim=-1)


def _pooled(hidden_BTH: Tensor, batch: TokenBatch, pool: Pool) -> list[Tensor]:
    found = []
    if pool != "mean":
        found.append(hidden_BTH[batch.rows_R, batch.reads_R].float())
    if pool != "read":
        own = hidden_BTH[batch.own_rows, batch.own_columns].float()
        total = own.new_zeros((len(batch.rows_R), own.shape[-1])).index_add(0, batch.own_reads, own)
        counts = torch.bincount(batch.own_reads, minlength=len(batch.rows_R))
        found.append(total / counts.unsqueeze(-1))
    return found
