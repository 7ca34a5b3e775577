"""Attention whose prefix cache is shared by the rows that continue it.

Rows stand in a grid: a lane holds the keys and values of one prefix once, and up to `width` rows write
behind it, each with a cache of its own for what it wrote. A row's attention over both parts is

    softmax([q K_prefix^T ; q K_own^T]) [V_prefix ; V_own]

where the product with the prefix is one matrix product for all rows of the lane: its memory is read once
per step instead of once per row (Hydragen, Juravsky et al. 2024, arXiv:2402.05099). Rows may use different
lengths of their lane's prefix, so nested prefixes of one solution share a lane too. A lane of one row is an
ordinary cache. A lane may be filled with keys and values of an earlier grid; then only the rest is read.

The grid is handed to any Hugging Face model as the keyword `grid` of its forward call, which models pass
on to their attention function; `ATTENTION` is the name under which ours is registered.

Shapes: L lanes, W rows per lane, B rows in this call, T prefix tokens, U own tokens, H key-value heads,
G query heads per key-value head, D head size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from stepward.errors import ModelError

ATTENTION = "stepward_grid"
UNSUPPORTED = ("softcap", "s_aux", "position_bias")
"""Variants of attention that models ask for by keyword and that the grid does not compute."""


@dataclass(frozen=True, slots=True)
class GridShape:
    """How much a grid holds."""

    lanes: int
    width: int
    prefix: int
    """Prefix tokens a lane can hold."""
    own: int
    """Tokens a row can write, its first input included."""


@dataclass(slots=True)
class _Layer:
    prefix_k: Tensor
    """(L, H, T, D), as `prefix_v`."""
    prefix_v: Tensor
    own_k: Tensor
    """(L, H, W, U, D), as `own_v`."""
    own_v: Tensor


@dataclass(slots=True)
class _Rest:
    """Which tokens of which lanes are being read: N tokens, apart from padding."""

    row_N: Tensor
    """Row of the call."""
    column_N: Tensor
    """Column of the call."""
    lane_N: Tensor
    place_N: Tensor
    """Place in the lane."""
    allowed: Tensor
    """(B, 1, tokens, seen): whether a token of the call looks at a place of its lane."""


@dataclass(slots=True)
class PrefixGrid:
    """The caches of all layers, and what the forward call under way does with them."""

    shape: GridShape
    device: torch.device
    _layers: dict[int, _Layer] = field(default_factory=dict)
    _reading_L: Tensor | None = None
    """The lanes whose prefix is being read; None while rows write."""
    _rest: _Rest | None = None
    """What is being read of lanes that hold a part already; None where they hold nothing."""
    _lane_B: Tensor | None = None
    _column_B: Tensor | None = None
    _own_B: Tensor | None = None
    _bias: Tensor | None = None
    """(L, 1, W, 1, T + U): 0 where a row may look, very negative elsewhere."""
    _seen: tuple[int, int] = (0, 0)
    """Prefix and own tokens that any row of this step looks at."""

    @property
    def used(self) -> bool:
        """Whether a model has attended through this grid: one that ignores it would write without context."""
        return bool(self._layers)

    def read(self, lanes: Sequence[int]) -> None:
        """The next forward call computes the prefixes of `lanes`, right-padded, one row each."""
        self._reading_L, self._rest = torch.tensor(lanes, device=self.device), None

    def read_on(self, lanes: Sequence[int], held_L: Tensor, count_L: Tensor) -> None:
        """The next forward call computes `count_L` more tokens of each of `lanes`, which hold `held_L` already."""
        self.read(lanes)
        assert self._reading_L is not None
        seen, columns = int((held_L + count_L).max()), torch.arange(int(count_L.max()), device=self.device)
        row_N, column_N = (columns < count_L[:, None]).nonzero(as_tuple=True)
        places = held_L[:, None] + columns
        allowed = torch.arange(seen, device=self.device) <= places[:, :, None]
        self._rest = _Rest(row_N, column_N, self._reading_L[row_N], places[row_N, column_N], allowed[:, None])

    def write(self, slots_B: Tensor, prefix_S: Tensor, own_S: Tensor) -> None:
        """The next forward call computes one token of each row in `slots_B`.

        `prefix_S` and `own_S` state for every slot (lane x width + column) how many tokens of the lane's
        prefix it continues, and how many it has written before this one.
        """
        width = self.shape.width
        self._reading_L = None
        self._lane_B, self._column_B, self._own_B = slots_B // width, slots_B % width, own_S[slots_B]
        self._seen = (int(prefix_S[slots_B].max()), int(self._own_B.max()) + 1)
        prefix = torch.arange(self._seen[0], device=self.device) < prefix_S[:, None]
        own = torch.arange(self._seen[1], device=self.device) <= own_S[:, None]
        allowed = torch.cat([prefix, own], dim=-1).view(-1, 1, width, 1, sum(self._seen))
        self._bias = torch.zeros(allowed.shape, device=self.device).masked_fill_(~allowed, -1e9)

    def copy_first(self, source_B: Tensor, target_B: Tensor) -> None:
        """Rows in `target_B` take over the first own token of the rows in `source_B`."""
        width = self.shape.width
        from_, to = (source_B // width, source_B % width), (target_B // width, target_B % width)
        for layer in self._layers.values():
            for own in (layer.own_k, layer.own_v):
                own[to[0], :, to[1], 0] = own[from_[0], :, from_[1], 0]

    @property
    def uniform(self) -> bool:
        """Whether keys and values of all layers have one shape, so that they can be taken out as one tensor."""
        parts = [part for layer in self._layers.values() for part in (layer.own_k, layer.own_v)]
        return len({(part.shape[1], part.shape[-1]) for part in parts}) == 1

    def fill(self, lane: int, first: int, keys_values: Tensor) -> None:
        """Put (layers, 2, H, tokens, D) into `lane` from place `first` on."""
        for index, (key, value) in enumerate(keys_values):
            layer = self._layers.get(index) or self._new_layer(index, key[None], value[None])
            layer.prefix_k[lane, :, first : first + key.shape[1]] = key
            layer.prefix_v[lane, :, first : first + key.shape[1]] = value

    def prefix(self, lane: int, first: int, last: int) -> Tensor:
        """What `lane` holds from place `first` to `last`: (layers, 2, H, tokens, D), a copy."""
        parts = [(self._layers[at].prefix_k, self._layers[at].prefix_v) for at in sorted(self._layers)]
        return torch.stack([torch.stack([part[lane, :, first:last] for part in pair]) for pair in parts])

    def own(self, slots_B: Tensor, count: int) -> Tensor:
        """The first `count` own tokens of the rows in `slots_B`: (layers, 2, B, H, count, D), a copy."""
        lane_B, column_B = slots_B // self.shape.width, slots_B % self.shape.width
        parts = [(self._layers[at].own_k, self._layers[at].own_v) for at in sorted(self._layers)]
        return torch.stack([torch.stack([part[lane_B, :, column_B, :count] for part in pair]) for pair in parts])

    def keep_lanes(self, lanes_L: Tensor) -> None:
        """Drop every lane that is not in `lanes_L`; the others close up in that order."""
        for index, layer in self._layers.items():
            parts = (layer.prefix_k, layer.prefix_v, layer.own_k, layer.own_v)
            self._layers[index] = _Layer(*(part[lanes_L] for part in parts))
        self.shape = GridShape(len(lanes_L), self.shape.width, self.shape.prefix, self.shape.own)

    def attend(self, index: int, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """(B, H x G, tokens, D) -> (B, tokens, H x G, D), as attention functions of Hugging Face models do."""
        layer = self._layers.get(index) or self._new_layer(index, key, value)
        if self._reading_L is None:
            return self._attend_rows(layer, query * scaling, key, value)
        grouped, rest = query.shape[1] != key.shape[1], self._rest
        if rest is None:
            layer.prefix_k[self._reading_L, :, : key.shape[2]] = key
            layer.prefix_v[self._reading_L, :, : key.shape[2]] = value
        else:
            layer.prefix_k[rest.lane_N, :, rest.place_N] = key[rest.row_N, :, rest.column_N]
            layer.prefix_v[rest.lane_N, :, rest.place_N] = value[rest.row_N, :, rest.column_N]
            seen = rest.allowed.shape[-1]
            key, value = (part[self._reading_L, :, :seen] for part in (layer.prefix_k, layer.prefix_v))
        mask = rest.allowed if rest else None
        read = nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=mask is None, scale=scaling, enable_gqa=grouped
        )
        return read.transpose(1, 2)

    def _attend_rows(self, layer: _Layer, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        assert self._lane_B is not None and self._column_B is not None and self._bias is not None
        lanes, heads, width, _, size = layer.own_k.shape
        layer.own_k[self._lane_B, :, self._column_B, self._own_B] = key[:, :, 0]
        layer.own_v[self._lane_B, :, self._column_B, self._own_B] = value[:, :, 0]
        prefix, own = self._seen
        groups = query.shape[1] // heads
        placed = query.new_zeros(lanes, heads, width, groups, size)
        placed[self._lane_B, :, self._column_B] = query.view(-1, heads, groups, size)
        together = placed.view(lanes, heads, width * groups, size)
        on_prefix = together @ layer.prefix_k[:, :, :prefix].transpose(-1, -2)
        on_own = placed @ layer.own_k[:, :, :, :own].transpose(-1, -2)
        scores = torch.cat([on_prefix.view(lanes, heads, width, groups, prefix), on_own], dim=-1).float()
        shares = torch.softmax(scores + self._bias, dim=-1).to(query.dtype)
        from_prefix = shares[..., :prefix].reshape(lanes, heads, width * groups, prefix) @ layer.prefix_v[:, :, :prefix]
        mixed = from_prefix.view(lanes, heads, width, groups, -1) + shares[..., prefix:] @ layer.own_v[:, :, :, :own]
        return mixed[self._lane_B, :, self._column_B].reshape(len(query), 1, heads * groups, -1)

    def _new_layer(self, index: int, key: Tensor, value: Tensor) -> _Layer:
        """Zeros, because a masked position still multiplies its value by 0."""
        shape, heads = self.shape, key.shape[1]
        prefix, own = (shape.lanes, heads, shape.prefix), (shape.lanes, heads, shape.width, shape.own)
        made = _Layer(
            key.new_zeros(*prefix, key.shape[-1]),
            key.new_zeros(*prefix, value.shape[-1]),
            key.new_zeros(*own, key.shape[-1]),
            key.new_zeros(*own, value.shape[-1]),
        )
        self._layers[index] = made
        return made


def _attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    grid: PrefixGrid | None = options.get("grid")
    asked = [name for name in UNSUPPORTED if options.get(name) is not None]
    if grid is None or asked:
        raise ModelError(
            f"{type(module).__name__} cannot be sampled through the shared prefix cache",
            got=asked or "an attention call without its grid",
            mend="use a decoder model with plain softmax attention",
        )
    scaling = options.get("scaling")
    index = int(getattr(module, "layer_idx"))  # noqa: B009
    return grid.attend(index, query, key, value, query.shape[-1] ** -0.5 if scaling is None else scaling), None


AttentionInterface.register(ATTENTION, _attention)
