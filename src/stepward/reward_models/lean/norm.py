"""Root-mean-square norm, y = x r w with r = 1 / sqrt(mean(x^2) + eps), in three sweeps forward and one and a half back.

In plain tensor operations it sweeps seven times over fp32 states, its gradient twice that, and under autocast every
layer that reads y casts it once more. Here y leaves in the precision in which it is read.

Its gradient is layer norm's without the mean. torch's layer-norm kernel takes mean and r as given, so with mean 0

    layer norm gives  d = r (g w - mean(g w) - x r mean(g w x r)),   and   dx = d + r mean(g w);   dw is the same.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from stepward.reward_models.lean.rows import ROWS, read_in

_layer_norm_backward = torch.ops.aten.native_layer_norm_backward


def lean_norm(module: Any, states: Tensor) -> Tensor:
    """What an RMSNorm `module` (weight, variance_epsilon) makes of fp32 `states`, [..., H], in autocast's precision."""
    normed: Tensor = _RmsNorm.apply(states, module.weight, module.variance_epsilon, read_in(states))  # type: ignore[no-untyped-call]
    return normed


class _RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, epsilon: float, dtype: torch.dtype) -> Tensor:
        rows = states.reshape(-1, states.shape[-1])
        squares = torch.linalg.vector_norm(rows, dim=-1, keepdim=True).square_()
        scales = squares.div_(rows.shape[-1]).add_(epsilon).rsqrt_()
        out = torch.empty_like(rows, dtype=dtype)
        runs = (torch.split(tensor, ROWS) for tensor in (rows, scales, out))
        for part, scale, target in zip(*runs, strict=True):
            target.copy_((part * scale).mul_(weight))
        ctx.save_for_backward(rows, scales, weight)
        return out.view(states.shape)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, scales, weight = ctx.saved_tensors
        grad = grads[0].reshape(rows.shape).to(rows.dtype)
        wanted = [True, ctx.needs_input_grad[1], False]
        none = torch.zeros_like(scales)
        d_rows, d_weight, _ = _layer_norm_backward(grad, rows, [rows.shape[-1]], none, scales, weight, None, wanted)
        d_rows += (grad @ weight).div_(rows.shape[-1]).unsqueeze(-1).mul_(scales)
        return d_rows.view(grads[0].shape), d_weight, None, None
