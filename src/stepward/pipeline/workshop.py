"""What a stage works with: the run folder, what earlier stages made, progress, and a way to be stopped.

A stage makes keyed records in files of its own, `<stage>/<what>.jsonl`, where what is problems, traces,
labels or scores. Later stages name it as their source. What a stage does not make itself it passes on:
the problems of a label stage are those of the traces it labelled, so `problems` walks back along the
sources until it finds them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from stepward.codec import from_json, to_json
from stepward.errors import ConfigError
from stepward.storage.jsonl import Records
from stepward.storage.run import Run
from stepward.types import Json, LabeledTrace, Problem, Spend, StepScores, Trace

Item = TypeVar("Item")
Made = TypeVar("Made")
Record = TypeVar("Record")


class Stopped(Exception):
    """Work ended on request. What was finished is kept; running again goes on from there."""


class Progress(Protocol):
    """Who shows how far the work is."""

    def begin(self, stage: str, total: int, unit: str) -> None:
        """A stage starts, with `total` units of work of which some may be done already."""
        ...

    def advance(self, done: int, spend: Spend, note: str = "") -> None:
        """`done` units are finished in all, at this cost in all."""
        ...

    def end(self, stage: str, seconds: float | None) -> None:
        """A stage is finished, after `seconds` of work; None where it was finished before."""
        ...


class Silent:
    """Shows nothing."""

    def begin(self, stage: str, total: int, unit: str) -> None:
        """Nothing."""

    def advance(self, done: int, spend: Spend, note: str = "") -> None:
        """Nothing."""

    def end(self, stage: str, seconds: float | None) -> None:
        """Nothing."""


class Stage(Protocol):
    """One part of a recipe: a frozen dataclass whose fields are its settings."""

    def run(self, shop: Workshop) -> Json:
        """Do the work, or what is left of it, and return a small result for the run's log."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunks:
    """How a stage's work is cut: `size` items are worked on together and written together.

    Chunks are fixed by the order of the items, not by what is left: a resumed run batches the same items
    together as an unbroken one, and rounding in a batch cannot make the two differ.
    """

    what: str
    """The file: problems, traces, labels or scores."""
    size: int
    unit: str


@dataclass(eq=False, kw_only=True)
class Workshop:
    """One stage's view of a run."""

    run: Run
    stage: str
    seed: int
    stages: tuple[str, ...]
    """Every stage of the recipe, in order."""
    sources: Mapping[str, str]
    """Source of each stage of the recipe that has one."""
    progress: Progress = field(default_factory=Silent)
    stopping: Callable[[], bool] = lambda: False

    def records(self, what: str, stage: str | None = None) -> Records:
        """The records `what` of `stage`, by default of this one."""
        return self.run.records(f"{stage or self.stage}/{what}")

    def folder(self, name: str, stage: str | None = None) -> Path:
        """A folder of this stage's own, or of an earlier stage's."""
        return self.run.path(f"{stage or self.stage}/{name}")

    def check_stop(self) -> None:
        """Raise `Stopped` where the user asked to stop."""
        if self.stopping():
            raise Stopped

    def work(
        self,
        items: Mapping[str, Item],
        chunks: Chunks,
        make: Callable[[Sequence[tuple[str, Item]]], Iterable[tuple[str, object, Spend]]],
    ) -> Records:
        """Run `make` over the chunks of `items` that are not finished, and keep what it makes.

        `make` gets keyed items and yields key, record and cost of everything that it makes of them.
        """
        records = self.records(chunks.what)
        marks = self.records(f"{chunks.what}-done")
        keyed = list(items.items())
        parts = [keyed[start : start + chunks.size] for start in range(0, len(keyed), chunks.size)]
        spend, done = Spend(), 0
        self.progress.begin(self.stage, len(keyed), chunks.unit)
        for index, part in enumerate(parts):
            if str(index) not in marks:
                self.check_stop()
                made = list(make(part))
                cost = sum((price for _, _, price in made), Spend())
                records.append_many([(key, to_json(record)) for key, record, _ in made])
                marks.append(str(index), {"items": len(part)})
                self.run.spent(self.stage, cost)
                spend = spend + cost
            done += len(part)
            self.progress.advance(done, spend)
        return records

    def load(self, what: str, kind: type[Record], stage: str) -> dict[str, Record]:
        """By key, the records `what` of `stage`; empty where it made none."""
        if not (self.run.folder / stage / f"{what}.jsonl").exists():
            return {}
        return {key: from_json(kind, value) for key, value in self.records(what, stage)}

    def problems(self, stage: str) -> dict[str, Problem]:
        """By id, the problems that `stage` made or got from its source."""
        return {p.id: p for p in self._back("problems", Problem, stage).values()}

    def traces(self, stage: str) -> dict[str, Trace]:
        """By key, the traces that `stage` made, labelled, or got from its source."""
        own = self.load("traces", Trace, stage)
        return own or {key: labeled.trace for key, labeled in self._back("labels", LabeledTrace, stage).items()}

    def labels(self, stage: str) -> dict[str, LabeledTrace]:
        """By key, the labelled traces that `stage` made or got from its source."""
        return self._back("labels", LabeledTrace, stage)

    def scores(self, stage: str) -> dict[str, StepScores]:
        """By key of the trace, the scores that `stage` made."""
        found = self.load("scores", StepScores, stage)
        if not found:
            raise ConfigError(f"stage {stage!r} made no scores", mend="name a stage that uses `score`")
        return found

    def _back(self, what: str, kind: type[Record], stage: str) -> dict[str, Record]:
        """`what` of `stage`, or of the nearest stage along its sources that made some."""
        at: str | None = stage
        while at is not None:
            found = self.load(what, kind, at)
            if found:
                return found
            at = self.sources.get(at)
        raise ConfigError(
            f"neither stage {stage!r} nor its sources made any {what}", mend="check `source` in the recipe"
        )
