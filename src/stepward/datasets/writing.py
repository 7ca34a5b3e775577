"""Objects to JSON lines: written to a neighbour file first, so that a full disk leaves the old file whole."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, cast

from stepward.datasets.lines import STDIN, Source
from stepward.errors import DataError, StorageError
from stepward.types import Json


def write_objects(path: Source, rows: Iterable[Mapping[str, Json]]) -> int:
    """Write `rows` as JSON lines to `path`, gzipped where it ends in .gz, or to standard output ("-").

    Gives the number of rows. Raises `StorageError` where the disk refuses and `DataError` where a row is no
    JSON; `path` is then as it was.
    """
    if os.fspath(path) == STDIN:
        return _write(sys.stdout, rows)
    target = Path(path)
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with _opened(draft, zipped=target.suffix == ".gz") as file:
            count = _write(file, rows)
        os.replace(draft, target)
    except OSError as error:
        raise StorageError(
            f"{target} cannot be written: {error.strerror}", mend="free space or choose another folder"
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    return count


def _opened(path: Path, *, zipped: bool) -> IO[str]:
    if zipped:
        return cast(IO[str], gzip.open(path, "wt", encoding="utf-8", newline="\n"))
    return path.open("w", encoding="utf-8", newline="\n")


def _write(file: IO[str], rows: Iterable[Mapping[str, Json]]) -> int:
    count = 0
    for row in rows:
        try:
            line = json.dumps(row, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise DataError(f"row {count + 1} cannot be written as JSON: {error}", got=dict(row)) from error
        file.write(line + "\n")
        count += 1
    return count
