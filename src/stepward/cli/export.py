"""Writes what a run's stage made to a file that people read: JSON lines, one trace a row."""

from __future__ import annotations

from pathlib import Path

from stepward.codec import from_json
from stepward.datasets.native_write import write_examples
from stepward.datasets.reading import Example
from stepward.errors import ConfigError
from stepward.storage.jsonl import read_records
from stepward.types import Json, LabeledTrace, Problem, Trace


def export_stage(run: Path, stage: str, source: str, out: Path) -> int:
    """Write the traces or labels of `stage`, with the problems of `source`; the number of rows."""
    problems = {key: from_json(Problem, value) for key, value in read_records(run / source / "problems.jsonl")}
    labels = run / stage / "labels.jsonl"
    if labels.exists():
        labelled = [from_json(LabeledTrace, value) for _, value in read_records(labels)]
    else:
        rows = read_records(run / stage / "traces.jsonl")
        labelled = [_unlabelled(value) for _, value in rows]
    if not labelled:
        raise ConfigError(f"stage {stage!r} made nothing to write", got=str(run))
    return write_examples(out, (Example(problem=problems[x.trace.problem_id], labeled=x) for x in labelled))


def _unlabelled(value: Json) -> LabeledTrace:
    trace = from_json(Trace, value)
    return LabeledTrace(trace=trace, labels=(None,) * len(trace))
