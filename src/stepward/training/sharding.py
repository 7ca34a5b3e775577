"""Weights spread over processes (torch's FSDP2), and whole again for files.

accelerate starts the processes, but its own FSDP refuses CPUs; what it would call is called here directly. Every
process holds a part of each weight of the backbone, of its gradient and of its moments; a layer is gathered while it
computes. Gathering is collective: every process must run the same passes and come to every call here. The head is
small and stays whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from stepward.reward_models.backbone import Backbone
from stepward.training.devices import Devices


def shard(backbone: Backbone, device: torch.device) -> None:
    """Spread the backbone's weights over the processes, layer by layer."""
    from torch.distributed import get_world_size
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    model: Any = backbone.model
    whole_model = model.get_base_model() if hasattr(model, "get_base_model") else model
    names = set(getattr(whole_model, "_no_split_modules", None) or ())
    mesh = init_device_mesh(device.type, (get_world_size(),))
    for module in list(model.modules()):
        if type(module).__name__ in names:
            fully_shard(module, mesh=mesh)
    fully_shard(model, mesh=mesh)


def settle(backbone: Backbone) -> None:
    """Let go of weights that a forward pass without a backward pass has left gathered, and that would grow stale."""
    model: Any = backbone.model
    if hasattr(model, "reshard"):
        model.reshard()


def unsharded(backbone: Backbone, fresh: Backbone) -> None:
    """Give `backbone` the model of `fresh`, which is like it but not spread, with its own weights."""
    settle(backbone)
    weights = {name: whole(tensor).cpu() for name, tensor in backbone.model.state_dict().items()}
    fresh.model.load_state_dict(weights)
    backbone.model = fresh.model


def whole(tensor: Tensor) -> Tensor:
    """`tensor`, gathered where it is spread."""
    spread: Any = tensor
    gathered: Tensor = spread.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return gathered


def like(tensor: Tensor, weight: Tensor) -> Tensor:
    """A whole `tensor` spread as `weight` is, on its device."""
    if not hasattr(weight, "full_tensor"):
        return tensor.to(weight.device)
    from torch.distributed.tensor import distribute_tensor

    spread: Any = weight
    placed: Tensor = distribute_tensor(tensor.to(weight.device), spread.device_mesh, spread.placements)
    return placed


def spread_out(weights: Iterable[nn.Parameter]) -> bool:
    """Whether any of `weights` is spread."""
    return any(hasattr(weight, "full_tensor") for weight in weights)


def sum_spread(weights: Iterable[nn.Parameter], devices: Devices) -> None:
    """Make gradients sums over processes: FSDP has left means of the spread ones and has not seen the others."""
    every = list(weights)
    devices.sum_gradients(weight for weight in every if not hasattr(weight, "full_tensor"))
    means = [weight.grad for weight in every if hasattr(weight, "full_tensor") and weight.grad is not None]
    torch._foreach_mul_(means, float(devices.count))


def clip(weights: Iterable[nn.Parameter], most: float) -> float:
    """Scale the gradients of `weights` together to a norm of at most `most`; returns the norm before."""
    grads = [weight.grad for weight in weights if weight.grad is not None]
    spread = [grad for grad in grads if hasattr(grad, "full_tensor")]
    local = [grad for grad in grads if not hasattr(grad, "full_tensor")]
    norms = [whole(torch.nn.utils.get_total_norm(part, foreach=True)) for part in (spread, local) if part]
    norm = float(torch.stack(norms).norm()) if norms else 0.0
    if norm > most:
        for part in (spread, local):
            if part:
                torch._foreach_mul_(part, most / (norm + 1e-6))
    return norm
