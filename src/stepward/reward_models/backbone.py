"""A transformer without its language-model head, its tokenizer with the step marker, and the hash of its weights.

The marker's embedding is derived from the backbone alone (a copy of a known token's row), so a checkpoint of a frozen
backbone can name it by content hash and be rebuilt exactly. Weights come from safetensors only: a pickle can run code.
"""

from __future__ import annotations

import functools
import hashlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from stepward.errors import ModelError
from stepward.reward_models.encoding.codec import StepCodec
from stepward.reward_models.formats.record import PRMFormat
from stepward.reward_models.public.stored import pickles
from stepward.reward_models.public.trust import trusted_code
from stepward.reward_models.unembedding import Unembedding, open_unembedding

Precision = Literal["float32", "bfloat16"]
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
UNREAD = ("pooler.",)
"""Starts of names of weights that an encoder's hidden states do not pass through."""
VOCABULARIES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "tekken.json")


@dataclass(eq=False, kw_only=True)
class Backbone:
    """A loaded transformer that turns ids into hidden states. Live state: holds the weights."""

    model: nn.Module
    codec: StepCodec
    path: Path
    revision: str
    """Content hash of configuration and weights on disk."""
    width: int
    """Size of one hidden state."""
    layers: int
    precision: Precision = "float32"
    causal: bool = True
    """A state depends on nothing after its own token. False for bidirectional encoders."""

    @functools.cached_property
    def unembedding(self) -> Unembedding:
        """What the language model's head makes of states, loaded on first use; `ModelError` where there is none."""
        with torch.inference_mode(False):  # first used while scoring, it may be trained through later
            return open_unembedding(self.path, self.model)

    @functools.cached_property
    def parameters(self) -> int:
        """Number of weights outside the input embedding, which a forward pass looks up and does not multiply."""
        table = self.model.get_input_embeddings().weight  # type: ignore[operator]
        return sum(p.numel() for p in self.model.parameters()) - int(table.numel())

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.model.parameters()).device

    @classmethod
    def open(
        cls, folder: Path, format: PRMFormat, *, precision: Precision = "float32", trust_remote_code: str = ""
    ) -> Backbone:
        """The backbone in `folder` (config.json, safetensors, tokenizer), ready to read `format`.

        A language-model head is dropped, and of a model that also sees images everything but the text part. Code that
        comes with a checkpoint is not run unless `trust_remote_code` names its "repository@revision"; see `trust.py`.
        Raises `ModelError` where the folder is none, holds pickled weights, or lacks weights that it needs.
        """
        codec = open_codec(folder, format, trust_remote_code=trust_remote_code)
        return cls.of(_load(folder, trust_remote_code), codec, folder, precision=precision)

    @classmethod
    def of(cls, loaded: nn.Module, codec: StepCodec, folder: Path, *, precision: Precision = "float32") -> Backbone:
        """The backbone around a transformer that was loaded in fp32 from `folder`."""
        model: Any = getattr(loaded, "language_model", loaded)
        _place_marker(model, codec)
        return cls(
            causal=_is_causal(model),
            model=model.to(PRECISIONS[precision]),
            codec=codec,
            path=folder,
            revision=revision_of(folder),
            width=int(model.config.hidden_size),
            layers=int(model.config.num_hidden_layers),
            precision=precision,
        )

    def drop_above(self, deepest: int) -> None:
        """Forget the layers that hidden state `deepest` does not need: for reading alone, never before saving.

        One layer more is kept, because the last hidden state passes through the final norm.
        """
        stack = getattr(self.model, "layers", None)
        if isinstance(stack, nn.ModuleList) and len(stack) == self.layers:
            self.model.layers = stack[: deepest + 1]


def open_codec(folder: Path, format: PRMFormat, *, trust_remote_code: str = "") -> StepCodec:
    """What turns traces into ids for the model in `folder`, which is not loaded; `ModelError` as `Backbone.open`."""
    from transformers import AutoConfig

    check_folder(folder)
    code = trusted_code(folder, trust_remote_code)
    with quiet(), understood(folder):
        tokenizer = open_tokenizer(folder, code=code)
        config: Any = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=code)
    return codec_for(tokenizer, config, format)


def open_tokenizer(folder: Path, *, code: bool = False) -> Any:
    """The tokenizer in `folder`, exactly as its tokenizer.json says where it has one.

    transformers rebuilds the tokenizers of some model types from their vocabulary alone, with rules of its own.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    if not code and not any((folder / name).is_file() for name in VOCABULARIES):
        raise ModelError(
            f"{folder} holds no tokenizer's vocabulary",
            got=f"none of {', '.join(VOCABULARIES)}",
            mend="copy the model's tokenizer.json there",
        )
    opener: Any = PreTrainedTokenizerFast if (folder / "tokenizer.json").is_file() and not code else AutoTokenizer
    return opener.from_pretrained(folder, local_files_only=True, **({"trust_remote_code": True} if code else {}))


def codec_for(tokenizer: Any, config: Any, format: PRMFormat) -> StepCodec:
    """The codec of a loaded tokenizer for a model of configuration `config`."""
    is_new = format.added and tokenizer.add_tokens([format.marker], special_tokens=True) > 0
    text: Any = config.get_text_config()
    context = int(getattr(text, "max_position_embeddings", 1 << 30))
    return replace(StepCodec.of(tokenizer, format, context=context), marker_is_new=is_new)


def check_folder(folder: Path) -> None:
    """Raise `ModelError` unless `folder` holds a transformers model as safetensors."""
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder} is not a model folder: it has no config.json",
            got=sorted(p.name for p in folder.iterdir())[:8] if folder.is_dir() else "no such folder",
            mend="name a folder written by save_pretrained",
        )
    if any(folder.glob("*.safetensors")):
        return
    if pickles(folder):
        raise ModelError(
            f"{folder} holds pickled weights, which can run code when they are loaded",
            got=pickles(folder),
            mend="convert them: load in a place you trust, then save_pretrained(safe_serialization=True)",
        )
    raise ModelError(f"{folder} holds no *.safetensors weights", mend="copy the weights beside config.json")


def revision_of(folder: Path) -> str:
    """Twenty-four hex digits over the content of configuration and weights in `folder`."""
    return content_hash([folder / "config.json", *sorted(folder.glob("*.safetensors"))])


def content_hash(files: Sequence[Path]) -> str:
    """Twenty-four hex digits over names and content of `files`; a file that did not change is read once a process."""
    return _hash_of(tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files))


@functools.lru_cache(maxsize=64)
def _hash_of(stamps: tuple[tuple[str, int, int], ...]) -> str:
    """Hash of the named files' content; size and time of change only tell when to read them again."""
    digest = hashlib.sha256()
    for name, _, _ in stamps:
        digest.update(Path(name).name.encode())
        with Path(name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:24]


def _load(folder: Path, trust_remote_code: str) -> nn.Module:
    from transformers import AutoModel

    code = trusted_code(folder, trust_remote_code)
    with quiet(), understood(folder):
        model, report = AutoModel.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=code,
            key_mapping={r"^pretrained_model\.": ""},  # what TRL's model with a value head puts before every name
            ignore_mismatched_sizes=True,  # they are named below, in place of a report that nobody sees
            output_loading_info=True,
        )
    _refuse_misshapen(folder, report["mismatched_keys"])
    missing = sorted(name for name in report["missing_keys"] if not name.startswith(UNREAD))
    if missing:
        raise ModelError(
            f"{folder} lacks weights that its config.json asks for",
            got=missing[:8],
            mend="copy them, or the config.json that these weights were saved with",
        )
    loaded: nn.Module = model.eval()
    return loaded


def _refuse_misshapen(folder: Path, found: Iterable[tuple[str, Sequence[int], Sequence[int]]]) -> None:
    """Raise `ModelError` where weights have other shapes than config.json says: (name, shape, shape asked for)."""
    told = [f"{name} {list(own)}, not {list(asked)}" for name, own, asked in sorted(found)]
    if told:
        raise ModelError(
            f"{folder} holds weights of other shapes than its config.json asks for",
            got=told[:4],
            mend="copy the config.json that these weights were saved with",
        )


@torch.no_grad()
def _is_causal(model: Any) -> bool:
    """Whether the first states stay as they are when only the last token changes: measured, not looked up by name."""
    device = next(model.parameters()).device
    found = model(input_ids=torch.tensor([[0, 1, 2, 3], [0, 1, 2, 4]], device=device)).last_hidden_state[:, :-1]
    return bool((found[0] - found[1]).abs().max() <= 1e-5 * found.abs().max())


def _place_marker(model: Any, codec: StepCodec) -> None:
    """Give a marker that the saved tokenizer did not hold its row of the input embedding; a saved row is kept."""
    if not codec.marker_is_new:
        return
    table = model.get_input_embeddings().weight
    like = codec.tokenizer(codec.format.marker_like, add_special_tokens=False).input_ids
    row = (table[like[0]] if len(like) == 1 else table.mean(dim=0)).detach().clone()
    if codec.marker_id >= len(table):
        model.resize_token_embeddings(codec.marker_id + 1, mean_resizing=False)
    with torch.no_grad():
        model.get_input_embeddings().weight[codec.marker_id] = row


@contextmanager
def understood(folder: Path) -> Iterator[None]:
    """What transformers says of a folder that it cannot read, as `ModelError`."""
    try:
        yield
    except Exception as error:  # a damaged folder makes the libraries below raise anything
        raise ModelError(
            f"{folder} could not be loaded as a transformer with its tokenizer",
            got=str(error),
            mend="check config.json, tokenizer.json and the weights against each other",
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and load reports from transformers: what they would say is checked instead.

    Nor the warning that peft calls a property which transformers renamed.
    """
    from transformers.utils import logging

    library: Any = logging
    level, shown = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity_error()
    library.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
            yield
    finally:
        library.set_verbosity(level)
        if shown:
            library.enable_progress_bar()
