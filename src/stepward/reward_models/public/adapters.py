"""Published adapters (LoRA and its kin): merged into the base model that they name, so scoring pays nothing for them.

An adapter that does not fit its base loads in silence elsewhere, with random low-rank weights left in. Here every
tensor of its file must find its place, or it is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from stepward.errors import ModelError
from stepward.reward_models.backbone import (
    PRECISIONS,
    Backbone,
    Precision,
    check_folder,
    codec_for,
    content_hash,
    open_tokenizer,
    quiet,
    revision_of,
    understood,
)
from stepward.reward_models.formats.record import PRMFormat
from stepward.reward_models.public.stored import pickles, read_config, read_stored, stored_names
from stepward.reward_models.unembedding import Unembedding, logit_scale
from stepward.types import content_key

ADAPTER_CARD, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def is_adapter(folder: Path) -> bool:
    """Whether `folder` holds an adapter and no model of its own."""
    return (folder / ADAPTER_CARD).is_file() and not (folder / "config.json").is_file()


def open_adapted(folder: Path, format: PRMFormat, *, base: Path | None, precision: Precision) -> Backbone:
    """The backbone in `base`, by default the folder that the adapter names, with the adapter in `folder` merged in.

    Raises `ModelError` where the base is no folder here, the adapter is pickled, or its tensors do not fit the base.
    """
    from transformers import AutoModelForCausalLM

    source = _base(folder, base)
    opener: Any = AutoModelForCausalLM
    with quiet(), understood(source):
        whole, report = opener.from_pretrained(
            source, dtype=torch.float32, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
        tokenizer = open_tokenizer(folder if (folder / "tokenizer_config.json").is_file() else source)
    merged = _merged(whole, folder)
    codec = codec_for(tokenizer, merged.config, format)
    backbone = Backbone.of(merged.base_model, codec, source, precision=precision)
    backbone.revision = content_key(
        revision_of(source), content_hash([folder / ADAPTER_CARD, folder / ADAPTER_WEIGHTS])
    )
    head = merged.get_output_embeddings()
    if head is not None and not any("lm_head" in name for name in report["missing_keys"]):
        divisor, cap = logit_scale(merged.config)
        words = Unembedding(head.weight, head.bias, divisor=divisor, cap=cap)
        backbone.unembedding = words.to(PRECISIONS[precision])
    return backbone


def _base(folder: Path, base: Path | None) -> Path:
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise ModelError(
            f"{folder} holds no {ADAPTER_WEIGHTS}", got=pickles(folder) or None, mend="save the adapter as safetensors"
        )
    named = str(read_config(folder, ADAPTER_CARD).get("base_model_name_or_path") or "")
    source = base or Path(named)
    if not source.is_dir():
        raise ModelError(
            f"{folder} is an adapter, and its base model is not here",
            got=named,
            mend="download the base model and name its folder as base",
        )
    check_folder(source)
    return source


def _merged(whole: Any, folder: Path) -> Any:
    from peft import PeftConfig, PeftModel

    files = stored_names(folder)
    table = whole.get_input_embeddings().weight
    for name in files:
        if name.endswith("embed_tokens.weight"):
            rows = len(read_stored(files, [name])[name])
            if rows != len(table):
                whole.resize_token_embeddings(rows, mean_resizing=False)
    modules = {name.rsplit(".", 1)[-1] for name, _ in whole.named_modules()}
    with quiet(), understood(folder):
        config: Any = PeftConfig.from_pretrained(str(folder))
        config.task_type = None
        config.modules_to_save = [name for name in config.modules_to_save or () if name in modules] or None
        model: Any = PeftModel.from_pretrained(whole, str(folder), config=config)
    placed = {name.replace(".default", "").removeprefix("base_model.model.") for name in model.state_dict()}
    lost = sorted(name for name in files if "lora_" in name and name not in placed)
    if lost:
        raise ModelError(f"the adapter in {folder} does not fit its base model", got=lost[:4], mend="check the base")
    return model.merge_and_unload().eval()
