"""Append-only records, one JSON line each, keyed by content.

A line is `{"sum":"<crc32 of the rest>","key":"...","record":...}`: any JSON reader can take it, and a
flipped bit is noticed. What `append` returned from is in the file even if the process is killed the
next instant; it is on disk, safe from a power loss, after `sync` (at most `sync_seconds` later while
records keep coming, and always after `append_many` and `close`). A write cut short leaves a torn last
line, which the next opening drops with a `StorageWarning`: nobody was told that it was kept.
"""

from __future__ import annotations

import json
import os
import time
import warnings
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from stepward.errors import ConflictError, DataError, StorageError
from stepward.storage.files import StorageWarning, json_bytes, make_folder, refused, sync_folder
from stepward.storage.lock import hold, let_go
from stepward.types import Json

HEAD = b'{"sum":"'
KEY = b'","key":'
RECORD = b',"record":'
SUM_END = len(HEAD) + 8
"""A line's checksum stands at `len(HEAD)` to `SUM_END` and covers everything after it."""
UNSURE = "records since the last sync may be lost: they are made again if so"
READ_AT_ONCE = 1 << 20
"""Bytes."""


class Records:
    """The records in the file at `path`, which this object alone may write until `close`.

    Raises `StorageError` where another process writes it, `DataError` naming file and line for a
    damaged line, `ConflictError` where one key stands for two contents.
    """

    def __init__(self, path: str | Path, *, sync_seconds: float = 1.0) -> None:
        self.path = Path(path)
        self.sync_seconds = sync_seconds
        self._starts: dict[str, int] = {}
        self._end = 0
        self._synced_at = time.monotonic()
        self._handle = self._open()
        try:
            self._scan()
        except BaseException:
            let_go(self._handle)
            raise

    def __enter__(self) -> Records:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __contains__(self, key: object) -> bool:
        return key in self._starts

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[tuple[str, Json]]:
        """Key and record, in the order of writing."""
        for key, start in list(self._starts.items()):
            yield key, self._at(start)

    def keys(self) -> Iterator[str]:
        """The keys, in the order of writing, without reading the file."""
        return iter(list(self._starts))

    def __getitem__(self, key: str) -> Json:
        return self._at(self._starts[key])

    def append(self, key: str, record: Json) -> None:
        """Keep `record` under `key`; nothing happens where it stands there already.

        Raises `ConflictError` where `key` stands for something else, and `StorageError` where the disk
        refuses: then nothing of this record is in the file and everything before it is.
        """
        self._write([(key, record)])
        if time.monotonic() - self._synced_at >= self.sync_seconds:
            self.sync()

    def append_many(self, items: Iterable[tuple[str, Json]]) -> None:
        """Keep all of `items`, in one write, and wait until they are on disk."""
        self._write(items)
        self.sync()

    def sync(self) -> None:
        """Wait until everything is on disk."""
        try:
            os.fsync(self._handle)
        except OSError as error:
            raise refused(self.path, error, UNSURE) from error
        self._synced_at = time.monotonic()

    def close(self) -> None:
        """Sync, and let others write. Does nothing the second time."""
        if self._handle >= 0:
            handle, self._handle = self._handle, -1
            try:
                os.fsync(handle)
            except OSError as error:
                raise refused(self.path, error, UNSURE) from error
            finally:
                let_go(handle)

    def _open(self) -> int:
        make_folder(self.path.parent)
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            sync_folder(self.path.parent)
        except OSError as error:
            raise refused(self.path, error) from error
        try:
            hold(handle, f"{self.path} is being written by another process, or twice by this one")
        except StorageError:
            os.close(handle)
            raise
        return handle

    def _scan(self) -> None:
        for key, start, line in _checked(self.path):
            known = self._starts.setdefault(key, start)
            if known != start and not _same(line, self._line(known)):
                raise ConflictError(f"{self.path}: the key {key!r} stands for two contents", mend="delete one line")
            self._end = start + len(line)
        self._trim()

    def _trim(self) -> None:
        """Make the file end after its last whole line."""
        size = os.fstat(self._handle).st_size
        if size > self._end:
            os.ftruncate(self._handle, self._end)
        elif size and os.pread(self._handle, 1, size - 1) != b"\n":  # whole, but for the end of the line
            os.pwrite(self._handle, b"\n", size)
            self._end = size + 1

    def _write(self, items: Iterable[tuple[str, Json]]) -> None:
        if self._handle < 0:
            raise StorageError(f"{self.path} is closed", mend="open it again to append")
        lines: dict[str, bytes] = {}
        for key, record in items:
            line = _line(key, record, self.path)
            if key in self._starts or key in lines:
                self._compare(key, line, lines.get(key) or self._line(self._starts[key]))
            else:
                lines[key] = line
        if lines:
            self._put(b"".join(lines.values()))
        for key, line in lines.items():
            self._starts[key] = self._end
            self._end += len(line)

    def _compare(self, key: str, new: bytes, old: bytes) -> None:
        if not _same(new, old):
            raise ConflictError(
                f"{self.path}: the key {key!r} stands for something else already",
                got=json.loads(new)["record"],
                mend="make the key from everything that the record depends on",
            )

    def _put(self, content: bytes) -> None:
        done = 0
        try:
            while done < len(content):
                done += os.pwrite(self._handle, content[done:], self._end + done)
        except BaseException as error:
            with suppress(OSError):  # if this fails too, the next write still starts at the same place
                os.ftruncate(self._handle, self._end)
            if isinstance(error, OSError):
                raise refused(self.path, error, self._kept()) from error
            raise

    def _kept(self) -> str:
        return f"its {len(self)} records are kept"

    def _at(self, start: int) -> Json:
        record: Json = json.loads(self._line(start))["record"]
        return record

    def _line(self, start: int) -> bytes:
        return _line_at(self.path if self._handle < 0 else self._handle, start)


def read_records(path: str | Path) -> Iterator[tuple[str, Json]]:
    """Key and record of each line of the file at `path`, also while another process writes it.

    A torn last line is left out with a `StorageWarning`; the file is not touched.
    """
    seen: dict[str, bytes] = {}
    for key, _, line in _checked(Path(path)):
        digest = line[len(HEAD) : SUM_END]
        if key not in seen:
            seen[key] = digest
            yield key, json.loads(line)["record"]
        elif seen[key] != digest:
            raise ConflictError(f"{path}: the key {key!r} stands for two contents", mend="delete one line")


def _line(key: str, record: Json, path: Path) -> bytes:
    what = f"the record {key!r} for {path}"
    rest = KEY + json_bytes(key, what) + RECORD + json_bytes(record, what) + b"}"
    return HEAD + _sum(rest) + rest + b"\n"


def _same(one: bytes, other: bytes) -> bool:
    """Whether two lines hold the same record, whatever the order of its fields."""
    if one.rstrip() == other.rstrip():
        return True
    first, second = (json.dumps(json.loads(line)["record"], sort_keys=True) for line in (one, other))
    return first == second


def _sum(rest: bytes) -> bytes:
    return b"%08x" % zlib.crc32(rest)


def _checked(path: Path) -> Iterator[tuple[str, int, bytes]]:
    """Key, start and bytes of each whole line, in order; a torn last one is warned of."""
    start = 0
    try:
        with path.open("rb", buffering=READ_AT_ONCE) as file:
            for number, line in enumerate(file, start=1):
                key = _key(line)
                if key is not None:
                    yield key, start, line
                elif line.endswith(b"\n"):
                    raise _damaged(path, number, line)
                else:
                    what = f"{path}, line {number}: the last line was not written to its end and is left out"
                    warnings.warn(f"{what}: {line[:80]!r}", StorageWarning, stacklevel=4)
                    return
                start += len(line)
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}", mend="check the path") from error


def _key(line: bytes) -> str | None:
    """The key of a line whose checksum holds; None for any other."""
    rest = line[SUM_END:].removesuffix(b"\n")
    if not line.startswith(HEAD) or not rest.startswith(KEY) or line[len(HEAD) : SUM_END] != _sum(rest):
        return None
    quoted = rest[len(KEY) : rest.index(RECORD)]  # a quote inside the key is escaped, so this is its end
    return str(json.loads(quoted)) if b"\\" in quoted else quoted[1:-1].decode()


def _damaged(path: Path, number: int, line: bytes) -> DataError:
    try:
        line.decode()
        problem = "its checksum does not hold" if line.startswith(HEAD) else "no record line of Stepward"
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 at byte {error.start}"
    mend = "put the file back from a copy, or delete the line: that record is then made again"
    return DataError.at(path, number, "sum", problem, got=line[:80], mend=mend)


def _line_at(source: int | Path, start: int) -> bytes:
    """The bytes from `start` to the next end of line."""
    handle = source if isinstance(source, int) else os.open(source, os.O_RDONLY)
    try:
        size, line = 1 << 12, b""
        while b"\n" not in line:
            line = os.pread(handle, size, start)
            if len(line) < size:
                break
            size *= 4
        return line.partition(b"\n")[0]
    finally:
        if not isinstance(source, int):
            os.close(handle)
