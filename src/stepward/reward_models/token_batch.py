"""Traces laid out for one forward pass, and where their steps stand in it.

Legend: `B` rows, `T` tokens of a row, `R` read positions of the whole batch in order, `N` the steps' own tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stepward.reward_models.backbone import Backbone
from stepward.reward_models.encoding.codec import Encoded
from stepward.reward_models.tree.attention import Past, forward_packed
from stepward.reward_models.tree.packing import Forest, Indexes


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
