"""A long job: units of work, done in this process or by several, each kept exactly once in a ledger.

Results do not depend on who did what when: a unit's key and its result depend on its content alone, and the ledger
takes each once. A killed job goes on with the units that it lacks; units that failed are tried again by every session.
Asked to stop, a job hands out nothing more, keeps what ends within `DRAIN` seconds and drops the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from stepward.errors import DataError
from stepward.pipeline.jobs.crew import Crew
from stepward.pipeline.jobs.desk import Desk, Outcome, Trade, Unit
from stepward.pipeline.workshop import Stopped
from stepward.storage.ledger import Entry, Ledger, moment
from stepward.types import Json

DRAIN = 8.0
"""Seconds that units in flight are given to end after a stop was asked for."""
TICK = 0.2
"""Seconds between two looks at whether to stop."""


class Team(Protocol):
    """Units in flight, wherever."""

    @property
    def identity(self) -> Mapping[str, Json]:
        """What results depend on besides the unit."""
        ...

    def __len__(self) -> int:
        """Units in flight."""
        ...

    def hand_out(self, units: Iterator[Unit]) -> None:
        """Start on as many of `units` as there is room for."""
        ...

    def wait(self, seconds: float) -> Sequence[Outcome]:
        """What was finished, after at most `seconds`."""
        ...

    def close(self) -> None:
        """Drop what is in flight."""
        ...


class Alone:
    """A team of one: this process."""

    def __init__(self, trade: Trade, size: int) -> None:
        self.size = size
        self._desk = Desk(trade.begin())
        self.identity = self._desk.work.identity

    def __len__(self) -> int:
        """Units in flight."""
        return len(self._desk)

    def hand_out(self, units: Iterator[Unit]) -> None:
        """Start on units until `size` are in flight."""
        while len(self._desk) < self.size and (unit := next(units, None)) is not None:
            self._desk.take(unit)

    def wait(self, seconds: float) -> Sequence[Outcome]:
        """What was finished, after at most `seconds`."""
        return self._desk.wait(seconds)

    def close(self) -> None:
        """Drop what is in flight."""
        self._desk.close()


def team(trade: Trade, *, workers: int, size: int) -> Team:
    """Those who do `trade`, ready to begin: this process, or `workers` others, each with `size` units in flight."""
    return Alone(trade, size) if workers == 1 else Crew(trade, count=workers, size=size)


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Who is told of every step of a job, and who may stop it."""

    stopping: Callable[[], bool] = lambda: False
    moved: Callable[[int, Ledger], None] = lambda done, ledger: None
    """Called with the number of units that are dealt with, after each commit."""


def work_off(hands: Team, units: Mapping[str, Unit], ledger: Ledger, watch: Watch) -> None:
    """Do every one of `units` that the ledger has no result of.

    Raises `Stopped` where asked to stop, and whatever stops the whole job; what was finished is kept before that.
    """
    done = ledger.done()
    before = ledger.failed()
    left = iter([unit for key, unit in units.items() if key not in done])
    dealt = sum(key in done for key in units)
    watch.moved(dealt, ledger)
    until: float | None = None
    while True:
        if until is None and watch.stopping():
            until = time.monotonic() + DRAIN
        if until is None:
            hands.hand_out(left)
        if not len(hands) or (until is not None and time.monotonic() > until):
            break
        outcomes = hands.wait(TICK)
        if outcomes:
            ledger.commit(_entry(each, before, units) for each in outcomes if each.stop is None)
            dealt += len(outcomes)
            watch.moved(dealt, ledger)
            _raise_first([each.stop for each in outcomes if each.stop is not None])
    if until is not None:
        raise Stopped


def check(ledger: Ledger, units: Mapping[str, Unit]) -> list[str]:
    """Forget results that are damaged, so that their units are done again; their keys."""
    damaged = ledger.damaged()
    unknown = [key for key in damaged if key not in units]
    if unknown:
        raise DataError(
            f"{ledger.path} holds a damaged row that belongs to no unit of this job",
            got=unknown[0],
            mend="put the file back from a copy, or move it away: its units are then done again",
        )
    ledger.pardon(damaged)
    return damaged


def _entry(outcome: Outcome, before: Mapping[str, Mapping[str, Json]], units: Mapping[str, Unit]) -> Entry:
    earlier = before.get(outcome.key, {}).get("attempts", 0)
    attempts = (earlier if isinstance(earlier, int) else 0) + 1
    if outcome.failure is not None:
        record: dict[str, Json] = {
            "error": outcome.failure.error,
            "message": outcome.failure.message,
            "attempts": attempts,
            "when": moment(),
        }
        return Entry(key=outcome.key, record=record, failed=True, sums=outcome.failure.sums)
    assert outcome.result is not None
    kept: dict[str, Json] = {"attempts": attempts, "result": outcome.result.record}
    return Entry(key=outcome.key, record=kept, sums=outcome.result.sums)


def _raise_first(errors: Sequence[BaseException]) -> None:
    if errors:
        raise errors[0]
