"""Exact attention over a forest of tokens, for any transformers model that calls its attention by name.

Everything below a node follows it in the row, so a node's keys meet their queries in one call:

    queries [start, stop) x keys [start, end), query j sees key i iff i <= j       (later rows see the whole node)

Small nodes share a call (`cascade.py`). The calls give a query partial results o_n with l_n = log sum exp of its logits
there. They merge exactly: o = sum_n exp(l_n - l) o_n with l = log sum_n exp(l_n). Backward gives each call the merged o
and l, which makes its gradients the parts of the whole (as ring attention does, arXiv 2310.01889). Work grows with
tokens x ancestors, and no T x T mask is held.

On a CPU each call is torch's flash kernel. Elsewhere one dense mask is used: exact, but it pays for T x T, and its
speed was never measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from stepward.errors import ModelError
from stepward.reward_models.tree.calls import Call, calls_of
from stepward.reward_models.tree.packing import Forest

NAME = "stepward_tree"
"""Name under which transformers knows it."""

EXOTIC = ("softcap", "s_aux", "position_bias")
"""What some models add to attention, under transformers' names."""

_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_flash_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def forward_packed(
    model: nn.Module, ids_1T: Tensor, positions_1T: Tensor, forest: Forest, past: Past | None = None, **options: Any
) -> Any:
    """What `model`, or what peft made of it, returns for one packed row."""
    use_tree_attention(model)
    return model(
        input_ids=ids_1T,
        position_ids=positions_1T,
        attention_mask=_PREPARED.to(ids_1T.device),
        use_cache=False,
        stepward_forest=forest,
        stepward_past=past,
        **options,
    )


_PREPARED = torch.ones((1, 1, 1, 1), dtype=torch.bool)
"""transformers takes a mask of four dimensions as it is, so none is built; the forest says who attends to whom."""


def use_tree_attention(model: nn.Module, name: str = NAME) -> str:
    """Let `model` attend by this module, or by what transformers calls `name`; returns what it attended by before.

    Rows without a forest go to torch's attention.
    """
    own = transformer_of(model)
    before = str(own.config._attn_implementation)
    if before != name:
        own.set_attn_implementation(name)
    return before


def transformer_of(model: nn.Module) -> Any:
    """The transformers model inside what peft or a wrapper for many devices made of it."""
    return next(module for module in model.modules() if hasattr(module, "set_attn_implementation"))


def tree_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """The attention interface of transformers: [1, heads, T, D] queries and [1, key heads, T, D] keys and values.

    Returns [1, T, heads, D]. `options` hold the forest and the past where the row is packed. `ModelError` where the
    model asks for more than plain attention.
    """
    forest: Forest | None = options.get("stepward_forest")
    if forest is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)[0], None
    _check_plain(options)
    scale = options.get("scaling") or query.shape[-1] ** -0.5
    query, key, value = _cast(query, key, value)
    layer: Any = module
    past: Past | None = options.get("stepward_past")
    if past is not None:
        past.kept[layer.layer_idx] = (key, value)
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    if past is not None and past.blocks:
        return attend_past(query, key, value, forest, scale, past.at(layer.layer_idx)), None
    if _has_flash(query):
        merged: Tensor = _Cascade.apply(query, key, value, forest, scale)  # type: ignore[no-untyped-call]
        return merged.transpose(1, 2), None
    mask = dense_mask(forest, query.device)
    dense = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)
    return dense.transpose(1, 2).contiguous(), None


def _check_plain(options: Mapping[str, Any]) -> None:
    more = [name for name in EXOTIC if options.get(name) is not None]
    if more or options.get("dropout"):
        raise ModelError(
            "attention over a packed row is plain: no dropout, cap, sink or bias",
            got=more or f"dropout {options['dropout']}",
            mend="read padded rows, or set attention_dropout to 0",
        )


def _cast(*tensors: Tensor) -> list[Tensor]:
    """The tensors as autocast would hand them to torch's own attention."""
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device):
        return list(tensors)
    return [tensor.to(torch.get_autocast_dtype(device)) for tensor in tensors]


def dense_mask(forest: Forest, device: torch.device) -> Tensor:
    """[T, T], true where the row's token may attend to the column's: the definition that the cascade keeps to."""
    rows = torch.arange(len(forest), device=device).unsqueeze(1)
    ends = torch.from_numpy(forest.ends_T).to(device)
    return (rows >= rows.T) & (rows < ends)


@dataclass(frozen=True, slots=True)
class Block:
    """Keys and values that stand before a run of packed tokens, which all see all of them."""

    start: int
    """First packed token that sees them."""
    stop: int
    """One past the last one."""
    keys_values: Tensor
    """[layers, 2, key heads, tokens, D]; for one layer of them [2, key heads, tokens, D]."""


@dataclass(frozen=True, eq=False, slots=True)
class Past:
    """What a packed row stands on, and what its own tokens leave behind for the next."""

    blocks: tuple[Block, ...]
    kept: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    """Keys and values of the row, [1, key heads, T, D], by layer."""

    def at(self, layer: int) -> list[Block]:
        """The blocks as one layer sees them."""
        return [Block(block.start, block.stop, block.keys_values[layer]) for block in self.blocks]


class _Cascade(torch.autograd.Function):
    """Attention of [1, H, T, D] tensors over a forest on a CPU."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, forest: Forest, scale: float) -> Tensor:
        out, lse = attend(query, key, value, forest, scale)
        ctx.save_for_backward(query, key, value, out, lse)
        ctx.forest, ctx.scale = forest, scale
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        *saved, lse = ctx.saved_tensors
        given = saved[0].dtype
        # In half precision torch's backward kernel takes up to five times as long as in fp32 where keys are few.
        query, key, value, out, grad = (each.to(lse.dtype) for each in (*saved, grads[0]))
        d_query, d_key, d_value = (torch.empty_like(each) for each in (query, key, value))
        for call in _calls(ctx.forest):
            below, own, mask = call.rows, call.keys, call.mask(query.dtype)
            dq, dk, dv = _flash_backward(
                grad[:, :, below],
                query[:, :, below],
                key[:, :, own],
                value[:, :, own],
                out[:, :, below],
                lse[:, :, below],
                0.0,
                mask is None,
                attn_mask=mask,
                scale=ctx.scale,
            )
            if call.first:
                d_query[:, :, below] = dq
            else:
                d_query[:, :, below] += dq
            d_key[:, :, own] = dk
            d_value[:, :, own] = dv
        return d_query.to(given), d_key.to(given), d_value.to(given), None, None


def _calls(forest: Forest) -> tuple[Call, ...]:
    """Worked out once a forest, for all layers."""
    if forest not in _known:
        _known[forest] = calls_of(forest)
    return _known[forest]


_known: WeakKeyDictionary[Forest, tuple[Call, ...]] = WeakKeyDictionary()


def attend(query: Tensor, key: Tensor, value: Tensor, forest: Forest, scale: float) -> tuple[Tensor, Tensor]:
    """What each query reads, [1, H, T, D], and the log of its normaliser, [1, H, T] in fp32 or better."""
    _, heads, count, width = query.shape
    exact = torch.float64 if query.dtype == torch.float64 else torch.float32
    out = query.new_empty((1, count, heads, width), dtype=exact).transpose(1, 2)
    lse = query.new_empty((1, count, heads), dtype=exact).transpose(1, 2)
    for call in _calls(forest):
        below, own, mask = call.rows, call.keys, call.mask(query.dtype)
        part, part_lse = _flash(
            query[:, :, below], key[:, :, own], value[:, :, own], 0.0, mask is None, attn_mask=mask, scale=scale
        )
        if call.first:
            out[:, :, below], lse[:, :, below] = part, part_lse
        else:
            merge(out[:, :, below], lse[:, :, below], part, part_lse)
    return out.to(query.dtype), lse


def attend_past(
    query: Tensor, key: Tensor, value: Tensor, forest: Forest, scale: float, blocks: Sequence[Block]
) -> Tensor:
    """[1, T, H, D]: what each query reads from its ancestors in the row and from the blocks before it.

    For inference. No order among a block's keys matters, so the query heads of one key head stand in one line.
    """
    out, lse = (attend if _has_flash(query) else _attend_dense)(query, key, value, forest, scale)
    out = out.to(lse.dtype)
    for block in blocks:
        keys, values = block.keys_values.unsqueeze(1)
        seen = query[:, :, block.start : block.stop]
        _, heads, rows, width = seen.shape
        folded = seen.reshape(1, keys.shape[1], -1, width)
        part, part_lse = _attend_all(folded, keys, values, scale)
        below = slice(block.start, block.stop)
        shape = (1, heads, rows)
        merge(out[:, :, below], lse[:, :, below], part.reshape(*shape, width), part_lse.reshape(shape))
    return out.to(query.dtype).transpose(1, 2)


def _has_flash(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu"


def _attend_all(query: Tensor, key: Tensor, value: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    if not _has_flash(query):
        return _softmax((query @ key.transpose(-1, -2)).float() * scale, value)
    out, lse = _flash(query, key, value, 0.0, False, scale=scale)
    return out, lse


def _attend_dense(query: Tensor, key: Tensor, value: Tensor, forest: Forest, scale: float) -> tuple[Tensor, Tensor]:
    logits = (query @ key.transpose(-1, -2)).float() * scale
    return _softmax(logits.masked_fill(~dense_mask(forest, query.device), -torch.inf), value)


def _softmax(logits: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    return logits.softmax(-1).to(value.dtype) @ value, logits.logsumexp(-1)


def merge(out: Tensor, lse: Tensor, part: Tensor, part_lse: Tensor) -> None:
    """Add to `out` and `lse`, in place, what the same queries read from other keys."""
    out.lerp_(part.to(out.dtype), torch.sigmoid(part_lse - lse).unsqueeze(-1))
    torch.logaddexp(lse, part_lse, out=lse)


AttentionInterface.register(NAME, tree_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
