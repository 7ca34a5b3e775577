"""The researcher's checklist, answered from a run's own records, or "not in this run".

What is a step? Who labelled them? How good is the PRM alone? Does choosing by the PRM beat choosing by an ORM, at the
same n? What did it cost? Where does it fail? Each answer names the files that prove it. Any run will do: what stage
`evaluate` records is read first, then what the stages `label`, `judge_steps` and `select` left behind.

Whether scores are a PRM's or an ORM's is what the checkpoint's card says, as the stage that scored recorded it. Scores
without a card, which came with a file, are told by their name; the answer then says so.
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
from stepward.evaluation.evaluated import FILE, Evaluated, Kind, kind_in, read_evaluated, stage_files
from stepward.evaluation.families import in_family, student_p
from stepward.evaluation.steps import StepQuality
from stepward.metrics.bootstrap import Interval
from stepward.search.replay import CurvePoint
from stepward.storage.jsonl import read_records
from stepward.storage.run import CONFIG, SPEND, STAGES
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
    kinds: Mapping[str, Kind]
    """By scorer, as its card says; a scorer without a card is not there."""


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
                    yield Said(text=_quality(each.name, each.steps, each.kind), file=file)
        for path in self._files("quality.json"):
            for name, value in _mapping(path).items():
                if isinstance(value, Mapping) and "auroc" in value:
                    kind = kind_in(self._result(name))
                    yield Said(text=_quality(name, from_json(StepQuality, value), kind), file=self._name(path))

    def choices(self) -> Iterator[Said]:
        """Best of the largest n by PRM, by ORM and by vote."""
        for choice in self._choices():
            best = {name.partition(":")[2]: i for name, i in choice.accuracy.items() if name.startswith("best:")}
            if best:
                yield Said(text=_compared(choice, best), file=choice.file)
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
        return [(self._name(path), read_evaluated(path)) for path in self._files(FILE)]

    def _choices(self) -> Iterator[Choice]:
        for file, record in self._evaluations():
            if record.curves:
                kinds = {each.name: each.kind for each in record.scorers if each.kind}
                yield _choice(file, list(record.curves), kinds)
        for path in self._files("curves.json"):
            points = [from_json(CurvePoint, value) for value in _read(path)]
            yield _choice(self._name(path), points, self._kinds(points))

    def _kinds(self, points: list[CurvePoint]) -> dict[str, Kind]:
        """By name of the scores in `points`, which is that of the stage that scored, the kind that it recorded."""
        found: dict[str, Kind] = {}
        for name in {_scorer(point.method.score) for point in points} - {""}:
            kind = kind_in(self._result(name))
            if kind:
                found[name] = kind
        return found

    def _result(self, stage: str) -> Any:
        """What `stage` recorded when it was finished; None for no such stage."""
        path = self.run / STAGES / f"{stage}.json"
        return _mapping(path).get("result") if path.is_file() else None

    def _differences(self) -> Iterator[tuple[str, str]]:
        for file, record in self._evaluations():
            for each in record.differences:
                raised = "" if each.test is None else f", {each.test}"
                yield file, f"{each.method} less {each.less}, paired: {each.interval}{raised}"
        for path in self._files("differences.json"):
            yield from self._selected(path)

    def _selected(self, path: Path) -> Iterator[tuple[str, str]]:
        """The differences of a `select` stage, tested as one family over its problems."""
        found = {pair: from_json(Interval, value) for pair, value in _mapping(path).items()}
        result = self._result(path.parent.name)
        problems = int(result.get("problems", 0)) if isinstance(result, Mapping) else 0
        tests = in_family([student_p(each, problems) if problems else None for each in found.values()])
        for (pair, each), test in zip(found.items(), tests, strict=True):
            first, _, second = pair.partition(" - ")
            raised = "" if test is None else f", {test}"
            yield self._name(path), f"{first} less {second}, paired: {each}{raised}"

    def _rows(self, name: str) -> Iterator[tuple[str, Iterator[Mapping[str, Any]]]]:
        """The records called `name` of each stage."""
        for path in self._files(name):
            yield self._name(path), (row for _, row in read_records(path) if isinstance(row, Mapping))

    def _files(self, name: str) -> list[Path]:
        """The files called `name` in the folders of stages."""
        return stage_files(self.run, name)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.run).as_posix()


def _choice(file: str, points: list[CurvePoint], kinds: Mapping[str, Kind]) -> Choice:
    n = max(point.n for point in points)
    return Choice(file=file, n=n, accuracy={p.method.name: p.interval for p in points if p.n == n}, kinds=kinds)


def _compared(choice: Choice, best: Mapping[str, Interval]) -> str:
    """PRMs, then ORMs, then a vote and one sample, at one n."""
    outcome = {name: _is_orm(name, choice.kinds) for name in best}
    rows = [(name, i) for name, i in best.items() if not outcome[name]]
    rows += [(name, i) for name, i in best.items() if outcome[name]]
    rows += [(name, choice.accuracy[name]) for name in ("majority", "first") if name in choice.accuracy]
    told = ", ".join(f"{_shown(name, outcome)} {interval}" for name, interval in rows)
    notes = [f"{kind} + N: not in this run" for kind, there in _kinds_there(outcome).items() if not there]
    unsaid = sorted({_scorer(name) for name in best} - set(choice.kinds))
    notes += [f"no card says what {', '.join(unsaid)} is; its name was taken for it"] if unsaid else []
    return f"n = {choice.n}: {told}" + (f" ({'; '.join(notes)})" if notes else "")


def _kinds_there(outcome: Mapping[str, bool]) -> dict[str, bool]:
    return {"PRM": not all(outcome.values()), "ORM": any(outcome.values())}


def _shown(name: str, outcome: Mapping[str, bool]) -> str:
    """A way of choosing with the kind of scorer behind it."""
    return name if name not in outcome else f"{'ORM' if outcome[name] else 'PRM'} {name}"


def _scorer(score: str) -> str:
    """The scorer of the scores called `score`, such as "prm/min"."""
    return score.rpartition("/")[0] or score


def _quality(name: str, found: StepQuality, kind: Kind) -> str:
    told = f"{kind.upper()} {name}" if kind else name
    return (
        f"{told}: step AUROC {found.auroc}, to the first error {found.auroc_to_first_error}, "
        f"first error {found.first_error_by_posterior}, ECE {found.ece}"
    )


def _is_orm(score: str, kinds: Mapping[str, Kind]) -> bool:
    """Whether the scores called `score` are an outcome model's: by its card, else by a name such as "orm_scores"."""
    known = kinds.get(_scorer(score))
    if known is not None:
        return known == "orm"
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
