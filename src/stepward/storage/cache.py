"""What a model has already said: a bounded store of JSON values under content keys.

A key is made by `cache_key` from the model's revision and everything else that the value depends on,
so new weights under an old name never meet old values. One SQLite file (write-ahead log, busy timeout)
may be shared by processes on one machine. The least recently used values leave when the file
nears `max_bytes`. A damaged file is moved aside and a damaged value forgotten, each with a
`StorageWarning`: a cache can be made again, and must never be silently wrong.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import TypeVar

from stepward.codec import to_json
from stepward.errors import ConfigError, StorageError
from stepward.storage.files import StorageWarning, json_bytes, make_folder
from stepward.types import Json, Origin, content_key

Result = TypeVar("Result")

BUSY_SECONDS = 5.0
TOUCHED_AT_ONCE = 256
"""Reads are remembered, and sizes checked, after this many uses: a read should not cost a write."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    key TEXT PRIMARY KEY, value BLOB NOT NULL, checksum INTEGER NOT NULL, used INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS by_use ON entries (used);
"""


def cache_key(origin: Origin, *parts: Json) -> str:
    """The key for what the model `origin` says about `parts`: requests, settings, texts.

    Raises `ConfigError` for a model without a revision: its values could not be told from those of
    other weights.
    """
    if not origin.revision:
        mend = "give its origin a revision, such as a hash of the weights"
        raise ConfigError(f"what {origin.maker} says cannot be cached: its revision is unknown", mend=mend)
    return content_key(to_json(origin), *parts)


class Cache(MutableMapping[str, Json]):
    """JSON values by key in the SQLite file at `path`; safe to share between threads and processes."""

    def __init__(self, path: str | Path, *, max_bytes: int = 1 << 30) -> None:
        if max_bytes < 1:
            raise ConfigError("max_bytes must be at least 1", got=max_bytes)
        self.path = Path(path)
        self.max_bytes = max_bytes
        self._lock = threading.RLock()
        self._touched: dict[str, int] = {}
        self._writes = 0
        self._process = os.getpid()
        self._db: sqlite3.Connection | None = None
        make_folder(self.path.parent)
        self._do(lambda db: None)

    def __getitem__(self, key: str) -> Json:
        row = self._do(lambda db: db.execute("SELECT value, checksum FROM entries WHERE key = ?", (key,)).fetchone())
        if row is None:
            raise KeyError(key)
        if zlib.crc32(row[0]) != row[1]:
            warnings.warn(f"{self.path}: the value of {key} was damaged and is forgotten", StorageWarning, stacklevel=2)
            del self[key]
            raise KeyError(key)
        self._touch(key)
        value: Json = json.loads(row[0])
        return value

    def __setitem__(self, key: str, value: Json) -> None:
        content = json_bytes(value, f"the value of {key} for {self.path}")
        row = (key, content, zlib.crc32(content), time.time_ns())
        self._do(lambda db: db.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)", row))
        self._writes += 1
        if self._writes % TOUCHED_AT_ONCE == 0 or len(content) * TOUCHED_AT_ONCE > self.max_bytes:
            self._evict()

    def __delitem__(self, key: str) -> None:
        if not self._do(lambda db: db.execute("DELETE FROM entries WHERE key = ?", (key,)).rowcount):
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return self._do(lambda db: db.execute("SELECT 1 FROM entries WHERE key = ?", (key,)).fetchone()) is not None

    def __iter__(self) -> Iterator[str]:
        return iter([key for (key,) in self._do(lambda db: db.execute("SELECT key FROM entries").fetchall())])

    def __len__(self) -> int:
        return int(self._do(lambda db: db.execute("SELECT count(*) FROM entries").fetchone())[0])

    def close(self) -> None:
        """Write what is remembered of reads and let go of the file; the next use opens it again."""
        with self._lock:
            self._remember()
            if self._db is not None:
                self._db.close()
                self._db = None

    def _touch(self, key: str) -> None:
        with self._lock:
            self._touched[key] = time.time_ns()
            if len(self._touched) >= TOUCHED_AT_ONCE:
                self._remember()

    def _remember(self) -> None:
        with self._lock:
            used = [(at, key) for key, at in self._touched.items()]
            self._touched.clear()
        if used:
            self._do(lambda db: db.executemany("UPDATE entries SET used = ? WHERE key = ?", used))

    def _evict(self) -> None:
        """Forget the least recently used values until a tenth of `max_bytes` is free."""
        if self._do(_bytes_in_use) <= self.max_bytes:
            return
        self._remember()
        while self._do(_bytes_in_use) > 0.9 * self.max_bytes and self._do(_forget_oldest):
            pass

    def _do(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run `work` in one transaction; once more with a new file where this one is damaged."""
        with self._lock:
            try:
                return self._transact(work)
            except sqlite3.OperationalError as error:
                raise self._refused(error) from error
            except sqlite3.DatabaseError as error:
                self._move_aside(error)
            try:
                return self._transact(work)
            except sqlite3.Error as error:
                raise self._refused(error) from error

    def _transact(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        db = self._connect()
        with db:
            return work(db)

    def _connect(self) -> sqlite3.Connection:
        if self._process != os.getpid():  # a connection must not be used across a fork, nor closed
            self._process, self._db = os.getpid(), None
        if self._db is None:
            db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, check_same_thread=False)
            try:
                _set_up(db)
            except BaseException:
                db.close()
                raise
            self._db = db
        return self._db

    def _move_aside(self, error: sqlite3.DatabaseError) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
        aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}")
        for suffix in ("", "-wal", "-shm"):
            part = Path(f"{self.path}{suffix}")
            if part.exists():
                part.rename(f"{aside}{suffix}")
        warnings.warn(f"{self.path} was damaged ({error}); moved to {aside}", StorageWarning, stacklevel=4)

    def _refused(self, error: sqlite3.Error) -> StorageError:
        mend = "free some space, or choose another file for the cache"
        return StorageError(f"the cache {self.path} cannot be used: {error}", mend=mend)


def _set_up(db: sqlite3.Connection) -> None:
    """Make the table. SQLite does not wait its busy timeout for a first switch to a write-ahead log: we do."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.executescript(SCHEMA)
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _bytes_in_use(db: sqlite3.Connection) -> int:
    pages, free, size = (
        int(db.execute(f"PRAGMA {what}").fetchone()[0]) for what in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _forget_oldest(db: sqlite3.Connection) -> int:
    """Forget the least recently used tenth; how many these were."""
    some = max(1, int(db.execute("SELECT count(*) FROM entries").fetchone()[0]) // 10)
    oldest = "SELECT rowid FROM entries ORDER BY used LIMIT ?"
    return db.execute(f"DELETE FROM entries WHERE rowid IN ({oldest})", (some,)).rowcount
