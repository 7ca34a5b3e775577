"""Builds the head that a format asks for from the tensors that a checkpoint holds.

A head of a public model is one linear layer or two with ReLU between, under a prefix that differs by family:

    v_head.summary.weight, v_head.summary.bias          value heads as TRL writes them
    score.0.weight, score.0.bias, score.2.weight, ...   Qwen's process reward models
    score_head.weight                                   ReasonEval
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from stepward.errors import ModelError
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.formats.record import PRMFormat
from stepward.reward_models.public.heads import Classes, MeanLogit, Scalar, TokenPair, TokenShare
from stepward.reward_models.public.stored import pickles, read_stored, stored_names

KEYS: Mapping[str, tuple[str, ...]] = {
    "classes": ("score", "score_head", "classifier", "prm_head"),
    "scalar": ("v_head", "value_head", "score_head", "score", "reward_head"),
}
"""Prefixes that are tried where a format names none, or none that the checkpoint holds."""


def open_head(format: PRMFormat, backbone: Backbone, folder: Path) -> nn.Module:
    """The head of the checkpoint in `folder`, which maps states [R, width] to logits [R, 1] in fp32.

    Raises `ModelError` where it is missing, pickled, of a wrong shape or of unknown layers, or where an answer token
    is none of the model's.
    """
    if format.output in ("tokens", "token", "mean_logits"):
        return _word_head(format, backbone)
    if format.output not in KEYS:
        raise ModelError(
            f"format {format.name!r} reads {format.output!r}, which no public checkpoint holds as one head",
            mend="name the format that the checkpoint was published with; see `stepward formats`",
        )
    layers, outputs = stored_layers(folder, format.head_keys or KEYS[format.output], backbone.width)
    if format.output == "scalar":
        if outputs != 1:
            raise _misfit(folder, f"a scalar head has one output, this one {outputs}", "name a format with classes")
        return Scalar(layers)
    if not format.classes or not 0 <= min(format.classes) <= max(format.classes) < outputs or outputs < 2:
        raise _misfit(folder, f"classes {format.classes} are none of the head's {outputs}", "name another format")
    return Classes(layers, outputs, format.classes)


def stored_layers(folder: Path, keys: Sequence[str], width: int) -> tuple[nn.Module, int]:
    """The layers under the first of the prefixes `keys` that the checkpoint holds, and how many outputs they have."""
    files = stored_names(folder)
    for key in (key.rstrip(".") for key in keys):
        names = _inside({name[len(key) + 1 :]: name for name in files if name.startswith(f"{key}.")})
        if names:
            found = read_stored(files, names.values())
            return _layers(folder, key, {own: found[name].float() for own, name in names.items()}, width)
    if pickles(folder):
        raise ModelError(
            f"{folder} keeps its head in a pickled file, which can run code when it is loaded",
            got=pickles(folder),
            mend="in a place you trust: torch.load it and save its tensors with safetensors.torch.save_file",
        )
    raise ModelError(
        f"{folder} holds no head under any of {', '.join(keys)}",
        got=sorted(name for name in files if "layers." not in name)[:8],
        mend="copy the head's file beside the rest, or name the format that the checkpoint has",
    )


def _inside(names: dict[str, str]) -> dict[str, str]:
    """`names` without a module that holds all of them, such as the `summary` of TRL's value heads."""
    modules = {own.split(".")[0] for own in names}
    if len(modules) == 1 and not any(own.split(".")[0].isdigit() or "." not in own for own in names):
        return {own.split(".", 1)[1]: name for own, name in names.items()}
    return names


def _layers(folder: Path, key: str, own: Mapping[str, Tensor], width: int) -> tuple[nn.Module, int]:
    if set(own) <= {"weight", "bias"} and "weight" in own:
        parts = [own]
    elif set(own) <= {"0.weight", "0.bias", "2.weight", "2.bias"} and {"0.weight", "2.weight"} <= set(own):
        parts = [{name[2:]: t for name, t in own.items() if name.startswith(at)} for at in ("0.", "2.")]
    else:
        raise _misfit(folder, f"{key} has layers of an unknown kind: {sorted(own)[:6]}", "report its model card")
    linear = [_linear(part, folder, key) for part in parts]
    reads = [width, *(layer.out_features for layer in linear)]
    for layer, size in zip(linear, reads, strict=False):
        if layer.in_features != size:
            raise _misfit(folder, f"{key} reads {layer.in_features} numbers, not {size}", "copy the right head")
    layers = linear if len(linear) == 1 else [linear[0], nn.ReLU(), linear[1]]
    return nn.Sequential(*layers).eval(), reads[-1]


def _linear(part: Mapping[str, Tensor], folder: Path, key: str) -> nn.Linear:
    weight, bias = part["weight"], part.get("bias")
    if weight.ndim != 2 or (bias is not None and bias.shape != weight.shape[:1]):
        raise _misfit(folder, f"{key} is no linear layer: {tuple(weight.shape)}", "copy the right head")
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer


def _word_head(format: PRMFormat, backbone: Backbone) -> nn.Module:
    words = backbone.unembedding
    if format.output == "mean_logits":
        if words.cap:
            raise ModelError(f"the mean of capped logits is no linear head; {backbone.path} caps at {words.cap}")
        return MeanLogit(words)
    ids = backbone.codec.answer_ids
    if max(ids) >= len(words.weight):
        raise ModelError(
            f"{backbone.path} has {len(words.weight)} words; an answer of format {format.name!r} is none of them",
            got=ids,
            mend="tokenizer and weights are of different models",
        )
    return TokenPair(words, ids[0], ids[1]) if format.output == "tokens" else TokenShare(words, ids[0])


def _misfit(folder: Path, what: str, mend: str) -> ModelError:
    return ModelError(f"the head in {folder} does not fit: {what}", mend=mend)
