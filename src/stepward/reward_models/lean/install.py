"""Which layers of a model are computed leanly: found by their parts, and kept only where the numbers stay the same.

Llama, Mistral, Qwen2 and what is built like them have norms, attention and MLPs of one shape. A model that looks like
that gets the lean forward passes on its own modules; weights, names and saved files are untouched. Then a few tokens
are read both ways. Where that differs by more than rounding, or fails, everything is put back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from stepward.reward_models.lean.attention import lean_attention
from stepward.reward_models.lean.norm import lean_norm
from stepward.reward_models.lean.product import lean_linear
from stepward.reward_models.tree.attention import transformer_of

NORMS = ("input_layernorm", "post_attention_layernorm")
"""Of a decoder layer: what they give is read by linear layers alone, so it may leave in half precision."""
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")
MORE = ("q_norm", "k_norm", "sinks")
"""What some attention blocks do besides."""
TOKENS = 12
TOLERANCE = 1e-4
"""Largest difference of a last state, as a share of the largest state."""


def make_lean(model: nn.Module) -> bool:
    """Let the decoder layers of an fp32 `model` on a CPU compute leanly; False where it stays as it is."""
    weight = next(model.parameters())
    if weight.device.type != "cpu" or weight.dtype != torch.float32 or hasattr(weight, "full_tensor"):
        return False
    found = list(_parts(model))
    before = _tried(model) if found else None
    if before is None:
        return False
    for module, lean in found:
        module.forward = partial(lean, module)
    after = _tried(model)
    same = after is not None and bool((after - before).abs().max() <= TOLERANCE * before.abs().max())
    if not same:
        for module, _ in found:
            del module.forward
    return same


def _parts(model: nn.Module) -> Iterator[tuple[Any, Callable[..., Any]]]:
    """Modules that look as they must, each with what computes it."""
    layers = [layer for layer in model.modules() if _has(layer, *NORMS, "self_attn")]
    for layer in layers:
        for norm in (getattr(layer, name) for name in NORMS):
            if _has(norm, "weight", "variance_epsilon"):
                yield norm, lean_norm
        if _is_plain(layer.self_attn):
            yield layer.self_attn, lean_attention
        yield from ((module, lean_linear) for module in layer.modules() if type(module) is nn.Linear and _has(module))


def _is_plain(attention: Any) -> bool:
    parts = (*PROJECTIONS, "head_dim", "scaling", "attention_dropout", "layer_idx", "config")
    if not _has(attention, *parts) or any(hasattr(attention, name) for name in MORE):
        return False
    return attention.config._attn_implementation in ALL_ATTENTION_FUNCTIONS


def _has(module: Any, *names: str) -> bool:
    """Whether `module` has all `names`, and computes as its class says."""
    return "forward" not in vars(module) and all(hasattr(module, name) for name in names)


@torch.no_grad()
def _tried(model: nn.Module) -> Tensor | None:
    """The last states of a few tokens; None where `model` cannot read them."""
    own, was_training = transformer_of(model), model.training
    ids = torch.arange(TOKENS).unsqueeze(0) % len(own.get_input_embeddings().weight)
    own.eval()
    try:
        states: Tensor = own(input_ids=ids, use_cache=False).last_hidden_state
    except Exception:  # whatever a model makes of this, its own layers are always right
        return None
    finally:
        model.train(was_training)
    return states
