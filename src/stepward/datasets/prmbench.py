"""PRMBench's training form: errors of eight classes that a model injected into right PRM800K solutions.

`error_steps` are 1-based; every other step is taken as it was, so the labels target validity, not the
prefix: steps after an error may be good. In the classes "circular" and "redundency" (sic) the marked steps
are not false but beside the point. Source of the labels is the injecting model: "judge". An error number may lie
outside the solution (57 of 3203 rows here):

    outside="drop"     such rows, and rows where a blank step makes the number ambiguous, are dropped and counted
    outside="refuse"   they are an error
    outside="ignore"   the row stays, the number marks nothing and is counted: what the benchmark's own script does

The test files are a benchmark: never training text. Their rows of the class "redundency" also bring the unmodified
solution; with `originals` it is given once per `idx`, of class "correct". An `idx` may stand once in a class: five of
the class "multi_solutions" stand twice, with two different solutions.

    repeated="refuse"   that is a `ConflictError`
    repeated="first"    the first stays, the other is dropped and counted: what the benchmark's own script does
Licence: Apache-2.0. Paper: PRMBench, arXiv 2501.03124.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from stepward.datasets.blanks import Filled, without_blanks
from stepward.datasets.lines import Source
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, read_rows
from stepward.errors import ConfigError
from stepward.segment.cut import from_steps
from stepward.types import LabeledTrace, Origin, Problem, StepLabel, content_key

COLUMNS = Columns(
    required=("modified_question", "modified_process", "error_steps", "idx", "classification"),
    optional=(
        "original_question",
        "original_process",
        "modified_steps",
        "reason",
        "question",
        "ground_truth",
        "original_response",
    ),
    identity=("classification", "idx"),
)
INJECTOR = Origin(maker="judge:prmbench")
HOLDS_ORIGINALS, RIGHT = "redundency", "correct"
Outside: TypeAlias = Literal["drop", "refuse", "ignore"]
Repeated: TypeAlias = Literal["refuse", "first"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrmBench:
    """Reads JSON lines of modified solutions."""

    outside: Outside = "drop"
    originals: bool = False
    """Give the unmodified solutions too."""
    repeated: Repeated = "refuse"
    extra: Extra = "refuse"

    def __post_init__(self) -> None:
        if self.outside not in get_args(Outside):
            raise ConfigError('outside must be "drop", "refuse" or "ignore"', got=self.outside)
        if self.repeated not in get_args(Repeated):
            raise ConfigError('repeated must be "refuse" or "first"', got=self.repeated)

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example a row whose errors can be placed, and its original; class and reason are in `meta`."""
        for row in read_rows(path, COLUMNS, tally, self.extra, first_of_repeated=self.repeated == "first"):
            if self.originals and row.text("classification") == HOLDS_ORIGINALS:
                yield _example(row, _Solution.of(row, "original", tally), RIGHT, set())
            solution = _Solution.of(row, "modified", tally)
            wrong = self._wrong(row, solution, tally)
            if wrong is not None:
                yield _example(row, solution, row.text("classification"), wrong)

    def _wrong(self, row: Row, solution: _Solution, tally: Tally) -> set[int] | None:
        """Indexes of the wrong steps; None where the row is dropped."""
        errors, count = row.integers("error_steps"), len(solution.given)
        outside = [error for error in errors if not 1 <= error <= count]
        blank = any(not step.strip() for step in solution.given) and bool(errors)
        if outside and self.outside == "refuse":
            raise row.error("error_steps", f"must be steps from 1 to {count}", got=outside)
        if outside and self.outside == "drop":
            tally.drop("an error step lies outside the solution")
            return None
        if blank and self.outside == "drop":
            tally.drop("blank steps make the error number ambiguous")
            return None
        tally.note("error numbers outside their solution, which mark nothing", len(outside))
        moved = [solution.filled.moved[error - 1] for error in errors if 1 <= error <= count]
        tally.note("error numbers on a blank step, which mark nothing", moved.count(None))
        return {index for index in moved if index is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Solution:
    """The question and steps of a row."""

    question: str
    given: list[str]
    filled: Filled
    field: str

    @classmethod
    def of(cls, row: Row, which: str, tally: Tally) -> _Solution:
        """What the row tells under the prefix `which`, original or modified."""
        name = f"{which}_process"
        given = row.texts(name)
        with row.blame(name):
            return cls(
                question=row.filled(f"{which}_question"), given=given, filled=without_blanks(given, tally), field=name
            )


def _example(row: Row, solution: _Solution, kind: str, wrong: set[int]) -> Example:
    text = solution.question
    problem = Problem(id=f"math-{content_key(text)}", text=text, domain="math")
    meta = {"idx": row.text("idx"), "error_class": kind, "reason": row.values.get("reason"), **row.extras}
    with row.blame(solution.field):
        trace = from_steps(problem.id, solution.filled.steps, origin=Origin(maker="policy:prmbench"), meta=meta)
    labels = tuple(
        StepLabel(target="validity", value=float(index not in wrong), source="judge", origin=INJECTOR, note=note)
        for index, note in ((index, kind if index in wrong else "") for index in range(len(trace)))
    )
    return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels))
