"""What the registry's kind `benchmark` asks for, and the choice of a threshold for any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Protocol, TypeVar, cast

from stepward.evaluation.benchmarks.items import Item
from stepward.evaluation.benchmarks.result import BenchmarkResult
from stepward.evaluation.benchmarks.thresholds import Threshold
from stepward.types import Json

Chosen = TypeVar("Chosen", bound="Benchmark")


class Benchmark(Protocol):
    """A frozen dataclass whose fields are the protocol's choices."""

    READS: ClassVar[Json]
    """The reader of its files: a name, or a mapping with `use` and choices."""

    @property
    def threshold(self) -> Threshold:
        """Below which a step is called wrong."""
        ...

    def evaluate(self, items: Sequence[Item], *, seed: int = 0) -> BenchmarkResult:
        """Every measure of the benchmark. Raises `DataError` where items or labels make the run void."""
        ...


def at_threshold(benchmark: Chosen, threshold: Threshold) -> Chosen:
    """The same protocol with another threshold."""
    return cast("Chosen", replace(cast("Any", benchmark), threshold=threshold))
