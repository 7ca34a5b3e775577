"""Students' grade-school solutions in which a teacher marked the first wrong step (Verify-then-Generate).

Who the students are the file does not say. In MathDial, whose dialogues look the same, a language model plays them
(arXiv 2305.14536), so nothing here calls them people.

`incorrect_index` is 0-based and `incorrect_step` repeats that step's text: a row where the two disagree is
refused. Several teachers marked some of the solutions, and not always the same step; each mark is an
example of its own (see `repeats.one_per_trace`). The last step is often the bare answer.

With `corrected` the solution that the student came to in the end follows each row, a line a step, mostly one. The
authors' script takes it for right; nobody rated its steps, so their labels are of source "outcome". Licence: CC-BY-4.0.
Paper: Stepwise Verification and Remediation of Student Reasoning Errors, arXiv 2407.09136.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stepward.datasets.blanks import without_blanks
from stepward.datasets.human import After, check_after, first_error_labels
from stepward.datasets.lines import Source
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, read_rows
from stepward.segment.cut import from_steps
from stepward.types import Json, LabeledTrace, Origin, Problem, StepLabel, content_key

CORRECTED = "student_correct_response"
COLUMNS = Columns(
    required=("problem", "student_incorrect_solution", "incorrect_index"),
    optional=(
        "incorrect_step",
        "error_category",
        "error_description",
        "topic",
        "reference_solution",
        "dialog_history",
        CORRECTED,
    ),
)
STUDENT = Origin(maker="given:student")
TEACHER = Origin(maker="human:verify_then_generate")
ENDED_RIGHT = StepLabel(target="prefix", value=1.0, source="outcome", origin=Origin(maker="given:verify_then_generate"))


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyThenGenerate:
    """Reads the data set's JSON array."""

    after: After = "drop"
    corrected: bool = False
    """Give the corrected solutions too; rows without one are counted."""
    extra: Extra = "refuse"

    def __post_init__(self) -> None:
        check_after(self.after)

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example a row, and its correction; category and description are in the trace's `meta`."""
        for row in read_rows(path, COLUMNS, tally, self.extra):
            yield self._example(row)
            if self.corrected and row.has(CORRECTED):
                yield _correction(row, tally)
            tally.note("rows without a corrected solution", int(self.corrected and not row.has(CORRECTED)))

    def _example(self, row: Row) -> Example:
        steps, wrong = row.texts("student_incorrect_solution"), row.integer("incorrect_index")
        with row.blame("incorrect_index"):
            labels = first_error_labels(len(steps), wrong, origin=TEACHER, after=self.after)
        if row.has("incorrect_step") and row.text("incorrect_step").strip() != steps[wrong].strip():
            raise row.error("incorrect_step", f"must repeat step {wrong}", got=row.text("incorrect_step"))
        problem = _problem(row)
        kept: dict[str, Json] = {
            name: row.values[name] for name in ("error_category", "error_description") if row.has(name)
        }
        with row.blame("student_incorrect_solution"):
            trace = from_steps(problem.id, steps, separator="\n", origin=STUDENT, meta={**kept, **row.extras})
        return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels))


def _correction(row: Row, tally: Tally) -> Example:
    problem = _problem(row)
    with row.blame(CORRECTED):
        lines = without_blanks(row.text(CORRECTED).split("\n"), tally).steps
        trace = from_steps(problem.id, lines, separator="\n", origin=STUDENT)
    return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=(ENDED_RIGHT,) * len(trace)))


def _problem(row: Row) -> Problem:
    text = row.filled("problem")
    meta: dict[str, Json] = {name: row.values[name] for name in ("topic", "reference_solution") if row.has(name)}
    return Problem(id=f"pupil-{content_key(text)}", text=text, domain="arithmetic", meta=meta)
