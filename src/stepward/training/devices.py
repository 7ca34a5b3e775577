"""Which processes train together, and on what device each computes.

Started plainly, a training is one process on the machine's accelerator, or its CPU where there is none. Under
`torchrun` or `accelerate launch` every process runs the same program on its own share of each batch, and gradients are
summed: the batches, and so the losses, are those of one process, up to the order of sums. One process, the main one,
writes files and reports; a state that it wrote goes on under any number of processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import distributed

from stepward.training.lanes import dealt


@dataclass(frozen=True, eq=False, kw_only=True)
class Devices:
    """One process among its peers."""

    rank: int = 0
    count: int = 1
    device: torch.device = torch.device("cpu")

    @classmethod
    def open(cls) -> Devices:
        """The processes that a launcher started, joined; or this one alone."""
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls(device=accelerator or torch.device("cpu"))
        from accelerate import PartialState

        state = PartialState(cpu=accelerator is None)  # without `cpu` it would take every process to be alone
        return cls(rank=state.process_index, count=state.num_processes, device=state.device)

    @property
    def main(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def share(self, costs: Sequence[int]) -> list[int]:
        """Indexes of `costs` that fall to this process: the dearest first, each to whoever has least so far."""
        return dealt(costs, self.count)[self.rank]

    def total(self, number: float) -> float:
        """The sum of every process's `number`."""
        if self.count == 1:
            return number
        found = torch.tensor([number], dtype=torch.float64 if self.device.type == "cpu" else torch.float32)
        found = found.to(self.device)
        distributed.all_reduce(found)
        return float(found)

    def agreed(self, number: float) -> float:
        """The main process's `number`."""
        return self.total(number if self.main else 0.0)

    def largest(self, number: int) -> int:
        """The largest of every process's `number`."""
        if self.count == 1:
            return number
        found = torch.tensor([number], device=self.device)
        distributed.all_reduce(found, distributed.ReduceOp.MAX)
        return int(found)

    def sum_gradients(self, weights: Iterable[torch.nn.Parameter]) -> None:
        """Put the sum of every process's gradients into each process; none counts as zero."""
        if self.count == 1:
            return
        waiting = []
        for weight in weights:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
            waiting.append(distributed.all_reduce(weight.grad, async_op=True))
        for each in waiting:
            if each is not None:
                each.wait()

    def wait(self) -> None:
        """Return once every process has come here."""
        if self.count > 1:
            distributed.barrier()


ALONE = Devices()
"""One process on the CPU."""
