"""A folder -> a causal language model and its tokenizer, or a message that says what the folder lacks."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from stepward.errors import ModelError
from stepward.policies.prefix_grid import ATTENTION

NEEDED = ("config.json", "*.safetensors", "tokenizer*.json")
PLAIN_LAYERS = {"full_attention", "sliding_attention"}


def load_causal_model(folder: Path, *, dtype: str, device: str) -> tuple[Any, Any]:
    """Model in evaluation mode, attending through the shared prefix cache, and tokenizer. Raises `ModelError`."""
    check_folder(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=_dtype(dtype),
            attn_implementation=ATTENTION,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (ValueError, KeyError, OSError, RuntimeError, SafetensorError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{folder} cannot be loaded as a causal language model", got=str(error)) from error
    model, report = loaded
    absent = sorted(report["missing_keys"])
    if absent:
        raise ModelError(f"{folder} lacks weights of a causal language model", got=absent, mend="is it a scorer?")
    layers = set(getattr(model.config, "layer_types", None) or ())
    if layers - PLAIN_LAYERS:
        raise ModelError(f"{folder} has layers that cannot share a prefix cache", got=sorted(layers - PLAIN_LAYERS))
    return model.to(device).eval(), tokenizer


def check_folder(folder: Path) -> None:
    """`ModelError` naming the first thing that keeps `folder` from being a model folder."""
    if not folder.is_dir():
        raise ModelError(f"{folder} is no folder", mend="give the folder that holds config.json and safetensors")
    for pattern in NEEDED:
        if not any(folder.glob(pattern)):
            found = sorted(path.name for path in folder.iterdir())
            raise ModelError(f"{folder} is no model folder: it holds no {pattern}", got=found)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        named = isinstance(config, dict) and "model_type" in config
    except ValueError as error:
        raise ModelError(f"{folder / 'config.json'} is not JSON", got=str(error)) from error
    if not named:
        raise ModelError(f"{folder / 'config.json'} names no model_type")


def folder_hash(folder: Path) -> str:
    """Twenty-four hex digits over names and contents of the folder's configuration, tokenizer and weights."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in ("*.json", "*.safetensors", "*.jinja") for path in folder.glob(pattern)):
        with path.open("rb") as file:
            digest.update(f"{path.name}:{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:24]


def _dtype(name: str) -> torch.dtype:
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ModelError("dtype must name a floating-point type", got=name, mend='such as "float32" or "bfloat16"')
    return found
