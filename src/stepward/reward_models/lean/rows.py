"""Work cut into runs of rows that stay in a core's cache between one sweep and the next."""

from __future__ import annotations

import torch
from torch import Tensor

ROWS = 256
"""Rows of a few hundred to a few thousand numbers each, so a run is at most some megabytes."""


def read_in(tensor: Tensor) -> torch.dtype:
    """The precision in which a layer that reads `tensor` would compute: autocast's where that is on."""
    device = tensor.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tensor.dtype
