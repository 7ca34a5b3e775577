"""Units of work in flight in this process, and what may become of one.

A `Trade` says what is done: it pickles, so that worker processes can have it, and `begin` loads models and the like
once a process. What a unit comes to is an `Outcome`:

    finished    a result to keep
    failed      a `StepwardError` that belongs to this unit alone (no gold answer, steps that do not fit): a row
    bug         anything else: the job stops and shows it
    to stop     `ConfigError`, `MissingExtraError` and `StorageError` belong to the whole job and stop it too
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from stepward.errors import ConfigError, MissingExtraError, StepwardError, StorageError
from stepward.types import Json

FOR_ALL = (ConfigError, MissingExtraError, StorageError)
"""Errors that no other unit would escape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Something to be done."""

    key: str
    """Made from everything that the result depends on."""
    item: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a unit came to, and figures that add up over units."""

    record: Json
    sums: Mapping[str, float] = field(default_factory=dict)


class Attempt(StepwardError):
    """A unit failed, and work on it was paid for: `why` it failed, and the `sums` of that work."""

    def __init__(self, why: StepwardError, sums: Mapping[str, float]) -> None:
        super().__init__(why.what, got=why.got, mend=why.mend)
        self.why, self.sums = why, sums


class Work(Protocol):
    """A trade with its models loaded."""

    @property
    def identity(self) -> Mapping[str, Json]:
        """Everything besides the item that results depend on: names, revisions, settings."""
        ...

    async def do(self, item: object) -> Result:
        """The result for one item. Raises `StepwardError` where it has none, as an `Attempt` where that cost."""
        ...


class Trade(Protocol):
    """What a job does with its units."""

    def begin(self) -> Work:
        """Load what the work needs."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a unit has no result."""

    error: str
    """Class of the error."""
    message: str
    sums: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one unit: one of a result, a failure, and an error that stops the job."""

    key: str
    result: Result | None = None
    failure: Failure | None = None
    stop: BaseException | None = None


class Desk:
    """Runs units side by side on an event loop of its own, which only moves inside `wait`."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[Outcome]] = set()

    def __len__(self) -> int:
        """Units in flight."""
        return len(self._tasks)

    def take(self, unit: Unit) -> None:
        """Start on `unit`."""
        self._tasks.add(self._loop.create_task(attempt(self.work, unit)))

    def wait(self, seconds: float) -> Sequence[Outcome]:
        """What is finished, after at most `seconds`; at once where something is."""
        if not self._tasks:
            return ()
        waiting = asyncio.wait(self._tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        done, self._tasks = self._loop.run_until_complete(waiting)
        return [task.result() for task in done]

    def close(self) -> None:
        """Drop what is in flight. A call that an engine is in the middle of goes on in its thread, unheard."""
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks))
        self._loop.close()


async def attempt(work: Work, unit: Unit) -> Outcome:
    """What becomes of `unit`."""
    try:
        return Outcome(key=unit.key, result=await work.do(unit.item))
    except FOR_ALL as error:
        return Outcome(key=unit.key, stop=error)
    except Attempt as error:
        failure = Failure(error=type(error.why).__name__, message=str(error), sums=error.sums)
        return Outcome(key=unit.key, failure=failure)
    except StepwardError as error:
        return Outcome(key=unit.key, failure=Failure(error=type(error).__name__, message=str(error)))
    except Exception as error:  # a bug: shown with its unit and where it happened, also from another process
        error.add_note(f"while working on unit {unit.key}:\n{''.join(traceback.format_tb(error.__traceback__))}")
        return Outcome(key=unit.key, stop=error)
