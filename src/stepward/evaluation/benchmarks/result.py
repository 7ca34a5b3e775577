"""What a benchmark run comes to: measures with intervals, and what a reader must know before comparing them.

A measure either has a value or says why it has none; a value that is a convention (constant scores rank nothing: 0.5)
says so as well. There is no NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from stepward.errors import ConfigError
from stepward.evaluation.benchmarks.thresholds import Threshold

CLUSTERED = "intervals: 95%, bootstrap over problems"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One number of a benchmark."""

    name: str
    value: float | None
    """None where it is undefined."""
    low: float | None = None
    high: float | None = None
    se: float | None = None
    """Standard error by the delta method, where a formula is known."""
    items: int = 0
    """Items (or steps, where the name says so) under it."""
    reason: str = ""
    """Why there is no value, or what the value stands for where it is a convention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The measures of one split, category or subject."""

    name: str
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Groups that hold the same measures: one row a group, one column a measure."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | Measure, ...], ...]


Row: TypeAlias = "tuple[str | Measure, ...]"


@dataclass(frozen=True, slots=True)
class Headline:
    """Where the number stands that is quoted."""

    group: str
    measure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkResult:
    """One run of one benchmark."""

    benchmark: str
    protocol: str
    """How calls were made, such as "classifier, first step below tau"."""
    groups: tuple[Group, ...]
    headline: Headline
    items: int
    problems: int
    silent: int = 0
    """Items on which nothing could be read; they count as missed."""
    threshold: Threshold | None = None
    comparable: bool
    """Whether the headline may stand beside published numbers."""
    why_not: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        self.find(self.headline.group, self.headline.measure)

    @property
    def sentence(self) -> str:
        """The number that is quoted, with its interval, and whether it compares."""
        told = "undefined" if self.main.value is None else f"{self.main.value:.3f}"
        if self.main.low is not None and self.main.high is not None:
            told += f" [{self.main.low:.3f}, {self.main.high:.3f}]"
        comparable = "" if self.comparable else "; not comparable with published numbers"
        return f"{self.benchmark}, {self.headline.measure} ({self.headline.group}): {told}{comparable}"

    def find(self, group: str, measure: str) -> Measure:
        """The measure of this name in this group; `ConfigError` where there is none."""
        for each in self.groups:
            for found in each.measures:
                if (each.name, found.name) == (group, measure):
                    return found
        known = [f"{each.name}/{found.name}" for each in self.groups for found in each.measures]
        raise ConfigError(f"{self.benchmark} has no measure {group}/{measure}", mend=f"there is {', '.join(known)}")

    @property
    def main(self) -> Measure:
        """The number that is quoted."""
        return self.find(self.headline.group, self.headline.measure)

    def table(self) -> tuple[Sheet, ...]:
        """The groups as sheets; neighbours with the same measures share one."""
        return tuple(
            Sheet(
                columns=("", *names),
                rows=tuple((group.name, *group.measures) for group in groups),
            )
            for names, groups in groupby(self.groups, key=lambda group: tuple(m.name for m in group.measures))
        )

    def told(self) -> tuple[str, ...]:
        """What stands below the table: threshold, comparability, silent items, notes."""
        said = [f"{self.benchmark}: {self.protocol}; {self.items} items of {self.problems} problems; {CLUSTERED}"]
        if self.threshold is not None:
            said.append(str(self.threshold))
        if self.silent:
            said.append(f"{self.silent} items without a readable call count as missed")
        if not self.comparable:
            said.append(f"NOT COMPARABLE with published numbers: {'; '.join(self.why_not)}")
        return (*said, *self._errors(), *self.notes, *self._reasons())

    def _errors(self) -> Sequence[str]:
        found = [(g.name, m) for g in self.groups for m in g.measures if m.se is not None]
        told = ", ".join(f"{group} {m.name} {m.se:.4f}" for group, m in found)
        return [f"standard errors by the delta method, items taken as independent: {told}"] if told else []

    def _reasons(self) -> Sequence[str]:
        found = [(f"{g.name}: {m.name}", m.reason) for g in self.groups for m in g.measures if m.reason]
        by_reason: dict[str, list[str]] = {}
        for where, reason in found:
            by_reason.setdefault(reason, []).append(where)
        return [f"{', '.join(places)}: {reason}" for reason, places in by_reason.items()]
