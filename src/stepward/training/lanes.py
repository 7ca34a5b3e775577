"""Forward and backward passes side by side, each on its share of a CPU's threads.

A transformer's many small operations keep two threads busy three quarters of the time: each ends in a wait, and between
them Python runs alone. Two passes that know nothing of each other fill those gaps. Every lane but the first computes on
a twin of backbone and head, whose weights are the same memory and whose gradients are its own. Gradients are added in
the order of lanes, and passes are dealt to lanes by their sizes alone, so a run's numbers do not depend on timing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any, TypeVar

import torch
from torch import nn

T = TypeVar("T")
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, eq=False, slots=True)
class Lanes:
    """Threads that compute at the same time. Live state: ends with `close`."""

    pool: ThreadPoolExecutor
    count: int

    @classmethod
    def open(cls, count: int) -> Lanes:
        """`count` threads, each with an equal share of the threads that torch uses in this one."""
        threads = torch.get_num_threads()
        pool = ThreadPoolExecutor(count, initializer=_limit, initargs=(max(1, threads // count),))
        meeting = Barrier(count)  # so that every thread has started
        list(pool.map(lambda _: meeting.wait(), range(count)))
        torch.set_num_threads(threads)  # what threads started from now on begin with
        return cls(pool, count)

    def close(self) -> None:
        """End the threads."""
        self.pool.shutdown()

    def run(self, work: Callable[[int], T]) -> list[T]:
        """`work(0)`, `work(1)`, ... at the same time."""
        return list(self.pool.map(work, range(self.count)))


def dealt(costs: Sequence[int], count: int) -> list[list[int]]:
    """Indexes of `costs` for each of `count` lanes: the dearest first, each to whoever has least so far."""
    loads, found = [0] * count, [list[int]() for _ in range(count)]
    for index in sorted(range(len(costs)), key=lambda i: -costs[i]):
        lane = loads.index(min(loads))
        loads[lane] += costs[index]
        found[lane].append(index)
    return found


def twin(module: M) -> M:
    """A copy of `module` on the same weights and buffers, whose gradients are its own."""
    memo: dict[int, Any] = {}
    for weight in module.parameters():
        memo[id(weight)] = nn.Parameter(weight.detach(), requires_grad=weight.requires_grad)
    for buffer in module.buffers():
        memo[id(buffer)] = buffer
    return copy.deepcopy(module, memo)


def add_gradients(module: nn.Module, its_twin: nn.Module) -> None:
    """Move the gradients of `its_twin` into those of `module`."""
    for weight, other in zip(module.parameters(), its_twin.parameters(), strict=True):
        if other.grad is not None:
            weight.grad = other.grad if weight.grad is None else weight.grad.add_(other.grad)
            other.grad = None


def draws(module: nn.Module) -> bool:
    """Whether a forward pass of `module` draws random numbers: those would fall to lanes by chance."""
    dropouts = (
        each.p if isinstance(each, nn.Dropout) else getattr(each, "attention_dropout", 0.0) for each in module.modules()
    )
    return any(isinstance(p, float) and p > 0 for p in dropouts)


def _limit(threads: int) -> None:
    """Give this thread `threads` of its own; torch takes the number over when it is first asked for it."""
    torch.set_num_threads(threads)
    torch.get_num_threads()
