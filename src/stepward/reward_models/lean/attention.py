"""The attention block of Llama and its many relatives, with rotary embeddings that turn queries and keys in place."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from stepward.reward_models.lean.rotary import turned


def lean_attention(
    module: Any,
    hidden_states: Tensor,
    position_embeddings: tuple[Tensor, Tensor],
    attention_mask: Tensor | None = None,
    past_key_values: Any = None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """What an attention `module` of projections q, k, v and o makes of [B, T, H] states."""
    heads = (*hidden_states.shape[:-1], -1, module.head_dim)
    query, key = (
        turned(project(hidden_states).view(heads), *position_embeddings).transpose(1, 2)
        for project in (module.q_proj, module.k_proj)
    )
    value = module.v_proj(hidden_states).view(heads).transpose(1, 2)
    if past_key_values is not None:
        key, value = past_key_values.update(key, value, module.layer_idx)
    attend = ALL_ATTENTION_FUNCTIONS[module.config._attn_implementation]
    if hasattr(module, "sliding_window"):
        options["sliding_window"] = module.sliding_window
    dropout = module.attention_dropout if module.training else 0.0
    out, weights = attend(module, query, key, value, attention_mask, dropout=dropout, scaling=module.scaling, **options)
    return module.o_proj(out.reshape(*hidden_states.shape[:-1], -1)), weights
