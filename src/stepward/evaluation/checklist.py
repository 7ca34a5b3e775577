"""The researcher's checklist, answered from a run's own records, or "not in this run".

What is a step? Who labelled them? How good is the PRM alone? Does choosing by the PRM beat choosing by an ORM, at the
same n? What did it cost? Where does it fail? Each answer names the files that prove it. Any run will do: what stage
`evaluate` records is read first, then what the stages `label`, `judge_steps` and `select` left behind.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepward.codec import from_json
from stepward.errors import ConfigError, DataError
from stepward.evaluation.evaluated import FILE, Evaluated, stage_files
from stepward.evaluation.steps import StepQuality
from stepward.metrics.bootstrap import Interval
from stepward.search.replay import CurvePoint
from stepward.storage.jsonl import read_records
from stepward.storage.run import CONFIG, SPEND
from stepward.types import Spend

MISSING = "not in this run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Part of an answer, and the file, relative to the run, that says so."""

    text: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question with its answer."""

    question: str
    said: tuple[Said, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """The answer, each part with where it stands; `MISSING` where the run says nothing."""
        return tuple(f"{part.text}  [{part.file}]" for part in self.said) or (MISSING,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Accuracies at the largest n of one replay of choices."""

    file: str
    n: int
    accuracy: Mapping[str, Interval]
    """By name of the method."""


def checklist(run: Path) -> tuple[Item, ...]:
    """The six items for the run in `run`; `ConfigError` where it is no run folder."""
    if not (run / CONFIG).is_file():
        raise ConfigError(f"{run} is no run folder: it has no {CONFIG}", mend="`stepward runs` lists them")
    found = _Evidence(run=run)
    return (
        Item(question="What is a step?", said=tuple(found.steps())),
        Item(question="Who labelled the steps, and what does a label mean?", said=tuple(found.labels())),
        Item(question="How good is the PRM alone?", said=tuple(found.quality())),
        Item(question="Does PRM + N beat ORM + N?", said=tuple(found.choices())),
        Item(question="What did it cost?", said=tuple(found.cost())),
        Item(question="Where does it fail?", said=tuple(found.failures())),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    """Reads the records of one run. Nothing is written, and a run that works is not disturbed."""

    run: Path

    def steps(self) -> Iterator[Said]:
        """What cut the traces."""
        for file, record in self._evaluations():
            told = ", ".join(f"{n or 'as the file cut them'} ({c} traces)" for n, c in record.data.segmenters.items())
            yield Said(text=f"{told}; a step has {record.data.step_characters} characters (median)", file=file)
        for file, rows in self._rows("traces.jsonl") if not self._evaluations() else ():
            cut = Counter(str(row.get("segmenter", "")) for row in rows)
            yield Said(text=_counts(cut, "traces", "as the file cut them"), file=file)

    def labels(self) -> Iterator[Said]:
        """Sources of labels, with their targets."""
        for file, record in self._evaluations():
            if record.data.sources:
                yield Said(text=_counts(record.data.sources, "steps"), file=file)
        for file, rows in self._rows("labels.jsonl") if not self._evaluations() else ():
            sources = Counter(
                f"{label['source']} ({label['target']}) by {label.get('origin', {}).get('maker', 'unknown')}"
                for row in rows
                for label in row.get("labels", ())
                if label is not None
            )
            if sources:
                yield Said(text=_counts(sources, "steps"), file=file)

    def quality(self) -> Iterator[Said]:
        """Step figures of every scorer."""
        for file, record in self._evaluations():
            for each in record.scorers:
                if each.steps is not None and each.role != "baseline":
                    yield Said(text=_quality(each.name, each.steps), file=file)
        for path in self._files("quality.json"):
            for name, value in _mapping(path).items():
                if isinstance(value, Mapping) and "auroc" in value:
                    yield Said(text=_quality(name, from_json(StepQuality, value)), file=self._name(path))

    def choices(self) -> Iterator[Said]:
        """Best of the largest n by PRM, by ORM and by vote."""
        for choice in self._choices():
            best = {name.partition(":")[2]: i for name, i in choice.accuracy.items() if name.startswith("best:")}
            by_orm = {name: i for name, i in best.items() if _is_orm(name)}
            by_prm = {name: i for name, i in best.items() if not _is_orm(name)}
            if not by_prm:
                continue
            rows = [*by_prm.items(), *by_orm.items()]
            rows += [(name, choice.accuracy[name]) for name in ("majority", "first") if name in choice.accuracy]
            told = ", ".join(f"{name} {interval}" for name, interval in rows)
            note = "" if by_orm else " (ORM + N: not in this run)"
            yield Said(text=f"n = {choice.n}: {told}{note}", file=choice.file)
        for file, text in self._differences():
            yield Said(text=text, file=file)

    def cost(self) -> Iterator[Said]:
        """The ledger, summed."""
        for file, record in self._evaluations():
            if record.writing.metered:
                written = record.writing.written * record.data.traces
                yield Said(text=f"the traces: {written:,.0f} tokens written, as they say themselves", file=file)
        path = self.run / f"{SPEND}.jsonl"
        if not path.is_file():
            return
        rows = [dict(row) for _, row in read_records(path) if isinstance(row, Mapping)]
        total = sum((from_json(Spend, row["spend"]) for row in rows), Spend())
        if total != Spend():
            yield Said(
                text=f"{total.policy_tokens:,} tokens written ({total.discarded_tokens:,} of them discarded), "
                f"{total.prompt_tokens:,} read, {total.scorer_tokens:,} scored in {total.scorer_calls:,} passes, "
                f"{total.flops / 1e12:,.2f} TFLOP, {total.seconds:,.1f} engine seconds, training not counted",
                file=path.name,
            )

    def failures(self) -> Iterator[Said]:
        """Published failures, by scorer."""
        for file, record in self._evaluations():
            for each in record.scorers:
                if each.failures:
                    told = ", ".join(f"{count} {kind}" for kind, count in each.failures.items())
                    yield Said(text=f"{each.name}, of {each.judged} traces: {told}", file=file)
        for path in sorted(self.run.glob("*/failures/*/failures.jsonl")):
            yield Said(text="published as JSON lines", file=self._name(path))

    def _evaluations(self) -> list[tuple[str, Evaluated]]:
        return [(self._name(path), from_json(Evaluated, _mapping(path))) for path in self._files(FILE)]

    def _choices(self) -> Iterator[Choice]:
        for file, record in self._evaluations():
            if record.curves:
                yield _choice(file, list(record.curves))
        for path in self._files("curves.json"):
            yield _choice(self._name(path), [from_json(CurvePoint, value) for value in _read(path)])

    def _differences(self) -> Iterator[tuple[str, str]]:
        for file, record in self._evaluations():
            for each in record.differences:
                yield file, f"{each.method} less {each.less}, paired: {each.interval}"
        for path in self._files("differences.json"):
            for pair, value in _mapping(path).items():
                first, _, second = pair.partition(" - ")
                yield self._name(path), f"{first} less {second}, paired: {from_json(Interval, value)}"

    def _rows(self, name: str) -> Iterator[tuple[str, Iterator[Mapping[str, Any]]]]:
        """The records called `name` of each stage."""
        for path in self._files(name):
            yield self._name(path), (row for _, row in read_records(path) if isinstance(row, Mapping))

    def _files(self, name: str) -> list[Path]:
        """The files called `name` in the folders of stages."""
        return stage_files(self.run, name)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.run).as_posix()


def _choice(file: str, points: list[CurvePoint]) -> Choice:
    n = max(point.n for point in points)
    return Choice(file=file, n=n, accuracy={p.method.name: p.interval for p in points if p.n == n})


def _quality(name: str, found: StepQuality) -> str:
    return (
        f"{name}: step AUROC {found.auroc}, to the first error {found.auroc_to_first_error}, "
        f"first error {found.first_error_by_posterior}, ECE {found.ece}"
    )


def _is_orm(score: str) -> bool:
    """Whether the scores called `score` are an outcome model's, by their name: "orm", "orm_scores/last"."""
    return "orm" in score.lower().replace("-", "_").partition("/")[0].split("_")


def _counts(found: Mapping[str, int], unit: str, blank: str = "unknown") -> str:
    return ", ".join(f"{name or blank} ({count} {unit})" for name, count in sorted(found.items()))


def _mapping(path: Path) -> Mapping[str, Any]:
    found = _read(path)
    if not isinstance(found, Mapping):
        raise DataError(f"{path} must hold a mapping", got=found)
    return found


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not JSON: {error.msg}", mend="run the stage again") from error
