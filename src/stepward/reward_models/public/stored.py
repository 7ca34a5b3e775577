"""Single tensors out of a model folder's safetensors files: an unembedding or a head that no transformers class loads.

Only the header of a file is read to learn its names, and only the tensors asked for are loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from stepward.errors import ModelError

PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
ADAPTER_PREFIX = "base_model.model."
"""What peft puts before the names of an adapted model."""


def stored_names(folder: Path) -> dict[str, Path]:
    """The file of every tensor in the safetensors files of `folder`, by name; peft's prefix is taken off.

    Raises `ModelError` for a file that is damaged.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                found |= {name.removeprefix(ADAPTER_PREFIX): path for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ModelError(f"{path} is damaged", got=str(error), mend="copy or download it again") from error
    return found


def read_stored(files: Mapping[str, Path], names: Iterable[str]) -> dict[str, Tensor]:
    """The tensors `names`, as stored; `files` is what `stored_names` gave. `ModelError` where one is not finite."""
    found = {}
    for name in names:
        with safe_open(files[name], framework="pt") as file:
            stored = set(file.keys())
            tensor = file.get_tensor(name if name in stored else ADAPTER_PREFIX + name)
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{files[name]} holds weights that are not finite", got=name, mend="copy them again")
        found[name] = tensor
    return found


def pickles(folder: Path) -> list[str]:
    """Names of the files in `folder` that may hold pickled weights."""
    return sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))


def read_config(folder: Path, name: str = "config.json") -> dict[str, Any]:
    """The JSON object in a file of `folder`; `ModelError` where it is none."""
    try:
        found = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / name} could not be read as JSON", got=str(error), mend="copy it again") from error
    if not isinstance(found, dict):
        raise ModelError(f"{folder / name} holds no JSON object", got=found, mend="copy it again")
    return found
