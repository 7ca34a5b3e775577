"""Recognises the format of a checkpoint's folder: by its published name, else by what only one family holds.

Evidence is read from small files alone (config.json, the tokenizer's list of tokens, the names of weights in the
safetensors headers), never from weights, and no code of the folder runs. A guess would give scores that look right and
are not, so whatever leaves two formats standing is an error that lists them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from stepward.errors import ModelError
from stepward.reward_models.formats.library import FORMATS
from stepward.reward_models.formats.record import PRMFormat

CARD = "stepward.json"
TOLD = "stepward_format"
"""Field of config.json in which a model that was exported by Stepward tells its format."""
LARGEST_HEADER = 100_000_000
"""Bytes of a safetensors header; a larger one is no header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a folder says of itself."""

    names: tuple[str, ...]
    """Names that the folder may have been published under, in lower case."""
    architectures: tuple[str, ...]
    model_type: str
    weights: frozenset[str]
    """Names of its weights."""
    added: frozenset[str]
    """Tokens that were added to its tokenizer."""

    @classmethod
    def of(cls, folder: Path) -> Evidence:
        """The evidence in `folder`; `ModelError` where a file is damaged."""
        config = _json(folder / "config.json")
        remote = [str(each).rpartition(".")[2] for each in _mapping(config.get("auto_map")).values()]
        return cls(
            names=_names(folder, config),
            architectures=tuple(dict.fromkeys([*map(str, config.get("architectures") or ()), *remote])),
            model_type=str(config.get("model_type", "")),
            weights=frozenset(_weights(folder)),
            added=frozenset(_added(folder)),
        )


def detect_format(folder: Path) -> PRMFormat:
    """The format of the published reward model in `folder`, or the one its Stepward card states.

    Raises `ModelError` with the candidates where the folder fits none or several, and for damaged files.
    """
    card = _json(folder / CARD)
    if card:
        return PRMFormat.from_json(_mapping(card.get("format")))
    if not any((folder / name).is_file() for name in ("config.json", "adapter_config.json")):
        raise ModelError(
            f"{folder} is not a model folder: it has no config.json",
            got=sorted(path.name for path in folder.iterdir())[:8] if folder.is_dir() else "no such folder",
            mend="name the folder of a checkpoint",
        )
    told = _mapping(_json(folder / "config.json").get(TOLD))
    if told:
        return PRMFormat.from_json(told)
    evidence = Evidence.of(folder)
    fitting = [format for format in FORMATS.values() if _fits(format, evidence)]
    found = _named(fitting, evidence) or _telling(fitting, evidence)
    if len(found) == 1:
        return found[0]
    raise _undecided(folder, "could be of several formats" if found else "does not tell its format", found or fitting)


def _fits(format: PRMFormat, evidence: Evidence) -> bool:
    """Whether the folder could be of the format: nothing in it speaks against."""
    if format.output in ("head", "log_ratio") and not format.checkpoints:
        return False  # ours is told by its card, and two language models look like any other
    if format.model_types and evidence.model_type and evidence.model_type not in format.model_types:
        return False
    if format.architectures and evidence.architectures and not set(format.architectures) & set(evidence.architectures):
        return False
    if format.head_keys and evidence.weights and not _headed(format, evidence):
        return False
    classifies = any(name.endswith(("ForTokenClassification", "RewardModel")) for name in evidence.architectures)
    return not classifies or format.output in ("classes", "scalar")


def _named(formats: Iterable[PRMFormat], evidence: Evidence) -> list[PRMFormat]:
    """Those of `formats` under whose checkpoints' names the folder was published: owner and name, else the name."""
    for part in (slice(None), slice(-1, None)):
        matches = [
            (len(pattern), format)
            for format in formats
            for pattern in format.checkpoints
            if any(fnmatch(_part(name, part), _part(pattern.lower(), part)) for name in evidence.names)
        ]
        if matches:
            longest = max(length for length, _ in matches)
            return list(dict.fromkeys(format for length, format in matches if length == longest))
    return []


def _telling(formats: Iterable[PRMFormat], evidence: Evidence) -> list[PRMFormat]:
    """Those of `formats` that a class, an added token or a head of their own speaks for; none where nothing does."""
    left, told = list(formats), False
    for speaks in (
        [format for format in left if format.architectures and evidence.architectures],
        [format for format in left if format.marker.strip() and format.marker in evidence.added],
        [format for format in left if format.head_keys and _headed(format, evidence)],
    ):
        both = [format for format in left if format in speaks]
        left, told = both or left, told or bool(both)
    return left if told else []


def _part(name: str, part: slice) -> str:
    return "/".join(name.split("/")[part])


def _headed(format: PRMFormat, evidence: Evidence) -> bool:
    return any(key in name for key in format.head_keys for name in evidence.weights)


def _undecided(folder: Path, what: str, candidates: Iterable[PRMFormat]) -> ModelError:
    names = ", ".join(format.name for format in candidates)
    config = _json(folder / "config.json")
    said = f"{config.get('architectures') or 'no architectures'} of type {config.get('model_type', 'unknown')}"
    mend = f"name its format (--format, format=): {names}" if names else "write a format of your own (--format FILE)"
    return ModelError(f"{folder} {what}", got=said, mend=mend)


def _names(folder: Path, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Repository names, as `owner/name`, that the folder's place and its files tell."""
    place = folder.absolute()
    said = [f"{place.parent.name}/{place.name}", str(config.get("_name_or_path", ""))]
    said += [part.removeprefix("models--").replace("--", "/", 1) for part in place.parts if part.startswith("models--")]
    return tuple(dict.fromkeys(name.lower() for name in said if name))


def _weights(folder: Path) -> Iterable[str]:
    index = _json(folder / "model.safetensors.index.json")
    if index:
        return list(_mapping(index.get("weight_map")))
    return [name for file in sorted(folder.glob("*.safetensors")) for name in _header(file)]


def _header(file: Path) -> list[str]:
    """Names of the weights in a safetensors file, from its header."""
    try:
        with file.open("rb") as stream:
            (size,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(min(size, LARGEST_HEADER)))
    except (struct.error, ValueError) as error:
        raise ModelError(f"{file} is no safetensors file", got=str(error), mend="copy the weights again") from error
    return [name for name in _mapping(header) if name != "__metadata__"]


def _added(folder: Path) -> Iterable[str]:
    """Tokens that were added to the tokenizer, from whichever of its files lists them."""
    listed = _json(folder / "tokenizer.json").get("added_tokens") or []
    decoder = _mapping(_json(folder / "tokenizer_config.json").get("added_tokens_decoder")).values()
    entries = [*listed, *decoder]
    named = [str(entry["content"]) for entry in entries if isinstance(entry, Mapping) and "content" in entry]
    return [*named, *_json(folder / "added_tokens.json")]


def _json(file: Path) -> Mapping[str, Any]:
    """The mapping in `file`, empty where there is no such file; `ModelError` where it is damaged."""
    if not file.is_file():
        return {}
    try:
        return _mapping(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, OSError) as error:
        raise ModelError(f"{file} cannot be read", got=str(error), mend="copy it from the checkpoint again") from error


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
