"""Which hidden states a head sees: layers, and the read position, the mean over the step's own tokens, or both.

Legend: `B` rows, `T` tokens of a row, `R` read positions of the whole batch in order, `N` the steps' own tokens, `H`
hidden size. A state depends on its own trace alone, so scores do not depend on batching, order, padding or packing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stepward.errors import ConfigError
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.encoding.codec import Encoded
from stepward.reward_models.log_ratio import step_logprobs
from stepward.reward_models.surprise import SURPRISES, surprises
from stepward.reward_models.tree.attention import Past, forward_packed
from stepward.reward_models.tree.packing import Forest, Indexes

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


@dataclass(frozen=True, eq=False, kw_only=True)
class TokenBatch:
    """Traces as one forward pass reads them, and where their steps stand in it.

    Either rows, one a trace, padded on the right, or one packed row in which tokens that traces share stand once. All
    places are indexes into the B x T tokens; a shared token has one place and counts in each of its traces.
    """

    ids_BT: Tensor
    mask_BT: Tensor
    """1 for a token, 0 for padding."""
    positions_BT: Tensor
    """Where each token stands in its own trace."""
    reads_R: Tensor
    """Place of every read position."""
    own_N: Tensor
    """Place of every token that belongs to a step, markers excluded."""
    before_N: Tensor
    """Place of the token before each of those; its own place where it is the first of its trace."""
    steps_N: Tensor
    """Index into the read positions of the step that each of those tokens belongs to."""
    counts: tuple[int, ...]
    """Steps of each trace."""
    forest: Forest | None = None
    """How the tokens of a packed row hang together; None for rows."""
    past: Past | None = None
    """What a packed row stands on; None where it holds its traces from their first token."""
    totals: Tensor | None = None
    """[traces, 2]: what the steps before those that are read come to in `surprise.py`; None where all are read."""

    @classmethod
    def of(cls, encoded: Sequence[Encoded], device: torch.device) -> TokenBatch:
        """`encoded` as padded rows on `device`."""
        lengths = np.asarray([len(item) for item in encoded])
        columns = np.arange(lengths.max())
        mask = columns < lengths[:, None]
        ids = np.zeros(mask.shape, dtype=np.int64)
        ids[mask] = np.concatenate([item.ids for item in encoded])
        places = [row * len(columns) + columns[:length] for row, length in enumerate(lengths)]
        return cls._at(encoded, device, places, ids=ids, mask=mask, positions=columns[None])

    @classmethod
    def packed(cls, encoded: Sequence[Encoded], device: torch.device, *, share: bool = True) -> TokenBatch:
        """`encoded` as one packed row on `device`; with `share` false tokens are packed but never shared."""
        return cls.standing_on(None, Forest.of(encoded, share=share), encoded, device)

    @classmethod
    def standing_on(
        cls, past: Past | None, forest: Forest, encoded: Sequence[Encoded], device: torch.device
    ) -> TokenBatch:
        """`forest` as one packed row on `device`: what is left of `encoded` after `past`. What is read is left."""
        ids, positions = forest.ids_T[None], forest.positions_T[None]
        rows = {"ids": ids, "mask": np.ones_like(ids), "positions": positions}
        return cls._at(encoded, device, forest.places, forest=forest, past=past, **rows)

    @classmethod
    def _at(
        cls,
        encoded: Sequence[Encoded],
        device: torch.device,
        places: Sequence[Indexes],
        *,
        forest: Forest | None = None,
        past: Past | None = None,
        **rows: NDArray[Any],
    ) -> TokenBatch:
        """`rows` with the index columns of `encoded`, whose trace i has its tokens at `places[i]`."""
        spans = [(own, start, end) for own, item in zip(places, encoded, strict=True) for start, end in item.spans]
        none = places[0][:0]
        columns = {
            "reads_R": [own[list(item.read_positions)] for own, item in zip(places, encoded, strict=True)],
            "own_N": [own[start:end] for own, start, end in spans],
            "before_N": [own[np.maximum(np.arange(start, end) - 1, 0)] for own, start, end in spans],
            "steps_N": [np.full(end - start, step) for step, (_, start, end) in enumerate(spans)],
        }
        whole = {f"{name}_BT": row.astype(np.int64) for name, row in rows.items()}
        whole |= {name: np.concatenate([none, *found]) for name, found in columns.items()}
        tensors = {name: torch.from_numpy(array).to(device) for name, array in whole.items()}
        counts = tuple(len(item.read_positions) for item in encoded)
        return cls(**tensors, counts=counts, forest=forest, past=past)

    def run(self, backbone: Backbone, **options: Any) -> Any:
        """What the backbone's model returns for this batch."""
        if self.forest is not None:
            return forward_packed(backbone.model, self.ids_BT, self.positions_BT, self.forest, self.past, **options)
        return backbone.model(input_ids=self.ids_BT, attention_mask=self.mask_BT, use_cache=False, **options)


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
