"""Whether a loaded model reads a packed row exactly, found out by trying, and how a batch of traces is then laid out.

Most causal models of transformers do. Bidirectional encoders, models that do not call attention by name, soft-capped
logits and the like do not, and read padded rows. Sliding windows and rotary scalings that look at the longest input
are exact up to a length: longer traces are rows as well. The check runs once a model: three branches of a small
random forest against the same traces as rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch
from torch import nn

from stepward.reward_models.backbone import Backbone, quiet
from stepward.reward_models.encoding.codec import Encoded
from stepward.reward_models.token_batch import TokenBatch
from stepward.reward_models.tree.attention import transformer_of, use_tree_attention

TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""Largest difference of a hidden state, as a share of the largest state."""
LENGTH_AWARE = ("dynamic", "longrope")

_longest: WeakKeyDictionary[nn.Module, float] = WeakKeyDictionary()


def layout(backbone: Backbone, encoded: Sequence[Encoded], *, share: bool = True) -> TokenBatch:
    """`encoded` as one packed row where the backbone reads it exactly, as padded rows otherwise."""
    if max(map(len, encoded)) <= longest_packed(backbone):
        return TokenBatch.packed(encoded, backbone.device, share=share)
    return TokenBatch.of(encoded, backbone.device)


def longest_packed(backbone: Backbone) -> float:
    """Tokens of the longest trace that may stand in a packed row: 0 where packing is not exact, else up to infinity."""
    if backbone.model not in _longest:
        _longest[backbone.model] = _limit(backbone) if _agrees(backbone) else 0.0
    return _longest[backbone.model]


def _limit(backbone: Backbone) -> float:
    config = transformer_of(backbone.model).config
    limits = [getattr(config, "sliding_window", None), getattr(config, "attention_chunk_size", None)]
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type") in LENGTH_AWARE:
        limits.append(rope.get("original_max_position_embeddings", config.max_position_embeddings))
    return min((float(limit) for limit in limits if limit), default=math.inf)


@torch.no_grad()
def _agrees(backbone: Backbone) -> bool:
    """Whether packed and plain hidden states of a random forest are the same up to rounding."""
    was_training = backbone.model.training
    backbone.model.eval()
    branches = _branches(backbone)
    plain = [TokenBatch.of([branch], backbone.device) for branch in branches]
    rows = torch.cat([one.run(backbone).last_hidden_state[0, one.reads_R] for one in plain])
    before = ""
    try:
        with quiet():
            before = use_tree_attention(backbone.model)
            packed = TokenBatch.packed(branches, backbone.device)
            row = packed.run(backbone).last_hidden_state[0, packed.reads_R]
            same = bool((rows - row).abs().max() <= TOLERANCE[rows.dtype] * rows.abs().max())
    except Exception:  # a model that cannot read a packed row may refuse it in any way; padded rows are always right
        same = False
    finally:
        backbone.model.train(was_training)
    if not same and before:
        use_tree_attention(backbone.model, before)
    return same


def _branches(backbone: Backbone) -> list[Encoded]:
    """A trunk of six tokens, a fork after it, and a second fork on one side."""
    words = len(transformer_of(backbone.model).get_input_embeddings().weight)
    ids = torch.randint(words, (24,), generator=torch.Generator().manual_seed(0)).tolist()
    lines = [ids[:12], ids[:6] + ids[12:20], ids[:6] + ids[12:16] + ids[20:]]
    return [Encoded(ids=tuple(line), spans=(), read_positions=tuple(range(len(line)))) for line in lines]
