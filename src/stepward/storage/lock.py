"""One writer per file, for as long as the writing process lives.

The lock is the kernel's (`flock`): it ends with its process, however that ends, so a killed run leaves
nothing to clean up. The file's text only says who holds it. A forked child does not keep its parent's
locks. Works on one machine; network file systems that cannot lock are refused.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from stepward.errors import StorageError
from stepward.storage.files import refused

PATIENCE = 0.5
"""Seconds for which a taken lock is tried again: `is_held` takes one for an instant."""

log = logging.getLogger(__name__)
_held: set[int] = set()


class Lock:
    """The lock file at `path`, held until `release`. Raises `StorageError` naming the holder."""

    def __init__(self, path: Path) -> None:
        try:
            self.handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise refused(path, error) from error
        holder = _read(self.handle)
        try:
            hold(self.handle, f"{path.parent} is in use by {holder or 'another process'}")
        except StorageError:
            os.close(self.handle)
            raise
        if holder:
            log.info("%s was left by %s, which ended without closing it; going on from what it kept", path, holder)
        me = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        _write(self.handle, json.dumps(me))

    def release(self) -> None:
        """Let others write. The file stays: removing it would let two writers in."""
        with suppress(OSError):
            os.ftruncate(self.handle, 0)
        let_go(self.handle)


def hold(handle: int, taken: str) -> None:
    """Lock the open file `handle`, or raise `StorageError` with `taken` as what failed."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _held.add(handle)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                mend = "wait until it ends, or stop it; its lock ends with it"
                raise StorageError(taken, mend=mend) from None
            time.sleep(0.01)
        except OSError as error:
            mend = "keep runs on a local disk"
            raise StorageError(f"this file system cannot lock files: {error.strerror}", mend=mend) from error


def let_go(handle: int) -> None:
    """Unlock and close `handle`."""
    _held.discard(handle)
    os.close(handle)


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock file at `path`."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError as error:
        return error.errno in (errno.EAGAIN, errno.EACCES)
    finally:
        os.close(handle)


def _read(handle: int) -> str:
    """Who wrote the lock file, as in "process 12 on host since ..."; empty where nobody did."""
    try:
        who = json.loads(os.pread(handle, 1000, 0) or b"null")
        return f"process {who['pid']} on {who['host']} since {who['since']}" if who else ""
    except (ValueError, KeyError, TypeError):
        return "an unknown process"


def _write(handle: int, text: str) -> None:
    with suppress(OSError):  # a full disk must not keep a run from being opened and read
        os.ftruncate(handle, 0)
        os.pwrite(handle, text.encode(), 0)


def _forget_in_child() -> None:
    for handle in _held:
        with suppress(OSError):
            os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_child)
