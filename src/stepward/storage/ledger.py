"""What became of each unit of a long job: one row a unit, committed exactly once.

A unit's key is made from everything that its result depends on. `commit` keeps any number of results and failures, and
adds their figures to the job's totals, in one transaction of an SQLite file (write-ahead log): after a crash at any
instant a unit is either whole in the ledger or not there at all. A result replaces an earlier failure of the unit; a
unit that has a result keeps it.

Only keys are read when a job goes on, from an index: a million units take about a second. A row's checksum is compared
whenever the row is read, so a flipped bit is noticed. `pardon` forgets rows that are damaged: their units are done
again.
"""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import cast

from stepward.config import differences
from stepward.errors import ConfigError, DataError, StorageError
from stepward.storage.files import json_bytes, make_folder
from stepward.types import Json

SCHEMA = """
CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, record BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS failures (key TEXT PRIMARY KEY, record BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, record BLOB NOT NULL, checksum INTEGER NOT NULL);
"""
MADE_BY, TOTALS = "made by", "totals"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a unit came to."""

    key: str
    record: Json
    """The result; of a failure, whatever names it."""
    failed: bool = False
    sums: Mapping[str, float] = field(default_factory=dict)
    """Figures that are added to the job's totals."""


class Ledger:
    """The ledger in the file at `path`, which one process writes; made by whatever `made_by` describes.

    Raises `ConfigError` naming each difference where the ledger was begun by something else, `DataError` where the file
    is damaged, `StorageError` where the disk refuses.
    """

    def __init__(self, path: Path, made_by: Mapping[str, Json]) -> None:
        self.path = path
        make_folder(path.parent)
        with self._named():
            self._db = sqlite3.connect(path, isolation_level=None)
        try:
            with self._named():
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = NORMAL")
                self._db.executescript(SCHEMA)
            self._adopt(made_by)
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def done(self) -> set[str]:
        """Keys of the units that have a result."""
        with self._named():
            return {key for (key,) in self._db.execute("SELECT key FROM results")}

    def failed(self) -> dict[str, Mapping[str, Json]]:
        """By key, what is kept of the units that failed when they were last tried."""
        with self._named():
            rows = self._db.execute("SELECT key, record, checksum FROM failures ORDER BY rowid").fetchall()
        return {key: _read(self.path, key, blob, checksum) for key, blob, checksum in rows}

    def count_failed(self) -> int:
        """How many units failed when they were last tried."""
        with self._named():
            return int(self._db.execute("SELECT count(*) FROM failures").fetchone()[0])

    def __getitem__(self, key: str) -> Json:
        """The result of unit `key`; `DataError` where its checksum does not hold."""
        with self._named():
            row = self._db.execute("SELECT record, checksum FROM results WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        return _read(self.path, key, *row)

    def totals(self) -> dict[str, float]:
        """The sums of everything committed: results, and work on units that failed."""
        return cast(dict[str, float], self._fact(TOTALS) or {})

    def commit(self, entries: Iterable[Entry]) -> None:
        """Keep all of `entries` and their sums, or none of them."""
        with self._transaction():
            totals = Counter(self.totals())
            for entry in entries:
                if self._keep(entry):
                    totals.update(entry.sums)
            self._state(TOTALS, dict(totals))

    def damaged(self) -> list[str]:
        """Keys of the results whose checksum does not hold, or whose bytes are no record. Reads everything."""
        with self._named():
            rows = self._db.execute("SELECT key, record, checksum FROM results")
            return [key for key, blob, checksum in rows if _sum(key, blob) != checksum]

    def pardon(self, keys: Iterable[str]) -> None:
        """Forget the results of `keys`."""
        with self._transaction():
            self._db.executemany("DELETE FROM results WHERE key = ?", [(key,) for key in keys])

    def _keep(self, entry: Entry) -> bool:
        """Whether the entry was kept: a unit that has a result already keeps that one."""
        if self._db.execute("SELECT 1 FROM results WHERE key = ?", (entry.key,)).fetchone():
            return False
        row = self._row(entry.key, entry.record)
        if entry.failed:
            self._db.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?)", row)
        else:
            self._db.execute("INSERT INTO results VALUES (?, ?, ?)", row)
            self._db.execute("DELETE FROM failures WHERE key = ?", (entry.key,))
        return True

    def _adopt(self, made_by: Mapping[str, Json]) -> None:
        known = self._fact(MADE_BY)
        if known is None:
            with self._transaction():
                self._state(MADE_BY, made_by)
            return
        lines = differences(known, json.loads(json_bytes(made_by, "what makes the results")))
        if lines:
            shown = "".join(f"\n  {line}" for line in lines)
            raise ConfigError(
                f"{self.path} holds results of something else:{shown}\n",
                mend="choose another run folder, or put the old model back",
            )

    def _fact(self, name: str) -> dict[str, Json] | None:
        with self._named():
            row = self._db.execute("SELECT record, checksum FROM facts WHERE name = ?", (name,)).fetchone()
        return _read(self.path, name, *row) if row else None

    def _state(self, name: str, value: Json) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", self._row(name, value))

    def _row(self, key: str, record: Json) -> tuple[str, bytes, int]:
        blob = json_bytes(record, f"the record {key!r} for {self.path}")
        return key, blob, _sum(key, blob)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._named():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _named(self) -> Iterator[None]:
        """SQLite's errors in our words."""
        try:
            yield
        except sqlite3.OperationalError as error:
            mend = "free some space or choose another folder: what is committed stays valid"
            raise StorageError(f"the ledger {self.path} cannot be used: {error}", mend=mend) from error
        except sqlite3.DatabaseError as error:
            mend = "put it back from a copy, or move it away: its units are then done again"
            raise DataError(f"the ledger {self.path} is damaged: {error}", mend=mend) from error


def moment() -> str:
    """Now, in local time with its offset."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def _sum(key: str, blob: bytes) -> int:
    return zlib.crc32(blob, zlib.crc32(str(key).encode("utf-8", "surrogatepass")))


def _read(path: Path, key: str, blob: bytes, checksum: int) -> dict[str, Json]:
    if _sum(key, blob) != checksum:
        mend = "put the file back from a copy, or move it away: its units are then done again"
        raise DataError(f"the ledger {path}: the checksum of {key!r} does not hold", got=bytes(blob[:80]), mend=mend)
    found: dict[str, Json] = json.loads(blob)
    return found
