"""What an interrupted training needs to go on exactly: weights, moments, random state, and the place in the order.

One safetensors file, replaced in one move. The order of examples is a function of seed and epoch, so the step number
is the whole of the place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from stepward.errors import ConfigError, ModelError
from stepward.storage.files import make_folder, write_atomic
from stepward.training.sharding import like, whole

RANDOM = "random"


@dataclass(slots=True, kw_only=True)
class Place:
    """How far a training has come."""

    key: str
    """Hash of settings, examples and backbone: another training never goes on from here."""
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    best_loss: float | None = None
    """Least loss on the held-out problems so far."""
    best_step: int = 0
    since_best: int = 0
    """Looks at the held-out problems since then."""


def write_state(
    file: Path,
    place: Place,
    weights: Mapping[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    *,
    write: bool = True,
) -> None:
    """Save everything; a crash while writing leaves the state before.

    Spread weights are gathered, so every process must come here; only the one with `write` does so.
    """
    tensors = {f"weight.{name}": weight.detach() for name, weight in weights.items()}
    for name, weight in weights.items():
        tensors |= {f"moment.{kind}.{name}": value for kind, value in optimizer.state.get(weight, {}).items()}
    tensors[RANDOM] = torch.get_rng_state()
    content = {name: whole(tensor).cpu().contiguous() for name, tensor in tensors.items()}
    if write:
        make_folder(file.parent)
        write_atomic(file, save(content, metadata={"place": json.dumps(asdict(place))}))


@torch.no_grad()
def read_state(
    file: Path, key: str, weights: Mapping[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer
) -> Place:
    """Put a saved state back and say where it was; the beginning where there is none.

    Raises `ConfigError` where the state is of another training, `ModelError` where the file is damaged.
    """
    if not file.is_file():
        return Place(key=key)
    try:
        with safe_open(file, framework="pt") as opened:
            place = Place(**json.loads(opened.metadata()["place"]))
            tensors: dict[str, Tensor] = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ModelError(f"{file} is damaged", got=str(error), mend="delete it to begin anew") from error
    if place.key != key:
        raise ConfigError(
            f"{file} holds the state of a training with other settings, examples or backbone",
            got=place.key,
            mend="train into a new folder, or delete the old state",
        )
    for name, weight in weights.items():
        weight.copy_(like(tensors[f"weight.{name}"], weight))
        kinds = [full.split(".", 2)[1] for full in tensors if full.startswith("moment.") and full.endswith(f".{name}")]
        optimizer.state[weight] = {kind: _moment(tensors[f"moment.{kind}.{name}"], weight) for kind in kinds}
    torch.set_rng_state(tensors[RANDOM])
    return place


def write_weights(file: Path, weights: Mapping[str, torch.nn.Parameter], *, write: bool = True) -> None:
    """Keep the weights alone; as `write_state`."""
    content = {name: whole(weight.detach()).cpu().contiguous() for name, weight in weights.items()}
    if write:
        make_folder(file.parent)
        write_atomic(file, save(content))


@torch.no_grad()
def read_weights(file: Path, weights: Mapping[str, torch.nn.Parameter]) -> None:
    """Put kept weights back."""
    with safe_open(file, framework="pt") as opened:
        for name, weight in weights.items():
            weight.copy_(like(opened.get_tensor(name), weight))


def _moment(value: Tensor, weight: Tensor) -> Tensor:
    """The step count stays where the optimizer keeps it, the moments go to the weight's device."""
    return value.clone() if value.ndim == 0 else like(value, weight)
