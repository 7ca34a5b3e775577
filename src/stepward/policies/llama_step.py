"""One token per row through a model of the Llama family, in a third of the calls.

Behind a small model the time of a step is the time of calling its operations. The same arithmetic as the modules of
transformers takes fewer of them: query, key and value come out of one product, so do gate and up; residuals are added
by the product before them; rotary angles are looked up.

The joined weights are no second copy. The model's own weights become views of them, so that they stay what they are
to everybody else: training changes both, `model.to(...)` parts them and the next call joins them again.

Models whose parts are not exactly the known ones (adapters, quantised layers, hooks) have no such step and go through
their own modules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear, rms_norm, silu
from transformers import LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM

from stepward.policies.prefix_grid import PrefixGrid

FAMILY = (LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM)
STATIC_ROPE = ("default", "linear", "llama3", "yarn")
"""Kinds of rotary angles that depend on the position alone."""


class _Affine(NamedTuple):
    weight: Tensor
    bias: Tensor | None


class _Block(NamedTuple):
    before_attention: nn.Module
    qkv: _Affine
    out: _Affine
    scaling: float
    before_mlp: nn.Module
    gate_up: _Affine
    down: _Affine


def llama_step(model: Any) -> LlamaStep | None:
    """The step of `model`, None where it is not exactly of a known kind."""
    if type(model) not in FAMILY or not _is_plain(model):
        return None
    with torch.no_grad():
        return LlamaStep(model, [_block(layer) for layer in model.model.layers])


@dataclass(slots=True)
class LlamaStep:
    """The forward call of `model` for one token of each row that a `PrefixGrid` was told to write."""

    model: Any
    blocks: Sequence[_Block]
    _angles: tuple[Tensor, Tensor] | None = field(default=None, init=False)
    """Cosine and signed sine: (positions, 1, D)."""

    def __call__(self, tokens_B: Tensor, positions_B: Tensor, last: int, grid: PrefixGrid) -> Tensor:
        """(B, V). `last` is the highest of the positions."""
        config, states = self.model.config, embedding(tokens_B, self.model.model.embed_tokens.weight)
        heads, more = config.num_attention_heads, config.num_key_value_heads
        cos, sin = (table[positions_B] for table in self._tables(last + 1, states))
        for index, block in enumerate(self.blocks):
            joined = linear(_norm(block.before_attention, states), *block.qkv).view(len(states), heads + 2 * more, -1)
            turned = joined[:, : heads + more]
            turned = torch.addcmul(turned * cos, turned.roll(turned.shape[-1] // 2, dims=-1), sin)
            value = joined[:, heads + more :]
            mixed = grid.attend_rows(index, turned[:, :heads], turned[:, heads:], value, block.scaling)
            states = _added(states, mixed.flatten(1), block.out)
            gate, up = linear(_norm(block.before_mlp, states), *block.gate_up).chunk(2, dim=-1)
            states = _added(states, silu(gate).mul_(up), block.down)
        logits: Tensor = self.model.lm_head(_norm(self.model.model.norm, states))
        return logits

    def _tables(self, length: int, like: Tensor) -> tuple[Tensor, Tensor]:
        if self._angles is None or len(self._angles[0]) < length:
            positions = torch.arange(2 * length, device=like.device)[None]
            cos, sin = self.model.model.rotary_emb(like, position_ids=positions)
            half = sin.shape[-1] // 2
            signed = torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)
            self._angles = cos[0, :, None], signed[0, :, None]
        return self._angles


def _norm(module: Any, states: Tensor) -> Tensor:
    return rms_norm(states, module.weight.shape, module.weight, module.variance_epsilon)


def _added(states: Tensor, inputs: Tensor, affine: _Affine) -> Tensor:
    made = torch.addmm(states, inputs, affine.weight.t())
    return made if affine.bias is None else made.add_(affine.bias)


def _is_plain(model: Any) -> bool:
    linears = [
        part
        for layer in model.model.layers
        for room in (layer.self_attn, layer.mlp)
        for part in room.children()
        if part is not layer.mlp.act_fn
    ]
    rope = model.config.rope_parameters or {}
    hooked = any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    return (
        not hooked
        and model.config.hidden_act == "silu"
        and rope.get("rope_type") in STATIC_ROPE
        and all(type(part) is nn.Linear for part in linears)
    )


def _block(layer: Any) -> _Block:
    attention, mlp = layer.self_attn, layer.mlp
    return _Block(
        before_attention=layer.input_layernorm,
        qkv=_joined([attention.q_proj, attention.k_proj, attention.v_proj]),
        out=_Affine(attention.o_proj.weight, attention.o_proj.bias),
        scaling=attention.scaling,
        before_mlp=layer.post_attention_layernorm,
        gate_up=_joined([mlp.gate_proj, mlp.up_proj]),
        down=_Affine(mlp.down_proj.weight, mlp.down_proj.bias),
    )


def _joined(parts: Sequence[nn.Linear]) -> _Affine:
    biases = [part.bias for part in parts if part.bias is not None]
    bias = torch.cat(list(biases)) if biases else None
    return _Affine(_one_behind_another([part.weight for part in parts]), bias)


def _one_behind_another(weights: Sequence[Tensor]) -> Tensor:
    """All rows of `weights` as one matrix that shares its memory with them."""
    first, rows = weights[0], [len(weight) for weight in weights]
    ends = [weight.data_ptr() + weight.nbytes for weight in weights]
    one_storage = len({weight.untyped_storage().data_ptr() for weight in weights}) == 1
    if not one_storage or [weight.data_ptr() for weight in weights[1:]] != ends[:-1]:
        whole = torch.cat([weight.data for weight in weights])
        for weight, part in zip(weights, torch.split(whole, rows), strict=True):
            weight.data = part
    return first.data.as_strided((sum(rows), first.shape[1]), (first.shape[1], 1))
