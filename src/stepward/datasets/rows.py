"""A row of a file, read by typed getters that name file, line and field when they refuse.

Columns outside a format's list are refused by default, with the nearest name that is in it; `extra` is
"ignore" to pass over them (counted) or "keep" to carry them along in the record's `meta`. Where a format
has an identity, a second row with an identity already seen is dropped and counted if its content is
the same, and a `ConflictError` that names both lines if it is not.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar, get_args

from stepward.datasets.lines import Place, Source, read_objects
from stepward.datasets.reading import Tally
from stepward.errors import ConfigError, ConflictError, DataError, LabelError, ScoreError, TraceError
from stepward.types import Json, content_key

Extra: TypeAlias = Literal["refuse", "ignore", "keep"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The fields that a format knows."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()
    """Fields that together name a row; none where the format has no such name."""


@dataclass(frozen=True, slots=True)
class Row:
    """One object of a file and where it stands."""

    place: Place
    values: Mapping[str, Json]
    extras: Mapping[str, Json] = field(default_factory=dict)
    """Columns that the format does not know, where the reader keeps them."""

    def error(self, name: str, problem: str, *, got: object = None, mend: str = "") -> DataError:
        """The error for field `name` of this row."""
        return self.place.error(name, problem, got=got, mend=mend)

    def has(self, name: str) -> bool:
        """Whether field `name` is there and not null."""
        return self.values.get(name) is not None

    def get(self, name: str) -> Json:
        """The value of `name`, whatever its type; `DataError` where the field is missing."""
        if name not in self.values:
            raise self.error(name, "is missing", mend=_nearest(name, self.values, "there is"))
        return self.values[name]

    def text(self, name: str) -> str:
        """A string."""
        return self._typed(name, _as_text, "a string")

    def filled(self, name: str) -> str:
        """A string with at least one character that is not blank."""
        text = self.text(name)
        if not text.strip():
            raise self.error(name, "must not be empty", got=text)
        return text

    def integer(self, name: str) -> int:
        """A whole number; true and false are none."""
        return self._typed(name, _as_integer, "a whole number")

    def number(self, name: str) -> float:
        """A number; true and false are none."""
        return self._typed(name, _as_number, "a number")

    def boolean(self, name: str) -> bool:
        """Either true or false."""
        return self._typed(name, _as_boolean, "true or false")

    def texts(self, name: str) -> list[str]:
        """A list of at least one string."""
        found = self._each(name, _as_text, "a string")
        if not found:
            raise self.error(name, "must hold at least one string", got=found)
        return found

    def integers(self, name: str) -> list[int]:
        """A list of whole numbers."""
        return self._each(name, _as_integer, "a whole number")

    def numbers(self, name: str) -> list[float]:
        """A list of numbers; true and false are none."""
        return self._each(name, _as_number, "a number")

    def items(self, name: str) -> list[Json]:
        """A list of anything."""
        return self._typed(name, _as_list, "a list")

    def row(self, name: str) -> Row:
        """A nested object."""
        return _nested(self, name, self.get(name))

    def rows(self, name: str) -> list[Row]:
        """A list of nested objects."""
        return [_nested(self, f"{name}[{index}]", item) for index, item in enumerate(self.items(name))]

    def _typed(self, name: str, convert: Callable[[Json], T | None], kind: str) -> T:
        value = self.get(name)
        found = convert(value)
        if found is None:
            raise self.error(name, f"must be {kind}", got=value)
        return found

    def _each(self, name: str, convert: Callable[[Json], T | None], kind: str) -> list[T]:
        found = []
        for index, item in enumerate(self.items(name)):
            value = convert(item)
            if value is None:
                raise self.error(f"{name}[{index}]", f"must be {kind}", got=item)
            found.append(value)
        return found

    @contextmanager
    def blame(self, name: str) -> Iterator[None]:
        """Turn an error about a trace, its labels or scores into one that names this row and field `name`."""
        try:
            yield
        except (TraceError, LabelError, ScoreError) as error:
            raise self.error(name, error.what, got=error.got, mend=error.mend) from error


def read_rows(
    path: Source, columns: Columns, tally: Tally, extra: Extra = "refuse", *, first_of_repeated: bool = False
) -> Iterator[Row]:
    """The rows of `path`, checked against `columns`; dropped duplicates and ignored columns go to `tally`.

    With `first_of_repeated` a row whose identity stood before with other content is dropped and counted, not refused.
    """
    for place, values in read_objects(path):
        tally.rows += 1
        row = check_columns(Row(place, values), columns, tally, extra)
        try:
            repeated = bool(columns.identity) and _repeated(row, columns.identity, tally)
        except ConflictError:
            if not first_of_repeated:
                raise
            tally.drop(f"{'+'.join(columns.identity)} stood before with other content")
            continue
        if not repeated:
            yield row


def check_columns(row: Row, columns: Columns, tally: Tally, extra: Extra = "refuse") -> Row:
    """`row` if it has every required column and, unless `extra` allows it, no unknown one."""
    if extra not in get_args(Extra):
        raise ConfigError('extra must be "refuse", "ignore" or "keep"', got=extra)
    for name in columns.required:
        row.get(name)
    known = (*columns.required, *columns.optional)
    extras = {name: value for name, value in row.values.items() if name not in known}
    if extras and extra == "refuse":
        name = next(iter(extras))
        raise row.error(
            name,
            "this format has no such column",
            mend=_nearest(name, known, "did you mean")
            + '; extra="keep" carries it along, extra="ignore" passes over it',
        )
    if extras and extra == "ignore":
        tally.note("unknown columns ignored", len(extras))
    return Row(row.place, row.values, extras if extra == "keep" else {})


def _repeated(row: Row, identity: tuple[str, ...], tally: Tally) -> bool:
    """Whether this row was read before; `ConflictError` where its identity was, with other content."""
    name = content_key(*(row.get(part) for part in identity))
    digest = content_key(row.values)
    before = tally.seen.setdefault(name, (row.place, digest))
    if before[0] is row.place:
        return False
    if before[1] == digest:
        tally.duplicates += 1
        return True
    first, field = before[0], row.place.prefix + "+".join(identity)
    raise ConflictError(
        f"{row.place.path}, line {row.place.line}, field {field!r}: the same identity stood at {first.path}, line "
        f"{first.line}{f', {first.prefix[:-1]}' if first.prefix else ''}, with other content",
        got=[row.get(part) for part in identity],
        mend="give one of them another identity, or remove it",
    )


def _nested(parent: Row, name: str, value: Json) -> Row:
    if not isinstance(value, Mapping):
        raise parent.error(name, "must be an object", got=value)
    return Row(Place(parent.place.path, parent.place.line, f"{parent.place.prefix}{name}."), value)


def _nearest(name: str, known: Iterable[str], words: str) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"{words} {close[0]!r}" if close else f"the columns are {', '.join(known)}"


def decimal(text: str) -> int | None:
    """The whole number that `text` writes in digits alone; None where it does not, or takes more than 18."""
    digits = text.strip()
    return int(digits) if digits.isdecimal() and len(digits) <= 18 else None


def _as_text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _as_boolean(value: Json) -> bool | None:
    return value if isinstance(value, bool) else None


def _as_integer(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _as_number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _as_list(value: Json) -> list[Json] | None:
    return value if isinstance(value, list) else None
