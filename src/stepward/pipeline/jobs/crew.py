"""Worker processes that share the units of a job.

Each process loads models of its own and keeps `size` units in flight. Units are handed out as processes get free, so a
slow one holds nobody up; a result depends on its unit alone, so it does not matter who does it. Processes are spawned,
leave Ctrl-C and SIGTERM to the parent, and end when the parent does, however that ends.

A process that dies takes nobody with it: another one starts, and every unit that the dead one held is tried alone. A
unit that was there when `MOST_CRASHES` processes died is a failure.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import pickle
import signal
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Literal, TypeAlias

from stepward.errors import ModelError
from stepward.pipeline.jobs.desk import Desk, Failure, Outcome, Trade, Unit
from stepward.types import Json

MOST_CRASHES = 3
TICK = 0.05
"""Seconds after which a process looks for news."""
PATIENCE = 1.0
"""Seconds that processes are given to end by themselves."""

Answer: TypeAlias = "tuple[Literal['ready'], Mapping[str, Json]] | tuple[Literal['outcome'], Outcome]"


@dataclass(eq=False, kw_only=True)
class _Hand:
    """One process, as its parent sees it."""

    process: BaseProcess
    line: Connection
    held: dict[str, Unit] = field(default_factory=dict)


class Crew:
    """`count` processes of `trade`, each with up to `size` units in flight and as many waiting."""

    def __init__(self, trade: Trade, *, count: int, size: int) -> None:
        self.trade, self.count, self.size = trade, count, size
        self._crashes: Counter[str] = Counter()
        self._alone: deque[Unit] = deque()
        self._hands = [self._hire() for _ in range(count)]
        try:
            said = [self._greet(hand) for hand in self._hands]
        except BaseException:
            self.close()
            raise
        self.identity = said[0]

    def __len__(self) -> int:
        """Units in flight."""
        return sum(len(hand.held) for hand in self._hands) + len(self._alone)

    def hand_out(self, units: Iterator[Unit]) -> None:
        """Give units to every process that is free for some; suspects of a crash go first, each alone."""
        for hand in self._hands:
            while self._alone and not hand.held:
                self._give(hand, self._alone.popleft())
        if any(self._crashes[key] for hand in self._hands for key in hand.held):
            return  # until every suspect is cleared, nothing new is put at risk
        for _ in range(2 * self.size):  # in turns, so that few units are spread over all processes
            for hand in self._hands:
                if len(hand.held) >= 2 * self.size:
                    continue
                unit = next(units, None)
                if unit is None:
                    return
                self._give(hand, unit)

    def wait(self, seconds: float) -> list[Outcome]:
        """What was finished, after at most `seconds`."""
        found: list[Outcome] = []
        for line in wait([hand.line for hand in self._hands], timeout=seconds):
            hand = next(each for each in self._hands if each.line is line)
            try:
                while hand.line.poll():
                    found.append(self._heard(hand))
            except (EOFError, OSError):
                found += self._mourn(hand)
        return found

    def close(self) -> None:
        """End every process at once."""
        for hand in self._hands:
            hand.line.close()
        until = time.monotonic() + PATIENCE
        for hand in self._hands:
            hand.process.join(max(0.0, until - time.monotonic()))
            hand.process.kill()
            hand.process.join()

    def _hire(self) -> _Hand:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        threads = str(max(1, (os.cpu_count() or 1) // self.count))
        process = context.Process(target=_serve, args=(theirs, self.trade, self.size, threads), daemon=True)
        process.start()
        theirs.close()
        return _Hand(process=process, line=ours)

    def _greet(self, hand: _Hand) -> Mapping[str, Json]:
        """What the process says of itself once it is ready."""
        try:
            word, said = hand.line.recv()
        except (EOFError, OSError):
            hand.process.join()
            raise ModelError(
                "a worker process ended while it loaded its models",
                got=f"exit code {hand.process.exitcode}",
                mend="is there memory for one copy each? lower `workers`",
            ) from None
        if word == "stop":
            raise said
        found: Mapping[str, Json] = said
        return found

    def _give(self, hand: _Hand, unit: Unit) -> None:
        hand.held[unit.key] = unit
        try:
            hand.line.send(unit)
        except OSError:  # it died: `wait` hears of it
            return

    def _heard(self, hand: _Hand) -> Outcome:
        outcome: Outcome = hand.line.recv()
        del hand.held[outcome.key]
        self._crashes.pop(outcome.key, None)
        return outcome

    def _mourn(self, hand: _Hand) -> list[Outcome]:
        """Put another process in the place of a dead one; failures for units that were there too often."""
        hand.process.join()
        hand.line.close()
        code = hand.process.exitcode
        self._crashes.update(list(hand.held))
        lost = [key for key in hand.held if self._crashes[key] >= MOST_CRASHES]
        self._alone.extend(unit for key, unit in hand.held.items() if key not in lost)
        fresh = self._hire()
        self._hands[self._hands.index(hand)] = fresh
        self._greet(fresh)
        message = f"the process that worked on it died {MOST_CRASHES} times (exit code {code})"
        for key in lost:
            del self._crashes[key]
        return [Outcome(key=key, failure=Failure(error="WorkerCrash", message=message)) for key in lost]


def _serve(line: Connection, trade: Trade, size: int, threads: str) -> None:
    """A worker process: units come over `line`, outcomes go back, until the other end closes."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.environ.setdefault("OMP_NUM_THREADS", threads)
    try:
        work = trade.begin()
    except Exception as error:
        with suppress(OSError):
            line.send(("stop", _portable(error)))
        return
    desk, waiting = Desk(work), deque[Unit]()
    try:
        line.send(("ready", work.identity))
        while True:
            while line.poll(None if not len(desk) and not waiting else 0):
                waiting.append(line.recv())
            while waiting and len(desk) < size:
                desk.take(waiting.popleft())
            for outcome in desk.wait(TICK):
                line.send(outcome if outcome.stop is None else _portable_outcome(outcome))
    except (EOFError, OSError):
        atexit._run_exitfuncs()  # what is shared between processes is given back
        os._exit(0)  # nobody listens any more; a thread of an engine must not keep this process


def _portable_outcome(outcome: Outcome) -> Outcome:
    return Outcome(key=outcome.key, stop=_portable(outcome.stop or RuntimeError()))


def _portable(error: BaseException) -> BaseException:
    """`error`, or its words where it does not survive pickling."""
    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:
        told = RuntimeError(f"{type(error).__name__}: {error}")
        for note in getattr(error, "__notes__", ()):
            told.add_note(note)
        return told
