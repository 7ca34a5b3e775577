"""Writes Stepward's own JSON lines (`native.py` says how they look).

Read again, a row gives an equal problem, text, spans, labels and outcome. Steps are written as they stand and
joined by nothing. Not in this form, because it is for people: spend, scores, a segmenter's name, and the answer and
reason of a verdict. Run folders keep whole records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from stepward.datasets.exchange import Written
from stepward.datasets.lines import Source
from stepward.datasets.reading import Example
from stepward.datasets.writing import write_objects
from stepward.errors import LabelError
from stepward.types import UNKNOWN, Json, LabeledTrace, Origin, Problem, StepLabel


def write_problems(path: Source, problems: Iterable[Problem]) -> int:
    """Write problems; the number of rows."""
    return write_objects(path, (_problem(problem) for problem in problems))


def write_examples(path: Source, examples: Iterable[Example]) -> int:
    """Write examples; the number of rows. `LabelError` where the labels of a trace differ in source or origin."""
    return write_objects(path, (_example(example) for example in examples))


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeWriter:
    """Writes our own rows: every step, labelled or not, with counts, targets and origins."""

    def write(self, path: Source, examples: Iterable[Example]) -> Written:
        """Write `examples`. `LabelError` where the labels of a trace differ in source or origin."""
        lost: Counter[str] = Counter()

        def counted() -> Iterable[Example]:
            for example in examples:
                lost["scorers"] += len(example.scores)
                lost["kinds of steps"] += sum(step.kind != "thought" for step in example.labeled.trace.steps)
                lost["images of problems"] += len(example.problem.parts)
                yield example

        rows = write_examples(path, counted())
        return Written(rows=rows, lost={name: count for name, count in lost.items() if count})


def _problem(problem: Problem) -> dict[str, Json]:
    row: dict[str, Json] = {"id": problem.id, "problem": problem.text}
    if problem.answer is not None:
        row["answer"] = problem.answer
    if problem.answer_kind != "math":
        row["answer_kind"] = problem.answer_kind
    if problem.domain:
        row["domain"] = problem.domain
    if problem.meta:
        row["meta"] = problem.meta
    return row


def _example(example: Example) -> dict[str, Json]:
    labeled = example.labeled
    trace = labeled.trace
    row = _problem(example.problem) | {"steps": list(trace.step_texts), "separator": ""}
    if trace.answer is not None:
        row["stated"] = trace.answer
    if trace.finish != "stop":
        row["finish"] = trace.finish
    if trace.origin != UNKNOWN:
        row["origin"] = _origin(trace.origin)
    if trace.meta:
        row["trace_meta"] = trace.meta
    if labeled.verdict is not None:
        row["verdict"] = labeled.verdict.outcome
    return row | _labels(labeled)


def _labels(labeled: LabeledTrace) -> dict[str, Json]:
    made = {(label.source, _frozen(label.origin)) for label in labeled.labels if label is not None}
    first = next((label for label in labeled.labels if label is not None), None)
    if first is None:
        return {}
    if len(made) > 1:
        raise LabelError(
            f"the labels of trace {labeled.trace.id} come from different labelers", mend="write them to separate files"
        )
    row: dict[str, Json] = {"labels": [_label(label) for label in labeled.labels], "target": first.target}
    row["source"] = first.source
    if first.origin != UNKNOWN:
        row["labeler"] = _origin(first.origin)
    return row


def _label(label: StepLabel | None) -> Json:
    if label is None:
        return None
    if label.successes is None and not label.note:
        return label.value
    full: dict[str, Json] = {"value": label.value, "successes": label.successes, "trials": label.trials}
    return full | {"note": label.note}


def _frozen(origin: Origin) -> str:
    return repr(sorted(_origin(origin).items()))


def _origin(origin: Origin) -> dict[str, Json]:
    return {
        "maker": origin.maker,
        "revision": origin.revision,
        "settings": dict(origin.settings),
        "seed": origin.seed,
    }
