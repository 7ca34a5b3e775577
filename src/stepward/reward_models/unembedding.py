"""The unembedding of a causal language model: what its head makes of hidden states, loaded only where it is needed.

A backbone is loaded without its head. Formats that score by the vocabulary (two answer tokens, the mean logit) and
log-ratios of language models need it after all, at a few positions. It is `lm_head.weight` of the checkpoint, or the
input embedding where the two are tied.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stepward.errors import ModelError
from stepward.reward_models.public.stored import read_config, read_stored, stored_names

HEADS = ("lm_head", "embed_out", "output", "language_model.lm_head", "model.lm_head", "pretrained_model.lm_head")
"""Where checkpoints keep their unembedding."""
NO_LANGUAGE = ("Classification", "Reward")
"""Parts of names of architectures that predict no words, though their configuration may still say tied."""


class Unembedding(nn.Module):
    """[R, width] -> [R, vocabulary] logits in fp32, as the causal language model itself computes them.

    `weight` may be the input embedding's own parameter (tied): it then learns with it. Logits are divided by `divisor`
    (Granite, Cohere) and squashed to +-`cap` (Gemma) where the model does so; 1 and 0 leave them as they are.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None, *, divisor: float = 1.0, cap: float = 0.0) -> None:
        super().__init__()
        self.weight = _parameter(weight)
        self.bias = None if bias is None else _parameter(bias)
        self.divisor, self.cap = divisor, cap

    def forward(self, states_RH: Tensor) -> Tensor:
        """Logits over the whole vocabulary."""
        return self.finish(nn.functional.linear(states_RH.to(self.weight.dtype), self.weight, self.bias).float())

    def finish(self, products: Tensor) -> Tensor:
        """Logits, of what weight and bias alone give."""
        logits = products / self.divisor
        return torch.tanh(logits / self.cap) * self.cap if self.cap else logits

    def rows(self, ids: tuple[int, ...]) -> tuple[Tensor, Tensor | None]:
        """Weight [n, width] and bias [n] of some tokens, in fp32."""
        index = torch.tensor(ids, device=self.weight.device)
        weight = self.weight.detach()[index].float()
        return weight, None if self.bias is None else self.bias.detach()[index].float()


def open_unembedding(folder: Path, model: Any) -> Unembedding:
    """The unembedding for `model`, the transformer that was loaded from `folder`.

    Raises `ModelError` where the checkpoint is no language model or lacks its head.
    """
    config = read_config(folder)
    names = [str(name) for name in config.get("architectures") or ()]
    if any(part in name for name in names for part in NO_LANGUAGE):
        raise ModelError(
            f"{folder} holds no language model, so it gives no probabilities of words",
            got=names,
            mend="name a format that reads a classifier, or the language model itself",
        )
    table = model.get_input_embeddings().weight
    files = stored_names(folder)
    where = next((head for head in HEADS if f"{head}.weight" in files), None)
    divisor, cap = logit_scale(model.config)
    if where is None and _tied(config, model.config):
        return Unembedding(table, divisor=divisor, cap=cap)
    if where is None:
        raise ModelError(
            f"{folder} lacks the language-model head that turns states into words",
            got=sorted(name for name in files if "layers." not in name)[:8],
            mend="copy lm_head.weight beside the rest, or name a format with a head of its own",
        )
    found = read_stored(files, [name for name in (f"{where}.weight", f"{where}.bias") if name in files])
    weight, bias = found[f"{where}.weight"], found.get(f"{where}.bias")
    if weight.ndim != 2 or weight.shape[1] != table.shape[1]:
        raise ModelError(
            f"{where}.weight in {folder} does not fit states of width {table.shape[1]}", got=tuple(weight.shape)
        )
    cast = {"device": table.device, "dtype": table.dtype}
    return Unembedding(weight.to(**cast), None if bias is None else bias.to(**cast), divisor=divisor, cap=cap)


def _parameter(tensor: Tensor) -> nn.Parameter:
    return tensor if isinstance(tensor, nn.Parameter) else nn.Parameter(tensor, requires_grad=False)


def _tied(record: dict[str, Any], config: Any) -> bool:
    """What config.json says, in its text part where it has one; else what the configuration's class says."""
    nested = record.get("text_config") or {}
    said = record.get("tie_word_embeddings", nested.get("tie_word_embeddings"))
    return bool(getattr(config, "tie_word_embeddings", False) if said is None else said)


def logit_scale(config: Any) -> tuple[float, float]:
    """Divisor and cap that a configuration puts on the logits."""
    factor = getattr(config, "logit_scale", None)
    divisor = float(getattr(config, "logits_scaling", None) or 1.0) / (float(factor) if factor else 1.0)
    return divisor, float(getattr(config, "final_logit_softcapping", None) or 0.0)
