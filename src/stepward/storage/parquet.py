"""Bulk tables of records in Parquet, written whole or not at all.

One column per field: text and numbers as themselves, nested fields as JSON text. A column that Parquet
cannot hold as itself (lone surrogates, whole numbers over 64 bits) becomes JSON text too; the file says
which columns are. What is read equals what was written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from stepward.codec import from_json, to_json
from stepward.errors import DataError, StorageError
from stepward.storage.files import json_bytes, make_folder, write_atomic
from stepward.types import Json

if TYPE_CHECKING:
    import pyarrow

Record = TypeVar("Record")

NOTE = b"stepward"
"""Key of the file's metadata: which record type, and which columns hold JSON text."""


def write_parquet(path: str | Path, kind: type[Record], records: Sequence[Record]) -> None:
    """Replace the file at `path` by a table of `records`, all of type `kind`."""
    import pyarrow
    from pyarrow import parquet

    rows = [cast(dict[str, Json], to_json(record)) for record in records]
    names = [field.name for field in fields(cast(Any, kind))]
    plain = {name: column for name in names if (column := _plain_column(rows, name)) is not None}
    columns = {name: plain[name] if name in plain else _text_column(rows, name) for name in names}
    note = json.dumps({"record": kind.__name__, "json": [name for name in names if name not in plain]})
    table = pyarrow.table(columns).replace_schema_metadata({NOTE: note.encode()})
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(table, sink, compression="zstd")
    make_folder(Path(path).parent)
    write_atomic(Path(path), sink.getvalue().to_pybytes())


def read_parquet(path: str | Path, kind: type[Record]) -> list[Record]:
    """The records of type `kind` in the file at `path`.

    Raises `StorageError` where it cannot be read and `DataError` where it holds something else.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(str(path))
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error}", mend="check the path") from error
    except pyarrow.ArrowInvalid as error:
        raise DataError(f"{path} is no Parquet file: {error}", mend="write it again") from error
    note = json.loads((table.schema.metadata or {}).get(NOTE, b"{}"))
    if note.get("record") != kind.__name__:
        raise DataError(f"{path} must hold {kind.__name__} records", got=note.get("record"))
    as_text = set(note["json"])
    rows = ({n: json.loads(v) if n in as_text else v for n, v in row.items() if v is not None} for row in _rows(table))
    return [from_json(kind, row) for row in rows]


def _rows(table: pyarrow.Table) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], table.to_pylist())


def _plain_column(rows: Sequence[dict[str, Json]], name: str) -> pyarrow.Array | None:
    """A column of text, numbers or booleans; None where the values do not make one."""
    import pyarrow

    kinds = {type(row[name]) for row in rows if name in row}
    if len(kinds) != 1 or not kinds <= {str, int, float, bool}:
        return None
    try:
        return pyarrow.array([row.get(name) for row in rows])
    except (pyarrow.ArrowInvalid, UnicodeEncodeError, OverflowError):
        return None


def _text_column(rows: Sequence[dict[str, Json]], name: str) -> pyarrow.Array:
    import pyarrow

    texts = [_ascii(row[name]) if name in row else None for row in rows]
    return pyarrow.array(texts, type=pyarrow.string())


def _ascii(value: Json) -> str:
    json_bytes(value, "a field of a record")  # raises where JSON has no such value
    return json.dumps(value, ensure_ascii=True)
