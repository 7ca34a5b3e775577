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
    """What is being read where lanes hold the beginning of their prefix; None where they hold nothing."""
    _slots_B: Tensor | None = None
    """The slots of the rows that write; None where they are all there are, in order."""
    _first_B: Tensor | None = None
    """For each row the place of its token among those of its lane's first head: column x U + own tokens."""
    _lane_B: Tensor | None = None
    _places: dict[int, Tensor] = field(default_factory=dict)
    """By the number of heads: where keys and values of each row and head go, as rows of `own_k` laid flat."""
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
        width, room = self.shape.width, self.shape.own
        own_B = own_S[slots_B]
        self._reading_L, self._places = None, {}
        self._slots_B = None if len(slots_B) == len(own_S) else slots_B
        self._lane_B, self._first_B = slots_B // width, slots_B % width * room + own_B
        self._seen = (int(prefix_S[slots_B].max()), int(own_B.max()) + 1)
        prefix = torch.arange(self._seen[0], device=self.device) < prefix_S[:, None]
        own = torch.arange(self._seen[1], device=self.device) <= own_S[:, None]
        allowed = torch.cat([prefix, own], dim=-1).view(-1, 1, width, 1, sum(self._seen))
        self._bias = torch.where(allowed, 0.0, -1e9)

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
        numbered = set(self._layers) == set(range(len(self._layers)))
        return numbered and len({(part.shape[1], part.shape[-1]) for part in parts}) == 1

    def fill(self, lane: int, keys_values: Tensor) -> None:
        """Put (layers, 2, H, tokens, D) into `lane`, from its first place on."""
        count = keys_values.shape[-2]
        for index, (key, value) in enumerate(map(torch.unbind, keys_values.unbind())):
            layer = self._layers.get(index) or self._new_layer(index, key[None], value[None])
            layer.prefix_k[lane, :, :count] = key
            layer.prefix_v[lane, :, :count] = value

    def prefix(self, lane: int, first: int, last: int) -> Tensor:
        """What `lane` holds from place `first` to `last`: (layers, 2, H, tokens, D), a copy."""
        parts = [(self._layers[at].prefix_k, self._layers[at].prefix_v) for at in range(len(self._layers))]
        return torch.stack([torch.stack([part[lane, :, first:last] for part in pair]) for pair in parts])

    def own(self, slots_B: Tensor, count: int) -> Tensor:
        """The first `count` own tokens of the rows in `slots_B`: (layers, 2, B, H, count, D), a copy."""
        lane_B, column_B = slots_B // self.shape.width, slots_B % self.shape.width
        parts = [(self._layers[at].own_k, self._layers[at].own_v) for at in range(len(self._layers))]
        return torch.stack([torch.stack([part[lane_B, :, column_B, :count] for part in pair]) for pair in parts])

    def keep(self, lanes_L: Tensor, columns_LW: Tensor) -> None:
        """Drop every lane that is not in `lanes_L`, and of each lane every row that is not in its `columns_LW`.

        What is left closes up in that order.
        """
        for index, layer in self._layers.items():
            prefixes = (part[lanes_L] for part in (layer.prefix_k, layer.prefix_v))
            owns = (part[lanes_L[:, None], :, columns_LW].transpose(1, 2) for part in (layer.own_k, layer.own_v))
            self._layers[index] = _Layer(*prefixes, *(part.contiguous() for part in owns))
        lanes, width = columns_LW.shape
        self.shape = GridShape(lanes, width, self.shape.prefix, self.shape.own)

    def attend(self, index: int, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """(B, H x G, tokens, D) -> (B, tokens, H x G, D), as attention functions of Hugging Face models do."""
        if self._reading_L is None:
            return self.attend_rows(index, query[:, :, 0], key[:, :, 0], value[:, :, 0], scaling)[:, None]
        layer = self._layers.get(index) or self._new_layer(index, key, value)
        allowed, grouped = None, query.shape[1] != key.shape[1]
        if self._rest is None:
            layer.prefix_k[self._reading_L, :, : key.shape[2]] = key
            layer.prefix_v[self._reading_L, :, : key.shape[2]] = value
        else:
            key, value, allowed = *self._joined(layer, self._rest, key, value), self._rest.allowed
        read = nn.functional.scaled_dot_product_attention(
            query, key, value, allowed, is_causal=allowed is None, scale=scaling, enable_gqa=grouped
        )
        return read.transpose(1, 2)

    def _joined(self, layer: _Layer, rest: _Rest, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Keep what was read; keys and values of the lanes from their first token on."""
        seen = rest.allowed.shape[-1]
        for part, new in ((layer.prefix_k, key), (layer.prefix_v, value)):
            part[rest.lane_N, :, rest.place_N] = new[rest.row_N, :, rest.column_N]
        return layer.prefix_k[self._reading_L, :, :seen], layer.prefix_v[self._reading_L, :, :seen]

    def attend_rows(self, index: int, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """One token of each row: (B, H x G, D) -> (B, H x G, D). The grid keeps key and value, (B, H, D)."""
        assert self._bias is not None
        layer = self._layers.get(index) or self._new_layer(index, key, value)
        lanes, heads, width, _, _ = layer.own_k.shape
        self._keep_own(layer, key, value)
        prefix, own = self._seen
        groups = query.shape[1] // heads
        placed = self._placed(query).view(lanes, width, heads, groups, -1).transpose(1, 2).contiguous()
        on_prefix = torch.bmm(placed.view(lanes * heads, width * groups, -1), _first(layer.prefix_k, prefix).mT)
        on_own = torch.bmm(placed.view(lanes * heads * width, groups, -1), _first(layer.own_k, own).mT)
        scores = torch.cat([on_prefix.flatten(0, 1), on_own.flatten(0, 1)], dim=-1).float()
        scores = torch.add(self._bias, scores.view(lanes, heads, width, groups, -1), alpha=scaling)
        shares = torch.softmax(scores, dim=-1).to(query.dtype)
        on_prefix, on_own = shares.view(lanes * heads, width * groups, -1), shares.view(-1, groups, prefix + own)
        mixed = torch.baddbmm(
            torch.bmm(on_prefix[..., :prefix], _first(layer.prefix_v, prefix)).view(len(on_own), groups, -1),
            on_own[..., prefix:],
            _first(layer.own_v, own),
        )
        taken = mixed.view(lanes, heads, width, groups, -1).transpose(1, 2).reshape(lanes * width, heads * groups, -1)
        return taken if self._slots_B is None else taken[self._slots_B]

    def _placed(self, states: Tensor) -> Tensor:
        """One entry per row -> one per slot, zeros where none writes."""
        if self._slots_B is None:
            return states
        slots = self.shape.lanes * self.shape.width
        return states.new_zeros(slots, *states.shape[1:]).index_copy_(0, self._slots_B, states)

    def _keep_own(self, layer: _Layer, key: Tensor, value: Tensor) -> None:
        assert self._lane_B is not None and self._first_B is not None
        _, heads, width, room, _ = layer.own_k.shape
        if heads not in self._places:
            head = torch.arange(heads, device=self.device)
            block = self._lane_B[:, None] * heads + head
            self._places[heads] = (block * (width * room) + self._first_B[:, None]).view(-1)
        for own, new in ((layer.own_k, key), (layer.own_v, value)):
            own.view(-1, own.shape[-1]).index_copy_(0, self._places[heads], new.reshape(-1, new.shape[-1]))

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


def _first(cache: Tensor, count: int) -> Tensor:
    """(..., tokens, D) -> (all before, count, D)."""
    return cache.flatten(0, -3).narrow(1, 0, count)


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
