"""PRMBench's training form: errors of eight classes that a model injected into right PRM800K solutions.

`error_steps` are 1-based; every other step is taken as it was, so the labels target validity, not the
prefix: steps after an error may be good. In the classes "circular" and "redundency" (sic) the marked steps
are not false but beside the point. Source of the labels is the injecting model: "judge". Rows whose error
lies outside the solution (57 of 3203) or on a blank step are dropped and counted.
The test files are a benchmark: never training text. Licence: Apache-2.0. Paper: PRMBench, arXiv 2501.03124.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stepward.datasets.blanks import without_blanks
from stepward.datasets.lines import Source
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, read_rows
from stepward.segment.cut import from_steps
from stepward.types import LabeledTrace, Origin, Problem, StepLabel, content_key

COLUMNS = Columns(
    required=("modified_question", "modified_process", "error_steps", "idx", "classification"),
    optional=("original_question", "original_process", "modified_steps", "reason", "question"),
    identity=("classification", "idx"),
)
INJECTOR = Origin(maker="judge:prmbench")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrmBench:
    """Reads JSON lines of modified solutions."""

    extra: Extra = "refuse"

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example a row whose errors can be placed; class and reason are in `meta`."""
        for row in read_rows(path, COLUMNS, tally, self.extra):
            example = _example(row, tally)
            if example is not None:
                yield example


def _example(row: Row, tally: Tally) -> Example | None:
    steps, errors = row.texts("modified_process"), row.integers("error_steps")
    if any(not 1 <= error <= len(steps) for error in errors):
        tally.drop("an error step lies outside the solution")
        return None
    if any(not step.strip() for step in steps) and errors:
        tally.drop("blank steps make the error number ambiguous")
        return None
    with row.blame("modified_process"):
        filled = without_blanks(steps, tally)
    text, kind = row.filled("modified_question"), row.text("classification")
    problem = Problem(id=f"math-{content_key(text)}", text=text, domain="math")
    meta = {"idx": row.text("idx"), "error_class": kind, "reason": row.values.get("reason"), **row.extras}
    with row.blame("modified_process"):
        trace = from_steps(problem.id, filled.steps, origin=Origin(maker="policy:prmbench"), meta=meta)
    wrong = {error - 1 for error in errors}
    labels = tuple(
        StepLabel(target="validity", value=float(index not in wrong), source="judge", origin=INJECTOR, note=note)
        for index, note in ((index, kind if index in wrong else "") for index in range(len(trace)))
    )
    return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels))
