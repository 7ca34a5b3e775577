"""Logits and uniform numbers -> tokens: temperature, top-k, top-p, then the inverse of the CDF.

    token = min { v : p(1) + ... + p(v) > u }

found in two levels (blocks of the vocabulary, then one block), so the cost per row is one pass over the
logits. Without filters tokens stand in the order of their ids; with top-k or top-p in descending order of
probability, where top-p keeps the smallest set that reaches p of what top-k left (Holtzman et al. 2020,
arXiv:1904.09751), never fewer than one token. Temperature 0 is the arg max, the lowest id among equals.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from stepward.types import Sampling

BLOCK = 256
FIRST_CANDIDATES = 256
"""Tokens that top-p sorts first; rows whose distribution is flatter pay for the full sort."""


class Rule(NamedTuple):
    """The part of a `Sampling` that shapes the distribution."""

    temperature: float
    top_p: float
    top_k: int

    @classmethod
    def of(cls, sampling: Sampling) -> Rule:
        """The rule that `sampling` states."""
        return cls(sampling.temperature, sampling.top_p, sampling.top_k)


class Drawn(NamedTuple):
    """One token per row, and its log-probability at temperature 1 before filters."""

    tokens_B: Tensor
    logprobs_B: Tensor


def draw(logits_BV: Tensor, rule: Rule, uniforms_B: Tensor) -> Drawn:
    """One token per row, each from its own uniform number in [0, 1)."""
    logprobs_BV = torch.log_softmax(logits_BV.float(), dim=-1)
    if rule.temperature == 0:
        tokens_B = logits_BV.argmax(dim=-1)
    else:
        heated = rule.temperature != 1
        probs_BV = torch.softmax(logprobs_BV / rule.temperature, dim=-1) if heated else logprobs_BV.exp()
        tokens_B = _filtered(probs_BV, rule, uniforms_B)
    return Drawn(tokens_B, logprobs_BV.gather(1, tokens_B[:, None])[:, 0])


def _filtered(probs_BV: Tensor, rule: Rule, uniforms_B: Tensor) -> Tensor:
    size = probs_BV.shape[1]
    kept = min(rule.top_k or size, size)
    if rule.top_p == 1.0 and kept == size:
        return _two_level(probs_BV, uniforms_B)
    values_BK, ids_BK = probs_BV.topk(kept if rule.top_p == 1.0 else min(kept, FIRST_CANDIDATES), dim=-1)
    if rule.top_p < 1.0:
        whole_B1 = probs_BV.sum(-1, keepdim=True) if kept == size else probs_BV.topk(kept).values.sum(-1, keepdim=True)
        if values_BK.shape[1] < kept and bool((values_BK.sum(-1, keepdim=True) < rule.top_p * whole_B1).any()):
            values_BK, ids_BK = probs_BV.topk(kept, dim=-1)
        before_BK = values_BK.cumsum(-1) - values_BK
        values_BK = values_BK.where(before_BK < rule.top_p * whole_B1, 0.0)
        values_BK[:, 0].clamp_(min=torch.finfo(values_BK.dtype).tiny)
    return ids_BK.gather(1, _invert(values_BK, uniforms_B)[:, None])[:, 0]


def _two_level(probs_BV: Tensor, uniforms_B: Tensor) -> Tensor:
    rows, size = probs_BV.shape
    if size <= BLOCK:
        return _invert(probs_BV, uniforms_B)
    whole = probs_BV if size % BLOCK == 0 else torch.nn.functional.pad(probs_BV, (0, -size % BLOCK))
    padded = whole.view(rows, -1, BLOCK)
    mass_BN = padded.sum(-1).double()
    block_B = _invert(mass_BN, uniforms_B)
    below_B = (mass_BN.cumsum(-1) - mass_BN).gather(1, block_B[:, None])[:, 0]
    inside_BK = padded[torch.arange(rows, device=padded.device), block_B].double()
    share_B = (uniforms_B * mass_BN.sum(-1) - below_B) / inside_BK.sum(-1)
    return block_B * BLOCK + _invert(inside_BK, share_B)


def _invert(weights_BK: Tensor, uniforms_B: Tensor) -> Tensor:
    """The first index whose cumulative weight exceeds u x total; it always has a weight above 0."""
    summed_BK = weights_BK.double().cumsum(-1)
    total_B = summed_BK[:, -1]
    below_B = torch.nextafter(total_B, torch.zeros_like(total_B))
    wanted_B = torch.minimum(uniforms_B.clamp(min=0.0) * total_B, below_B)
    return torch.searchsorted(summed_BK, wanted_B[:, None], right=True)[:, 0]
