"""Bytes on disk to JSON objects, strictly: every refusal names the file, the 1-based line and the field.

Read are JSON lines and a JSON array of objects (told apart by the first character), plain or gzipped
(told by the first two bytes), from a path or from standard input ("-"). A UTF-8 byte order mark is
skipped; blank lines hold no row. Refused are invalid UTF-8 (with the byte's offset), invalid JSON, a line
that is not an object, a key that stands twice in one object, NaN and infinite numbers, and a file
without rows. There is no limit on the length of a line.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias, cast

from stepward.errors import DataError
from stepward.types import Json

Source: TypeAlias = "str | os.PathLike[str]"

STDIN = "-"
GZIP_MAGIC = b"\x1f\x8b"
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: file, 1-based line, and the path inside the row that leads to it."""

    path: str
    line: int
    prefix: str = ""

    def error(self, field: str, problem: str, *, got: object = None, mend: str = "") -> DataError:
        """The error for `field` at this place."""
        return DataError.at(self.path, self.line, self.prefix + field, problem, got=got, mend=mend)


def name_of(path: Source) -> str:
    """How messages call `path`."""
    return "standard input" if os.fspath(path) == STDIN else os.fspath(path)


@contextmanager
def open_bytes(path: Source) -> Iterator[BinaryIO]:
    """The content of `path`, gunzipped where it is gzipped; `DataError` where it cannot be opened or unzipped."""
    try:
        if os.fspath(path) == STDIN:
            yield _unzipped(sys.stdin.buffer)
        else:
            with open(path, "rb") as file:
                yield _unzipped(file)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise DataError(
            f"{name_of(path)} cannot be read: {error.strerror}", mend="give the path of a readable file"
        ) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"{name_of(path)} is damaged: it starts as gzip but does not unzip", got=str(error), mend="fetch it again"
        ) from error


def _unzipped(file: BinaryIO) -> BinaryIO:
    head = file.peek(2)[:2] if isinstance(file, io.BufferedReader) else b""
    return cast(BinaryIO, gzip.GzipFile(fileobj=file)) if head == GZIP_MAGIC else file


def read_lines(path: Source) -> Iterator[tuple[int, str]]:
    """Every line, decoded, with its 1-based number; `DataError` where all of them are blank."""
    start, found = 0, False
    with open_bytes(path) as file:
        for number, raw in enumerate(file, start=1):
            text = _decode(raw, Place(name_of(path), number), start)
            start += len(raw)
            found = found or bool(text.strip())
            yield number, text
    if not found:
        raise _no_rows(name_of(path))


def read_text(path: Source) -> str:
    """The whole file as text; `DataError` where it is blank."""
    return "".join(text for _, text in read_lines(path))


def read_objects(path: Source) -> Iterator[tuple[Place, Mapping[str, Json]]]:
    """The objects of a JSON-lines file or of a JSON array, each with its place."""
    lines = read_lines(path)
    before = ""
    for number, text in lines:
        if text.lstrip().startswith("[") and not before.strip():
            yield from _elements(before + text + "".join(rest for _, rest in lines), name_of(path))
        elif text.strip():
            yield _object(text, Place(name_of(path), number))
        before += text if not before.strip() else ""


def read_document(path: Source) -> Iterator[tuple[Place, str, Json]]:
    """The entries of a file that is one JSON object: the place of each key, the key, its value."""
    text = read_text(path)
    document = parse(text, Place(name_of(path), 1))
    if not isinstance(document, Mapping):
        raise Place(name_of(path), 1).error("whole file", "must be one JSON object", got=type(document).__name__)
    if not document:
        raise _no_rows(name_of(path))
    at, line = 0, 1
    for key, value in document.items():
        found = text.find(json.dumps(key), at)
        if found >= 0:
            line, at = line + text.count("\n", at, found), found
        yield Place(name_of(path), line, f"{key}."), key, value


def parse(text: str, place: Place) -> Json:
    """One JSON value out of `text`; `DataError` at `place` where it is not strict JSON."""
    try:
        value = cast(Json, _STRICT.decode(text))
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except json.JSONDecodeError as error:
        raise _invalid(error, place) from error
    except _RepeatedKeyError as error:
        raise place.error(str(error), "the key stands twice in one object", mend="keep one of them") from error
    except _NotFiniteError as error:
        field, got = _not_finite(json.loads(text))
        raise place.error(field, "must be a finite number", got=got, mend="write null for a missing number") from error
    except UnicodeEncodeError as error:
        raise place.error("whole line", "holds half of a surrogate pair", mend="write whole characters") from error
    except (RecursionError, ValueError) as error:
        raise _unreadable(error, place) from error


def _elements(text: str, path: str) -> Iterator[tuple[Place, Mapping[str, Json]]]:
    """The objects of a JSON array. Each element's source is cut out first, so that its line is known."""
    at, line, index = text.index("[") + 1, 1 + text[: text.index("[")].count("\n"), 0
    while True:
        start = _skip_blank(text, at)
        line, at = line + text.count("\n", at, start), start
        if text[at : at + 1] == "]" and not text[at + 1 :].strip():
            if not index:
                raise _no_rows(path)
            return
        place = Place(path, line, f"[{index}].")
        end = _end_of_value(text, at, Place(path, line))
        yield _object(text[at:end], place)
        line, at, index = line + text.count("\n", at, end), _skip_blank(text, end), index + 1
        line += text.count("\n", end, at)
        if text[at : at + 1] == ",":
            at += 1
        elif text[at : at + 1] != "]":
            raise Place(path, line).error("whole file", "invalid JSON: expected ',' or ']'", got=text[at : at + 20])


def _end_of_value(text: str, at: int, place: Place) -> int:
    try:
        return json.JSONDecoder().raw_decode(text, at)[1]
    except json.JSONDecodeError as error:
        raise _invalid(error, Place(place.path, error.lineno)) from error
    except (RecursionError, ValueError) as error:
        raise _unreadable(error, place) from error


def _unreadable(error: Exception, place: Place) -> DataError:
    return place.error("whole line", f"cannot be read as JSON: {error}")


def _no_rows(path: str) -> DataError:
    return DataError(f"{path} holds no rows", mend="give a file with at least one")


def _skip_blank(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _object(text: str, place: Place) -> tuple[Place, Mapping[str, Json]]:
    value = parse(text, place)
    if not isinstance(value, dict):
        raise place.error("whole line", "must be a JSON object", got=value, mend='write {"problem": ...}, one a line')
    return place, value


def _decode(raw: bytes, place: Place, start: int) -> str:
    if start == 0:
        raw = raw.removeprefix(BOM)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise place.error(
            "whole line",
            f"invalid UTF-8 at byte {start + error.start} of the file ({error.reason})",
            got=raw[error.start : error.start + 4],
            mend="save the file as UTF-8",
        ) from error


def _invalid(error: json.JSONDecodeError, place: Place) -> DataError:
    cut_off = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated")
    mend = "the text ends too early: was the file cut off?" if cut_off else "write strict JSON, one object a line"
    near = error.doc[max(0, error.pos - 20) : error.pos + 20]
    return place.error("whole line", f"invalid JSON at column {error.colno}: {error.msg}", got=near, mend=mend)


class _RepeatedKeyError(Exception):
    """A key stands twice in one object; its name is the message."""


class _NotFiniteError(Exception):
    """A number is NaN or infinite."""


def _pairs(items: list[tuple[str, Json]]) -> dict[str, Json]:
    row = dict(items)
    if len(row) != len(items):
        names = [name for name, _ in items]
        raise _RepeatedKeyError(next(name for name in names if names.count(name) > 1))
    return row


def _constant(name: str) -> float:
    raise _NotFiniteError(name)


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise _NotFiniteError(digits)
    return value


def _not_finite(value: Json, path: str = "") -> tuple[str, Json]:
    """Path and value of the first number in `value` that is not finite."""
    if isinstance(value, float):
        return ("", None) if math.isfinite(value) else (path, repr(value))
    nested: Iterator[tuple[str, Json]] = iter(())
    if isinstance(value, Mapping):
        nested = ((f"{path}.{key}" if path else key, item) for key, item in value.items())
    elif isinstance(value, list):
        nested = ((f"{path}[{index}]", item) for index, item in enumerate(value))
    return next((found for where, item in nested if (found := _not_finite(item, where))[0]), ("", None))


_STRICT = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_finite)
