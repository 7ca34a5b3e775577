"""MR-GSM8K: solutions to GSM8K questions and two variations; people say right or wrong and name the first error step.

`model_output_solution_first_error_step` is 1-based, or "N/A"; where the steps carry "Step k" headers it counts those,
as in MR-Ben. Where the headers are out of order it has no place (`unplaced`, see `first_error_place`). A number beyond
the last step is refused. The verdict is the one on the
*answer*; whether the reasoning is right is told by the labels. This is a benchmark: never training text. Licence: see
its release. Paper: arXiv 2312.17080.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stepward.datasets.blanks import without_blanks
from stepward.datasets.first_error_place import Unplaced, check_unplaced, lay_out, marked_by_number
from stepward.datasets.human import After, check_after
from stepward.datasets.lines import Source
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, decimal, read_rows
from stepward.segment.cut import from_steps
from stepward.types import Json, LabeledTrace, Origin, Problem, Verdict, content_key

CORRECT = "model_output_solution_correctness"
FIRST = "model_output_solution_first_error_step"
REASON = "model_output_solution_first_error_reason"
ANSWER = "model_output_answer_correctness"
COLUMNS = Columns(
    required=("uuid", "question", "model_output_steps", CORRECT, FIRST),
    optional=("ground_truth_solution", "ground_truth_answer", ANSWER, REASON, "question_type"),
    identity=("uuid",),
)
LABELER = Origin(maker="human:mr_gsm8k")
WRITER = Origin(maker="policy:mr_gsm8k")
NONE = ("N/A", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class MrGsm8k:
    """Reads a JSON array or JSON lines of marked solutions."""

    after: After = "drop"
    unplaced: Unplaced = "drop"
    extra: Extra = "refuse"

    def __post_init__(self) -> None:
        check_after(self.after)
        check_unplaced(self.unplaced)

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example for each solution, or for each whose error can be placed."""
        for row in read_rows(path, COLUMNS, tally, self.extra):
            example = self._example(row, tally)
            if example is not None:
                yield example

    def _example(self, row: Row, tally: Tally) -> Example | None:
        first = _first_error(row)
        with row.blame("model_output_steps"):
            marked = marked_by_number(first, lay_out(without_blanks(row.texts("model_output_steps"), tally).steps))
        if not marked.kept(self.unplaced, tally):
            return None
        text = row.filled("question")
        answer = row.values.get("ground_truth_answer")
        problem = Problem(
            id=f"math-{content_key(text)}", text=text, answer=None if answer is None else str(answer), domain="math"
        )
        meta: dict[str, Json] = {"uuid": row.get("uuid"), **row.extras, **marked.meta}
        meta |= {name: row.get(name) for name in ("question_type", REASON) if row.has(name)}
        with row.blame(FIRST):
            labels = marked.labels(origin=LABELER, after=self.after)
        trace = from_steps(problem.id, marked.steps, separator="\n", origin=WRITER, meta=meta)
        return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels, verdict=_verdict(row)))


def _first_error(row: Row) -> int | None:
    """The 0-based first error step; None where the solution is right."""
    told = row.get(FIRST)
    number = decimal(str(told)) if isinstance(told, str | int) and not isinstance(told, bool) else None
    right, none = _is_right(row, CORRECT), told is None or (isinstance(told, str) and told.strip() in NONE)
    if right != none or not (none or (number is not None and number > 0)):
        said = "right" if right else "wrong"
        raise row.error(FIRST, f'must be a number from 1, or "N/A", and the solution is {said}', got=told)
    return None if number is None else number - 1


def _is_right(row: Row, name: str) -> bool:
    said = row.text(name).strip().lower()
    if said not in ("correct", "wrong", "incorrect"):
        raise row.error(name, 'must be "correct" or "wrong"', got=said)
    return said == "correct"


def _verdict(row: Row) -> Verdict | None:
    if not row.has(ANSWER):
        return None
    return Verdict(outcome="equal" if _is_right(row, ANSWER) else "different", reason="as the file states")
