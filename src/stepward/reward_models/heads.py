"""A head turns what is read for a step into logits: linear, or two layers, one output for each thing it says.

It works in fp32 whatever the backbone: half precision moves logits with the batch size and flips first errors near one
half. A linear head starts at zero: every score is one half until something was learned.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from stepward.errors import ModelError
from stepward.storage.files import write_atomic


class ScoreHead(nn.Module):
    """[R, width] -> [R, outputs] logits. `hidden` 0 is linear, otherwise the width of the layer between."""

    def __init__(self, width: int, hidden: int = 0, outputs: int = 1) -> None:
        super().__init__()
        self.width, self.hidden, self.outputs = width, hidden, outputs
        self.inner = nn.Linear(width, hidden) if hidden else None
        self.out = nn.Linear(hidden or width, outputs)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, states: Tensor) -> Tensor:
        """One row of logits per row of `states`."""
        found = states.float()
        if self.inner is not None:
            found = nn.functional.gelu(self.inner(found))
        logits: Tensor = self.out(found)
        return logits

    @property
    def first(self) -> nn.Linear:
        """The layer that reads the states."""
        return self.out if self.inner is None else self.inner

    @torch.no_grad()
    def absorb(self, mean: Tensor, scale: Tensor) -> None:
        """Turn a head fitted on `(states - mean) / scale` into one that reads `states`."""
        self.first.weight.div_(scale)
        self.first.bias.sub_(self.first.weight @ mean)

    @torch.no_grad()
    def shift(self, logit: float) -> None:
        """Add `logit` to every score."""
        self.out.bias.add_(logit)


def save_head(head: ScoreHead, file: Path) -> None:
    """Write the head's weights as safetensors."""
    write_atomic(file, save({name: tensor.contiguous() for name, tensor in head.state_dict().items()}))


def load_head(file: Path, *, width: int, hidden: int, outputs: int = 1) -> ScoreHead:
    """The head in `file`; `ModelError` where it is missing, of another shape, or not finite."""
    if not file.is_file():
        raise ModelError(f"{file} is missing", mend="a checkpoint's scores come from its head: copy it beside the rest")
    try:
        weights = load_file(file)
    except SafetensorError as error:
        raise ModelError(f"{file} is no safetensors file", got=str(error), mend="save the checkpoint again") from error
    head = ScoreHead(width, hidden, outputs)
    expected = {name: tuple(tensor.shape) for name, tensor in head.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if found != expected:
        raise ModelError(
            f"{file} does not fit its backbone and readout, which need {expected}",
            got=found,
            mend="load it with the backbone it was trained on",
        )
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise ModelError(f"{file} holds weights that are not finite", got=name, mend="train it again")
    head.load_state_dict(weights)
    return head.eval()
