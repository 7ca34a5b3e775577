"""A linear layer under autocast whose gradient is computed in the order that is fastest on a CPU.

oneDNN's half-precision product of two transposed matrices takes about twice as long as one whose left side lies in
memory as it is read. So the narrower of gradient and input is transposed in memory first:

    dW = G^T X   or   dW = (X^T G)^T

The weight is rounded once a pass and its gradient leaves in the weight's own precision, as with autocast.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from stepward.reward_models.lean.rows import read_in


def lean_linear(module: Any, states: Tensor) -> Tensor:
    """What an `nn.Linear` makes of `states`, [..., in]."""
    half = read_in(states)
    if half == module.weight.dtype:
        return nn.functional.linear(states, module.weight, module.bias)
    product: Tensor = _Product.apply(states, module.weight, module.bias, half)  # type: ignore[no-untyped-call]
    return product


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, bias: Tensor | None, half: torch.dtype) -> Tensor:
        rows, matrix = states.reshape(-1, states.shape[-1]).to(half), weight.to(half)
        ctx.save_for_backward(rows, matrix)
        ctx.given, ctx.learnt = states.dtype, weight.dtype
        with torch.autocast(states.device.type, enabled=False):
            out = nn.functional.linear(rows, matrix, None if bias is None else bias.to(half))
        return out.view(*states.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, matrix = ctx.saved_tensors
        grad = grads[0].reshape(-1, len(matrix))
        of_states, of_weight, of_bias, _ = ctx.needs_input_grad
        d_states = (grad @ matrix).view(*grads[0].shape[:-1], -1).to(ctx.given) if of_states else None
        d_weight = _weight_gradient(grad, rows).to(ctx.learnt) if of_weight else None
        d_bias = grad.sum(0, dtype=ctx.learnt) if of_bias else None
        return d_states, d_weight, d_bias, None


def _weight_gradient(grad_TO: Tensor, rows_TI: Tensor) -> Tensor:
    """[O, I], contiguous."""
    if grad_TO.shape[1] <= rows_TI.shape[1]:
        return grad_TO.t().contiguous() @ rows_TI
    return (rows_TI.t().contiguous() @ grad_TO).t().contiguous()
