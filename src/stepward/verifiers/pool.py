"""`MathWorkers`: a few persistent grading processes, each killed at its limit and replaced.

A check goes to the first free process. At the limit the parent kills the process, answers undecided, and starts
another: the next check is unaffected. Equal checks are computed once, also while the first is still running, and
remembered for the life of the pool; library versions cannot change within it. A check whose process died for another
reason is undecided too and is not remembered.

Works from threads, from asyncio (wrap the future) and in forked children, which start processes of their own. The
processes end with the pool, with the interpreter, and with a parent that was killed: their stdin closes.
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import queue
import select
import subprocess
import sys
import threading
import time
import weakref
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from typing import Protocol, cast

from stepward.errors import ConfigError, MissingExtraError
from stepward.types import Outcome, Verdict

STARTUP_SECONDS = 60.0
REMEMBERED = 100_000
FAULT = "worker fault"
"""How the reason of a verdict begins whose process failed by itself: it is not remembered."""
COMMAND = (sys.executable, "-P", "-m", "stepward.verifiers.worker")


@dataclass(frozen=True, slots=True)
class Check:
    """Two rewritten LaTeX texts to compare, and for how long at most."""

    gold: str
    answer: str
    seconds: float
    identity: bool = False
    """Whether both are to be equal for every value of their unknowns, as against one answer to a question."""


class Grader(Protocol):
    """Who compares by computer algebra."""

    def submit(self, check: Check) -> Future[Verdict]:
        """The verdict on `check`, later. The future is shared with equal checks: do not cancel it."""
        ...


class MathWorkers:
    """A pool of `count` grading processes. They start with the first check."""

    def __init__(self, count: int = 2, *, command: tuple[str, ...] = COMMAND) -> None:
        if count < 1:
            raise ConfigError("a pool needs at least one worker", got=count)
        self.count, self.command = count, command
        self._reset()
        _POOLS.add(self)

    def submit(self, check: Check) -> Future[Verdict]:
        """The verdict on `check`, later. Raises `MissingExtraError` where math-verify is not installed."""
        if self.command == COMMAND and importlib.util.find_spec("math_verify") is None:
            raise MissingExtraError.of("math-verify", "math")
        with self._lock:
            if self._closed:
                raise ConfigError("this pool of workers is closed", mend="make another: MathWorkers()")
            known = self._memory.get(check)
            if known is not None:
                self._memory.move_to_end(check)
                return known
            future: Future[Verdict] = Future()
            self._memory[check] = future
            if len(self._memory) > REMEMBERED:
                self._memory.popitem(last=False)
            if len(self._workers) < self.count:
                self._start()
        self._queue.put((check, future))
        return future

    def close(self) -> None:
        """End every process; checks that wait are undecided. Closing twice does nothing."""
        with self._lock:
            self._closed = True
        for worker in self._workers:
            self._queue.put(None)
            worker.end()
        for thread in self._threads:
            thread.join(STARTUP_SECONDS)

    def __enter__(self) -> MathWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers that run now."""
        return tuple(worker.process.pid for worker in self._workers if worker.process is not None)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._memory: OrderedDict[Check, Future[Verdict]] = OrderedDict()
        self._queue: queue.SimpleQueue[tuple[Check, Future[Verdict]] | None] = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        self._threads: list[threading.Thread] = []

    def _start(self) -> None:
        worker = _Worker(self.command)
        self._workers.append(worker)
        self._threads.append(threading.Thread(target=self._serve, args=(worker,), name="stepward-grader", daemon=True))
        self._threads[-1].start()

    def _serve(self, worker: _Worker) -> None:
        while (job := self._queue.get()) is not None:
            check, future = job
            verdict = _CLOSED if self._closed else worker.check(check)
            if verdict.reason.startswith(FAULT):
                with self._lock:
                    self._memory.pop(check, None)
            future.set_result(verdict)
            worker.replace_if_dead()
        worker.stop()

    def _forget_parent(self) -> None:
        """In a forked child: drop the parent's processes without ending them."""
        for worker in self._workers:
            worker.disown()
        self._reset()


_CLOSED = Verdict(outcome="undecided", reason=f"{FAULT}: the pool was closed")
_POOLS: weakref.WeakSet[MathWorkers] = weakref.WeakSet()


class _Worker:
    """One process and the pipe to it; used by one thread, ended from any."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None
        self._ended = False

    def check(self, check: Check) -> Verdict:
        line = json.dumps(asdict(check))
        try:
            self._ready()
            self._write(line)
            reply = self._read(check.seconds)
        except (OSError, ValueError) as error:
            self.stop()
            return Verdict(outcome="undecided", reason=f"{FAULT}: {type(error).__name__}: {error}")
        if reply is None:
            self.stop()
            return Verdict(outcome="undecided", reason=f"time-out after {check.seconds:g} s")
        return Verdict(outcome=cast(Outcome, reply["outcome"]), reason=reply["reason"])

    def replace_if_dead(self) -> None:
        """Have a process at hand before the next check needs it."""
        try:
            if not self._ended:
                self._ready()
        except (OSError, ValueError):  # the next check meets the same fault and reports it
            self.stop()

    def end(self) -> None:
        """From any thread: no further process, and the present one is killed; its own thread cleans up."""
        self._ended = True
        process = self.process
        if process is not None:
            process.kill()

    def disown(self) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        process.returncode = 0  # it is the parent's child, not ours: never waited for here

    def _ready(self) -> None:
        if self._ended:
            raise OSError("the pool was closed")
        if self.process is not None and self.process.poll() is None:
            return
        self.stop()
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=_environment(),
        )
        if self._read(STARTUP_SECONDS) is None:
            raise OSError(f"a grading worker did not start within {STARTUP_SECONDS:g} s")

    def _write(self, line: str) -> None:
        assert self.process is not None and self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")

    def _read(self, seconds: float) -> dict[str, str] | None:
        """One reply; None where none came in time. `OSError` where the process ended."""
        assert self.process is not None and self.process.stdout is not None
        descriptor, deadline, got = self.process.stdout.fileno(), time.monotonic() + seconds, b""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while not got.endswith(b"\n"):
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                return None
            piece = os.read(descriptor, 65536)
            if not piece:
                raise OSError(f"a grading worker ended, exit code {self.process.wait()}")
            got += piece
        reply: dict[str, str] = json.loads(got)
        return reply

    def stop(self) -> None:
        """Kill the process and close its pipes."""
        process, self.process = self.process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _environment() -> dict[str, str]:
    """No secret of the parent reaches a worker; equal hash seeds make its verdicts equal."""
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path if entry)
    return {"PYTHONPATH": path, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}


_SHARED: dict[int, MathWorkers] = {}


def shared_workers(count: int) -> MathWorkers:
    """The pool of `count` workers that this process's verifiers share; made at the first call."""
    if count not in _SHARED:
        _SHARED.setdefault(count, MathWorkers(count))
    return _SHARED[count]


def _forget_parents_pools() -> None:
    for pool in list(_POOLS):
        pool._forget_parent()


def _close_all() -> None:
    for pool in list(_POOLS):
        pool.close()


os.register_at_fork(after_in_child=_forget_parents_pools)
atexit.register(_close_all)
