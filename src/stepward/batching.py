"""Gathers the calls of many concurrent problems into batches for one engine.

A technique awaits one result; `Batcher` collects what is waiting at the moment when no other task of
the event loop can go on, and runs it as one batch in a worker thread. Results go back in order, and an
engine's contract (a result depends on its request alone) makes them independent of the grouping.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from stepward.errors import StepwardError

Request = TypeVar("Request")
Result = TypeVar("Result")

QUIET_TURNS = 3
"""Turns of the event loop without a new request after which a batch leaves."""


@dataclass(eq=False, kw_only=True)
class Batcher(Generic[Request, Result]):
    """Turns `run`, a function over many requests, into an awaitable over one.

    At most `max_batch` requests go into one batch and one batch runs at a time. An exception of a batch
    reaches every request in it. Live state: belongs to one event loop.
    """

    run: Callable[[Sequence[Request]], Sequence[Result]]
    max_batch: int = 64
    _waiting: list[tuple[Request, asyncio.Future[Result]]] = field(default_factory=list, init=False)
    _worker: asyncio.Task[None] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.max_batch < 1:
            raise ValueError(f"max_batch must be at least 1, got {self.max_batch}")

    async def submit(self, request: Request) -> Result:
        """The result for `request`, computed together with whatever else is waiting."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        while self._waiting:
            await self._until_quiet()
            batch, self._waiting = self._waiting[: self.max_batch], self._waiting[self.max_batch :]
            await self._serve([(request, future) for request, future in batch if not future.cancelled()])

    async def _until_quiet(self) -> None:
        """Let every runnable task go on until no request came for a few turns or a batch is full."""
        seen, quiet = len(self._waiting), 0
        while quiet < QUIET_TURNS and seen < self.max_batch:
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._waiting) == seen else 0
            seen = len(self._waiting)

    async def _serve(self, batch: list[tuple[Request, asyncio.Future[Result]]]) -> None:
        if not batch:
            return
        try:
            results = await asyncio.to_thread(self._run, [request for request, _ in batch])
            if len(results) != len(batch):
                raise StepwardError(f"an engine was given {len(batch)} requests", got=f"{len(results)} results")
        except Exception as error:  # handed to every waiter: none of them is lost or left waiting
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)

    def _run(self, requests: Sequence[Request]) -> Sequence[Result]:
        """`run`; a StopIteration, which no future may carry, becomes a RuntimeError."""
        try:
            return self.run(requests)
        except StopIteration as error:
            raise RuntimeError("an engine raised StopIteration") from error
