"""Rotary position embedding (arXiv 2104.09864) of queries or keys: each pair (a, b) of a head turns by its angle.

    (a, b) -> (a cos - b sin, b cos + a sin),   a in the first half of a head, b in the second

Products are taken in the precision of the angles and rounded once. The gradient is the same turn by the opposite angle:
nothing of the input need be kept, and no half of a gradient is padded with zeros.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from stepward.reward_models.lean.rows import ROWS


def turned(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """`states`, [B, T, heads, D], turned by the angles of [B, T, D] `cos` and `sin`, whose halves are alike."""
    result: Tensor = _Turn.apply(states, cos, sin)  # type: ignore[no-untyped-call]
    return result


class _Turn(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turn(states, cos, sin, 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        cos, sin = ctx.saved_tensors
        return _turn(grads[0], cos, sin, -1), None, None


def _turn(states: Tensor, cos: Tensor, sin: Tensor, sign: int) -> Tensor:
    out = torch.empty(states.shape, dtype=states.dtype, device=states.device)
    half = states.shape[-1] // 2
    runs = (torch.split(tensor, ROWS, dim=1) for tensor in (states, cos.unsqueeze(2), sin.unsqueeze(2), out))
    for given, cosines, sines, target in zip(*runs, strict=True):
        given, sines = given.to(cosines.dtype), sines[..., :half]
        result = given * cosines
        result[..., :half].addcmul_(given[..., half:], sines, value=-sign)
        result[..., half:].addcmul_(given[..., :half], sines, value=sign)
        target.copy_(result)
    return out
