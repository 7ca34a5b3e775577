"""Writing files so that a crash leaves either the old content or the new, and the disk's refusals in words."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from pathlib import Path

from stepward.errors import DataError, StorageError
from stepward.types import Json

MENDS = {
    errno.ENOSPC: "free some space and run again: what is already written stays valid",
    errno.EDQUOT: "free some of your quota and run again: what is already written stays valid",
    errno.EFBIG: "the file may not grow further here: raise the limit and run again",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.EACCES: "you may not write here: choose another folder",
    errno.EPERM: "you may not write here: choose another folder",
    errno.ENOTDIR: "a part of this path is a file: choose another folder",
}


class StorageWarning(UserWarning):
    """Something on disk was incomplete or damaged and was set right; the message says what."""


def refused(path: object, error: OSError, kept: str = "") -> StorageError:
    """The error for a disk that refused to write `path`; `kept` says what is safe."""
    mend = MENDS.get(error.errno or 0, "check the disk and run again")
    return StorageError(f"{path} cannot be written: {error.strerror}", mend="; ".join(filter(None, (kept, mend))))


def make_folder(path: Path) -> None:
    """Create `path` and the folders above it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused(path, error) from error


def write_atomic(path: Path, content: bytes) -> None:
    """Replace the file at `path` by `content`, on disk when this returns; a crash leaves the old file."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise refused(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        os.replace(name, path)
        sync_folder(path.parent)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise refused(path, error) from error
        raise


def sync_folder(path: Path) -> None:
    """Put the names in a folder on disk, so that a new or renamed file survives a power loss."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def json_bytes(value: Json, what: str, *, indent: int | None = None) -> bytes:
    """`value` as JSON in UTF-8; lone surrogates are escaped, so nothing is lost.

    Raises `DataError` naming `what` for a value that JSON does not have, such as NaN.
    """
    separators = (",", ":") if indent is None else None
    try:
        try:
            return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=separators, indent=indent).encode()
        except UnicodeEncodeError:
            return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=separators, indent=indent).encode()
    except (TypeError, ValueError, RecursionError) as error:
        mend = "turn records into JSON values with stepward.codec.to_json"
        raise DataError(f"{what} cannot be written as JSON: {error}", mend=mend) from error
