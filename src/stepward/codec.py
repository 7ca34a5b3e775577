"""Records to plain JSON values and back, exactly: `from_json(type(r), to_json(r)) == r`.

A record becomes a mapping of its fields without those at their default (so a default is part of the
stored format); a positional record such as `Step` becomes a list: `[0, 12]`, or `[0, 12, "answer"]`.
Numbers that JSON lacks are written as "nan", "inf" and "-inf". Sequences inside free-form mappings
come back as lists. Reading is strict: a wrong type, an unknown or a missing field is a `DataError`
that names the record and the path to the field.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast

from stepward.errors import ConfigError, DataError
from stepward.spelling import suggest
from stepward.types import Json

Record = TypeVar("Record")

ALIAS_WORDS = {"Callable": Callable, "Json": Any, "Literal": Literal, "Mapping": Mapping, "Sequence": Sequence}
"""What a quoted type alias may speak of where the module that uses it does not import it."""
NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def to_json(record: object) -> Json:
    """`record`, a dataclass of `stepward.types` or one like it, as JSON values."""
    return _shape(cast(Any, type(record))).write(record)


def from_json(kind: type[Record], value: Json) -> Record:
    """The record of type `kind` that `to_json` turned into `value`.

    Raises `DataError` for a value that does not fit, and what the record itself raises (`TraceError`,
    `LabelError`, `ScoreError`) for fields that do not fit each other.
    """
    try:
        return cast(Record, _shape(cast(Any, kind)).read(value))
    except _Misfit as misfit:
        where = kind.__name__ + "".join(reversed(misfit.path))
        raise DataError(f"{where} {misfit.problem}", got=misfit.got, mend=misfit.mend) from None


class _Misfit(Exception):
    """A value of the wrong shape; each level on the way out adds its part of the path."""

    def __init__(self, problem: str, got: object = None, mend: str = "") -> None:
        self.problem, self.got, self.mend = problem, got, mend
        self.path: list[str] = []


@dataclass(frozen=True, slots=True)
class _Shape:
    """How values of one type are written and read."""

    write: Callable[[Any], Json]
    read: Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class _Slot:
    """One field of a record."""

    name: str
    shape: _Shape
    default: object
    """`MISSING` where the field must be given."""


def named_to_json(word: str, kinds: Mapping[str, type], record: object) -> dict[str, Json]:
    """A record that `named_from_json` reads back: its fields, and under `word` its name among `kinds`.

    Raises `ConfigError` for a record of another kind.
    """
    name = next((name for name, kind in kinds.items() if kind is type(record)), None)
    if name is None:
        raise ConfigError(
            f"there is no {word} of this kind", got=type(record).__name__, mend=f"one of {', '.join(kinds)}"
        )
    return {word: name, **cast("Mapping[str, Json]", to_json(record))}


def named_from_json(word: str, kinds: Mapping[str, type[Record]], value: Mapping[str, Json]) -> Record:
    """The record that `named_to_json` wrote; `ConfigError` for an unknown name, `DataError` for fields that misfit."""
    name = value.get(word)
    if not isinstance(name, str) or name not in kinds:
        raise ConfigError(f"there is no such {word}", got=name, mend=f"one of {', '.join(kinds)}")
    return from_json(kinds[name], {key: part for key, part in value.items() if key != word})


@cache
def _shape(hint: Any) -> _Shape:
    if isinstance(hint, type) and is_dataclass(hint):
        return _positional(hint) if not any(f.kw_only for f in fields(hint)) else _named(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in _SCALARS:
        return _SCALARS[hint]
    if origin is Literal:
        return _choice(arguments)
    if origin in (Union, types.UnionType) and len(arguments) == 2 and type(None) in arguments:
        return _optional(_shape(next(a for a in arguments if a is not type(None))))
    if origin is tuple and arguments[1:] == (Ellipsis,):
        return _sequence(_shape(arguments[0]))
    if origin is Mapping:
        return _Shape(_plain, _read_mapping)
    raise TypeError(f"no rule to write values of type {hint} as JSON")


def field_types(kind: type) -> dict[str, Any]:
    """The resolved annotation of each field of a dataclass, free-form `Json` as `Any`."""
    return typing.get_type_hints(kind, localns=ALIAS_WORDS)


def _slots(kind: type) -> tuple[_Slot, ...]:
    hints = field_types(kind)
    return tuple(_Slot(f.name, _shape(hints[f.name]), _default(f)) for f in fields(kind) if f.init)


def _default(field: Field[object]) -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _named(kind: type) -> _Shape:
    slots = _slots(kind)
    by_name = {slot.name: slot for slot in slots}
    required = [slot.name for slot in slots if slot.default is MISSING]

    def write(record: object) -> Json:
        found: dict[str, Json] = {}
        for slot in slots:
            value = getattr(record, slot.name)
            if value is not slot.default and value != slot.default:
                found[slot.name] = slot.shape.write(value)
        return found

    def read(value: object) -> object:
        if not isinstance(value, Mapping):
            raise _Misfit("must be a mapping of fields", value)
        arguments = {}
        for name, part in value.items():
            slot = by_name.get(name)
            if slot is None:
                raise _Misfit(f"has no field {name!r}", mend=suggest(str(name), by_name))
            arguments[name] = _inner(slot.shape, part, f".{name}")
        for name in required:
            if name not in arguments:
                raise _Misfit(f"lacks the field {name!r}", sorted(arguments))
        return kind(**arguments)

    return _Shape(write, read)


def _positional(kind: type) -> _Shape:
    slots = _slots(kind)
    least = sum(slot.default is MISSING for slot in slots)

    def write(record: object) -> Json:
        values = [getattr(record, slot.name) for slot in slots]
        count = len(slots)
        while count > least and values[count - 1] == slots[count - 1].default:
            count -= 1
        return [slot.shape.write(value) for slot, value in zip(slots[:count], values[:count], strict=True)]

    def read(value: object) -> object:
        if not isinstance(value, list | tuple) or not least <= len(value) <= len(slots):
            raise _Misfit(f"must be a list of {', '.join(slot.name for slot in slots)}", value)
        return kind(*(_inner(slot.shape, part, f".{slot.name}") for slot, part in zip(slots, value, strict=False)))

    return _Shape(write, read)


def _sequence(item: _Shape) -> _Shape:
    def read(value: object) -> object:
        if not isinstance(value, list | tuple):
            raise _Misfit("must be a list", value)
        try:
            return tuple([item.read(part) for part in value])
        except _Misfit:  # once more, slowly, to learn which item it was
            return tuple([_inner(item, part, f"[{index}]") for index, part in enumerate(value)])

    return _Shape(lambda values: [item.write(value) for value in values], read)


def _optional(inner: _Shape) -> _Shape:
    return _Shape(
        lambda value: None if value is None else inner.write(value),
        lambda value: None if value is None else inner.read(value),
    )


def _choice(options: tuple[str, ...]) -> _Shape:
    def read(value: object) -> object:
        if value not in options:
            raise _Misfit("is none of the allowed values", value, suggest(str(value), options))
        return value

    return _Shape(lambda value: value, read)


def _inner(shape: _Shape, value: object, part: str) -> object:
    try:
        return shape.read(value)
    except _Misfit as misfit:
        misfit.path.append(part)
        raise


def _exactly(kind: type, words: str) -> _Shape:
    def read(value: object) -> object:
        if type(value) is not kind:
            raise _Misfit(f"must be {words}", value)
        return value

    return _Shape(lambda value: value, read)


def _write_float(value: float) -> Json:
    return float(value) if math.isfinite(value) else str(float(value))


def _read_float(value: object) -> float:
    if isinstance(value, str) and value in NOT_FINITE:
        return NOT_FINITE[value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Misfit("must be a number", value)
    try:
        return float(value)
    except OverflowError:
        raise _Misfit("is too large a number", value) from None


def _plain(value: Json) -> Json:
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(part) for part in value]
    return value


def _read_mapping(value: object) -> object:
    if not isinstance(value, Mapping):
        raise _Misfit("must be a mapping", value)
    return value


_SCALARS: dict[object, _Shape] = {
    str: _exactly(str, "text"),
    int: _exactly(int, "a whole number"),
    bool: _exactly(bool, "true or false"),
    float: _Shape(_write_float, _read_float),
}
