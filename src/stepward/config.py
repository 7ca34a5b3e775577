"""Recipes: YAML files, `key=value` overrides, and the components that they describe.

A component is written as a name, or as a mapping with `use: name` and its fields; `build` makes it and
`describe` writes it back with every field filled in. A section is a mapping whose fields are those of
a frozen dataclass; `typed` makes it. Values are taken strictly (text is not a number, 3.5 is not a
whole number), unknown keys are refused with the nearest known one, and a range that a component
checks itself is reported under the dotted path of its field, such as `search.n`.

A recipe refers to no environment variables: what is resolved is written to the run folder, and
secrets must not end up there.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, cast, overload

from stepward import registry, yaml_text
from stepward.codec import field_types
from stepward.errors import ConfigError, StepwardError
from stepward.protocols import (
    Labeler,
    Policy,
    PolicyEngine,
    Search,
    Segmenter,
    StepScorer,
    StepScorerEngine,
    TraceScorer,
    Verifier,
)
from stepward.spelling import suggest
from stepward.types import Json

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Section = TypeVar("Section")

KIND_OF: dict[object, str] = {protocol: kind for kind, known in registry.PROTOCOLS.items() for protocol in known}
"""A field annotated with one of these protocols takes a component of this kind."""


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> dict[str, Json]:
    """The mapping in the YAML file at `path`, with each `dotted.path=value` of `overrides` set in it.

    Raises `ConfigError` naming file and line for a file that cannot be read as one YAML mapping.
    """
    recipe = yaml_text.parse(_read(Path(path)), str(path))
    if recipe is None:
        raise ConfigError(f"{path} is empty", mend="a recipe is a YAML mapping")
    if not isinstance(recipe, dict):
        raise ConfigError(f"{path} must hold a YAML mapping", got=recipe)
    apply_overrides(recipe, overrides)
    return recipe


def apply_overrides(recipe: dict[str, Json], overrides: Sequence[str]) -> None:
    """Set each `dotted.path=value` in `recipe`; parts are keys, or indices of lists; values are YAML."""
    for override in overrides:
        _override(recipe, override)


@overload
def build(kind: Literal["segmenter"], spec: Json, path: str = "") -> Segmenter: ...
@overload
def build(kind: Literal["verifier"], spec: Json, path: str = "") -> Verifier: ...
@overload
def build(kind: Literal["policy"], spec: Json, path: str = "") -> Policy | PolicyEngine: ...
@overload
def build(kind: Literal["scorer"], spec: Json, path: str = "") -> StepScorer | StepScorerEngine | TraceScorer: ...
@overload
def build(kind: Literal["labeler"], spec: Json, path: str = "") -> Labeler: ...
@overload
def build(kind: Literal["search"], spec: Json, path: str = "") -> Search: ...
@overload
def build(kind: str, spec: Json, path: str = "") -> object: ...
def build(kind: str, spec: Json, path: str = "") -> object:
    """The component of `kind` that `spec`, a name or `{"use": name, field: value}`, describes.

    `path` is where `spec` stands in the recipe, for messages. Raises `ConfigError`, or
    `MissingExtraError` where the component's library is not installed.
    """
    where = path or kind
    given = {"use": spec} if isinstance(spec, str) else spec
    name = given.get("use") if isinstance(given, Mapping) else None
    if not isinstance(given, Mapping) or not isinstance(name, str):
        raise ConfigError(
            f"{where} must be a name, or a mapping with `use: name` and fields",
            got=spec,
            mend=f"names: {', '.join(registry.names(kind))}",
        )
    try:
        found = registry.resolve(kind, name)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error.what}", got=error.got, mend=error.mend) from error
    if not (isinstance(found, type) and is_dataclass(found) and registry.satisfies(found, kind)):
        raise ConfigError(f"{where}: {name!r} is no {kind}", got=found)
    return typed(found, {key: value for key, value in given.items() if key != "use"}, where)


def typed(cls: type[Section], mapping: Json, path: str = "") -> Section:
    """An instance of the dataclass `cls` with the fields in `mapping`; `path` is for messages.

    A field may itself be a dataclass, a component (annotated with its protocol), or a tuple, list,
    mapping or option of these.
    """
    if not isinstance(mapping, Mapping):
        raise ConfigError(f"{path or 'the recipe'} must be a mapping", got=mapping, mend=_listed(cls))
    known = {field.name: field for field in _fields(cls)}
    for key in mapping:
        if key not in known:
            raise ConfigError(f"{_join(path, key)} is no field of {cls.__name__}", mend=suggest(key, known))
    missing = [name for name, field in known.items() if _required(field) and name not in mapping]
    if missing:
        raise ConfigError(f"{path or 'the recipe'} lacks {', '.join(missing)}", mend=_listed(cls))
    hints = field_types(cls)
    values = {key: _value(hints[key], value, _join(path, key)) for key, value in mapping.items()}
    try:
        return cls(**values)
    except (StepwardError, ValueError) as error:
        raise ConfigError(f"{_blamed(str(error), path, mapping)}: {error}") from error


def describe(component: object) -> dict[str, Json]:
    """The mapping from which `build` makes `component` again: `use` and every field."""
    return {"use": registry.name_of(type(component)), **as_mapping(component)}


def as_mapping(section: object) -> dict[str, Json]:
    """The mapping from which `typed` makes the dataclass `section` again, defaults filled in."""
    hints = field_types(type(section))
    return {
        field.name: _plain(hints[field.name], getattr(section, field.name), field.name)
        for field in _fields(type(section))
    }


def differences(old: Json, new: Json, path: str = "") -> list[str]:
    """One line "field: old -> new" for each place where two resolved configs differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = sorted({*old, *new})
        return [
            line
            for key in keys
            for line in (
                differences(old[key], new[key], _join(path, key))
                if key in old and key in new
                else [f"{_join(path, key)}: {_shown(old, key)} -> {_shown(new, key)}"]
            )
        ]
    same = json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)
    return [] if same else [f"{path or 'config'}: {json.dumps(old)} -> {json.dumps(new)}"]


def _shown(mapping: Mapping[str, Json], key: str) -> str:
    return json.dumps(mapping[key]) if key in mapping else "(absent)"


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"the recipe {path} cannot be read: {error.strerror}", mend="check the path") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}, line {line}: not UTF-8", got=error.object[error.start : error.end], mend="save it as UTF-8"
        ) from error


def _override(recipe: dict[str, Json], override: str) -> None:
    path, equals, text = override.partition("=")
    parts = path.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError("an override is written dotted.path=value", got=override)
    value = yaml_text.parse(text, f"override {override!r}")
    at: Json = recipe
    for depth, part in enumerate(parts):
        where = ".".join(parts[: depth + 1])
        at = _put(at, part, value, where) if depth == len(parts) - 1 else _enter(at, part, where)


def _enter(at: Json, part: str, where: str) -> Json:
    """What stands at `part`; a new mapping where nothing does."""
    if isinstance(at, list):
        return cast(Json, at[_index(at, part, where)])
    if isinstance(at, dict):
        if at.get(part) is None:
            at[part] = {}
        return cast(Json, at[part])
    raise ConfigError(f"override {where}: there is no mapping or list above it", got=at)


def _put(at: Json, part: str, value: Json, where: str) -> Json:
    if isinstance(at, list):
        at[_index(at, part, where)] = value
    elif isinstance(at, dict):
        at[part] = value
    else:
        raise ConfigError(f"override {where}: there is no mapping or list above it", got=at)
    return value


def _index(items: Sequence[Json], part: str, where: str) -> int:
    if not re.fullmatch(r"[0-9]+", part) or int(part) >= len(items):
        raise ConfigError(f"override {where}: a list of {len(items)} items takes 0 to {len(items) - 1}", got=part)
    return int(part)


def _value(hint: Any, value: Json, path: str) -> object:
    if hint in KIND_OF:
        return build(KIND_OF[hint], value, path)
    if isinstance(hint, type) and is_dataclass(hint):
        return typed(hint, value, path)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Callable:
        return _function(value, path)
    nested = next((each for each in arguments if _is_nested(each)), None)
    if nested is None:
        return _scalar(hint, value, path)
    if origin in (Union, types.UnionType):
        return None if value is None and type(None) in arguments else _value(nested, value, path)
    if origin in (tuple, list, Sequence) and isinstance(value, list):
        items = [_value(nested, item, _join(path, str(index))) for index, item in enumerate(value)]
        return items if origin is list else tuple(items)
    if origin in (dict, Mapping) and isinstance(value, Mapping):
        return {key: _value(nested, item, _join(path, key)) for key, item in value.items()}
    raise ConfigError(f"{path} must be a {'mapping' if origin in (dict, Mapping) else 'list'}", got=value)


def _function(value: Json, path: str) -> object:
    try:
        found = registry.load(value) if isinstance(value, str) else None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.what}", mend=error.mend) from error
    if not callable(found):
        raise ConfigError(f'{path} must name a function, as "module:name"', got=value)
    return found


def _is_nested(hint: Any) -> bool:
    """Whether values of `hint` are sections or components."""
    if hint in KIND_OF or (isinstance(hint, type) and is_dataclass(hint)):
        return True
    return typing.get_origin(hint) is not Literal and any(_is_nested(each) for each in typing.get_args(hint))


def _scalar(hint: Any, value: Json, path: str) -> object:
    from pydantic import ValidationError

    try:
        return _adapter(hint).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        inner = ".".join(str(part) for part in first["loc"] if isinstance(part, int))
        raise ConfigError(f"{_join(path, inner)}: {first['msg']}", got=first["input"]) from None


@cache
def _adapter(hint: Any) -> TypeAdapter[object]:
    from pydantic import TypeAdapter

    return TypeAdapter(hint)


def _plain(hint: Any, value: object, name: str) -> Json:
    if is_dataclass(value) and not isinstance(value, type):
        return as_mapping(value) if _holds(hint, type(value)) else describe(value)
    if isinstance(value, Enum):
        return _plain(hint, value.value, name)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(hint, item, name) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(hint, item, name) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if typing.get_origin(hint) is Callable and "<" not in registry.path_of(value):
        return registry.path_of(value)
    raise ConfigError(f"field {name!r} cannot be written in a recipe", got=value)


def _holds(hint: Any, cls: type) -> bool:
    """Whether `hint` names the dataclass `cls` itself, as against a protocol that it satisfies."""
    return hint is cls or any(_holds(each, cls) for each in typing.get_args(hint))


def _fields(cls: Any) -> list[Field[object]]:
    return [field for field in fields(cls) if field.init]


def _required(field: Field[object]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _listed(cls: type) -> str:
    return f"fields: {', '.join(field.name for field in _fields(cls))}"


def _blamed(message: str, path: str, given: Mapping[str, Json]) -> str:
    """The path of the field that `message` speaks of; `path` itself where it speaks of several or none."""
    spoken = [key for key in given if re.search(rf"\b{re.escape(key)}\b", message)]
    return _join(path, spoken[0]) if len(spoken) == 1 else path or "the recipe"


def _join(path: str, part: str) -> str:
    return f"{path}.{part}" if path and part else path or part
