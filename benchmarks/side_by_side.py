"""Runs contenders in turn, several times, and prints how many times faster the first one is. Shared by benchmarks.

Turns alternate, so that what else the machine does hits all alike; the ratio is taken turn by turn, and its median is
printed with the least and the greatest. Wall and processor time are both shown: on a busy machine trust the second.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one run."""

    wall: float
    processor: float


def alternate(contenders: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[Cost]]:
    """What each contender cost in each of `repeats` rounds. Warm them up before."""
    found: dict[str, list[Cost]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, run in contenders.items():
            wall, processor = time.perf_counter(), time.process_time()
            run()
            found[name].append(Cost(time.perf_counter() - wall, time.process_time() - processor))
    return found


def table(found: Mapping[str, list[Cost]], *, of: str = "") -> str:
    """One line a contender: median seconds, and how many times faster the first contender is."""
    names = list(found)
    lines = []
    for name in names:
        own, first = found[name], found[names[0]]
        walls = [cost.wall / mine.wall for cost, mine in zip(own, first, strict=True)]
        processors = [cost.processor / mine.processor for cost, mine in zip(own, first, strict=True)]
        seconds = statistics.median(cost.wall for cost in own)
        lines.append(f"  {of}{name:44} {seconds:8.3f} s   {_spread(walls)} (wall)   {_spread(processors)} (processor)")
    return "\n".join(lines)


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):5.2f} x [{min(ratios):.2f}, {max(ratios):.2f}]"
