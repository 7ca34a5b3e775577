"""What every trace got, in a file of its own: so that scorers of different runs can be compared in pairs.

    {"key": ..., "problem": ..., "labels": [1, 0, null], "verdict": 0, "scores": {"prm": [0.9, 0.2, 0.1]}}

`key` is the hash of problem, steps, labels and verdict (`evaluated.row_key`), `problem` that of the problem's text;
`labels` are the hard view, `verdict` is null where the answer was not decided. Nothing is told twice: problem and steps
are where the traces are. Runs whose data have one content key hold the same rows, whatever their order; where a trace
stands twice, its copies are taken in order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from stepward.calibrate import problem_key
from stepward.errors import DataError
from stepward.evaluation.evaluated import row_key
from stepward.evaluation.material import Material
from stepward.metrics.bootstrap import ClusteredSteps
from stepward.search.replay import Pool, reduced
from stepward.types import Json

ROWS = "judged.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRow:
    """One trace with what scorers gave it."""

    key: str
    problem: str
    labels: tuple[bool | None, ...]
    verdict: bool | None
    """Whether the answer is right; None where that is not known."""
    scores: Mapping[str, tuple[float, ...]]


def rows_text(material: Material) -> str:
    """The file for `material`: one row a trace, baselines left out."""
    lines = []
    for key, labeled in material.labels.items():
        problem = material.problems[labeled.trace.problem_id]
        right = None if labeled.verdict is None else labeled.verdict.correct
        scores: dict[str, Json] = {
            name: list(entrant.scores[key].values)
            for name, entrant in material.entrants.items()
            if entrant.role != "baseline" and key in entrant.scores
        }
        row: dict[str, Json] = {
            "key": row_key(problem, labeled),
            "problem": problem_key(problem),
            "labels": [None if label is None else int(label.good) for label in labeled.labels],
            "verdict": None if right is None else int(right),
            "scores": scores,
        }
        lines.append(json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n")
    return "".join(lines)


def read_rows(path: Path) -> list[JudgedRow]:
    """The rows in the file at `path`, in order of their keys; `DataError` with the line for a damaged one."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            found.append(_row(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}, line {number} is no row of judged traces", mend="evaluate again") from error
    return sorted(found, key=lambda row: (row.problem, row.key))


def steps_of(rows: Sequence[JudgedRow], scorer: str) -> ClusteredSteps | None:
    """Every labelled step with what `scorer` gave it; None unless it scored every row."""
    if not all(scorer in row.scores for row in rows):
        return None
    steps = [
        (row.problem, score, label)
        for row in rows
        for score, label in zip(row.scores[scorer], row.labels, strict=True)
        if label is not None
    ]
    if not steps:
        return None
    problems, scores, good = zip(*steps, strict=True)
    return ClusteredSteps(scores_S=scores, good_S=good, problem_S=problems)


def pools_of(rows: Sequence[JudgedRow], scorer: str, how: str) -> list[Pool]:
    """The decided traces of each problem, with the scores of `scorer`, who scored them all, reduced by `how`."""
    decided = [row for row in rows if row.verdict is not None]
    return [
        Pool(
            problem_id=problem,
            answers=(None,) * len(own),
            correct=tuple(bool(row.verdict) for row in own),
            scores={scorer: reduced([row.scores[scorer] for row in own], how)},
        )
        for problem, group in groupby(decided, key=lambda row: row.problem)
        if (own := list(group))
    ]


def _row(value: Mapping[str, object]) -> JudgedRow:
    labels, scores, verdict = value["labels"], value["scores"], value["verdict"]
    if not (isinstance(labels, list) and isinstance(scores, Mapping)):
        raise TypeError
    read = {str(name): tuple(float(each) for each in given) for name, given in scores.items()}
    if any(len(given) != len(labels) for given in read.values()):
        raise ValueError
    return JudgedRow(
        key=str(value["key"]),
        problem=str(value["problem"]),
        labels=tuple(None if label is None else bool(label) for label in labels),
        verdict=None if verdict is None else bool(verdict),
        scores=read,
    )
