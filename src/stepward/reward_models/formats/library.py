"""Every format by name, and formats from a user's own file.

A file is YAML or JSON with the fields of `PRMFormat`; `based_on` names a format whose fields it starts from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from stepward import yaml_text
from stepward.errors import ConfigError
from stepward.reward_models.formats import chats, headed, images, plain, turns
from stepward.reward_models.formats.record import PRMFormat
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.generative.library import JUDGES
from stepward.spelling import suggest
from stepward.types import Json

GROUPS = (plain.FORMATS, headed.FORMATS, chats.FORMATS, turns.FORMATS, images.FORMATS)

FORMATS: Mapping[str, PRMFormat] = MappingProxyType(
    {
        format.name: format
        for format in sorted((STEPWARD_DEFAULT, *(each for group in GROUPS for each in group)), key=lambda f: f.name)
    }
)
"""Sorted by name."""


def get_format(name: str) -> PRMFormat:
    """The format called `name`, or the one in the file `name`; `ConfigError` with the nearest name otherwise."""
    if name in FORMATS:
        return FORMATS[name]
    if Path(name).suffix in (".yaml", ".yml", ".json"):
        return read_format_file(Path(name))
    if name in JUDGES:
        raise ConfigError(f"{name!r} is a judge, which writes text", mend=f"score with --judge {name}")
    raise ConfigError(f"no format is called {name!r}", mend=suggest(name, (*FORMATS, *JUDGES)))


def read_format_file(path: Path) -> PRMFormat:
    """The format that a YAML or JSON file describes.

    Raises `ConfigError` for a missing file, for fields that no format has (with the nearest name) or that do not fit
    each other, and for a name that one of ours has already: scores carry it.
    """
    if not path.is_file():
        raise ConfigError(f"there is no format file {path}", mend="name a YAML or JSON file, or see `stepward formats`")
    try:
        text = path.read_text(encoding="utf-8")
        record: Json = json.loads(text) if path.suffix == ".json" else yaml_text.parse(text, str(path))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as a format", got=str(error), mend="write it as YAML") from error
    if not isinstance(record, Mapping):
        raise ConfigError(f"{path} must hold the fields of one format", got=record, mend="such as `name: mine`")
    start = record.get("based_on")
    fields = {**(get_format(str(start)).to_json() if start else {}), **{k: record[k] for k in record}}
    fields.pop("based_on", None)
    if start:  # a name and published facts of the other model are no facts about this one
        fields |= {key: record.get(key, empty) for key, empty in (("name", ""), ("checkpoints", []), ("source", ""))}
    found = PRMFormat.from_json(fields)
    if not found.name or found.name in FORMATS:
        raise ConfigError(
            f"{path} needs a name of its own", got=found.name, mend=f"such as my-{found.name or 'format'}"
        )
    return found
