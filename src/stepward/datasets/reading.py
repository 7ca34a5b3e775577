"""What a reader gives, and the one call that runs it: `read(Prm800k(), "train.jsonl")`.

A reader is a frozen dataclass whose fields are its choices (what a neutral rating means, what follows
the first error). It has one method, `stream`, which yields records and writes what it dropped, and
why, into a `Tally`; `read` collects both. Stream by hand where a file is larger than memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from stepward.datasets.lines import Place, Source, name_of
from stepward.errors import ConflictError
from stepward.types import LabeledTrace, Problem, StepScores

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A problem, one attempt at it with its labels and verdict, and what known scorers said of its steps."""

    problem: Problem
    labeled: LabeledTrace
    """Labels are all None where the file tells an outcome or nothing."""
    scores: Mapping[str, StepScores] = field(default_factory=dict)
    """By scorer; each has one value per step."""


@dataclass(slots=True)
class Tally:
    """Counts while reading. Shared by the files of one `read`, so that an identity is unique across them."""

    rows: int = 0
    duplicates: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    seen: dict[str, tuple[Place, str]] = field(default_factory=dict)
    """Place and content of each identity."""

    def drop(self, reason: str) -> None:
        """Count a record that is not given on."""
        self.dropped[reason] += 1

    def note(self, what: str, times: int = 1) -> None:
        """Count something that a user of the data must know."""
        if times:
            self.notes[what] += times


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReport:
    """What came of a file's rows. Prints as one line."""

    paths: tuple[str, ...]
    rows: int
    items: int
    """Records given; a row of some formats gives several."""
    dropped: Mapping[str, int]
    """Records not given, by reason."""
    duplicates: int
    """Rows whose identity and content had both been read before."""
    notes: Mapping[str, int]

    def __str__(self) -> str:
        parts = [f"{', '.join(self.paths)}: {self.rows} rows, {self.items} records"]
        parts += [f"{count} dropped: {reason}" for reason, count in self.dropped.items()]
        parts += [f"{self.duplicates} duplicate rows"] if self.duplicates else []
        parts += [f"{count} {what}" for what, count in self.notes.items()]
        return "; ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Generic[T]):
    """The records of one or more files, in order, and the report on them."""

    items: tuple[T, ...]
    report: ReadReport


class Reader(Protocol[T_co]):
    """Who turns a file of one format into records."""

    def stream(self, path: Source, tally: Tally) -> Iterator[T_co]:
        """The records of `path`, in order; counts go to `tally`. Raises `DataError` on what the format forbids."""
        ...


def read(reader: Reader[T], *paths: Source) -> Reading[T]:
    """Every record of `paths`, read as one data set, and the report."""
    tally = Tally()
    items = tuple(item for path in paths for item in reader.stream(path, tally))
    report = ReadReport(
        paths=tuple(name_of(path) for path in paths),
        rows=tally.rows,
        items=len(items),
        dropped=dict(tally.dropped),
        duplicates=tally.duplicates,
        notes=dict(tally.notes),
    )
    return Reading(items=items, report=report)


def problems_of(examples: Iterable[Example]) -> dict[str, Problem]:
    """The problems of `examples` by id, in order of first sight; `ConflictError` where one id has two contents."""
    found: dict[str, Problem] = {}
    for example in examples:
        known = found.setdefault(example.problem.id, example.problem)
        if known != example.problem:
            raise ConflictError(
                f"problem id {known.id!r} stands for two different problems",
                got=(known.text[:80], example.problem.text[:80]),
                mend="give one of them another id",
            )
    return found
