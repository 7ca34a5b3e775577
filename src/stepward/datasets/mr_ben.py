"""MR-Ben: model solutions in several subjects; experts say right or wrong and name the first error step.

`Model_Solution_First_Error_Step` is 1-based text, or "N/A". It counts the "Step k" headers that stand in
the text, while `Model_Solution_Steps` holds lines: in about a quarter of the rows a step takes several
lines, and the number read as a position in the list would mark the wrong place (at least 287 of 1,949 errors). So:

    headers 1, 2, ..., m in order   lines from one header to the next are joined to one step, and the
                                    error is the step whose header says so;
    no headers                      each line that is not blank is a step, counted from 1;
    headers in any other order      steps as above; the number of an error cannot be placed;
    one text, not lines (coding)    its lines that are not blank are the steps, and the error is named by the text of
                                    its line; where that is blank, or stands twice, it cannot be placed.

What becomes of a wrong solution whose error has no place, or a number beyond the last step, is the choice `unplaced`
(`first_error_place`).

A question's solutions sometimes spell its options differently ("None" has become "nan"): the first solution's
spelling is the problem, and the others are counted. Its options also stand in its meta, as "options". Labels target
the prefix. The row's right or wrong judges the reasoning, so no verdict on the answer is given; it stays in `meta`.
Licence: MIT. Paper: MR-Ben, arXiv 2406.13975.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from stepward.datasets.blanks import without_blanks
from stepward.datasets.first_error_place import (
    Marked,
    Unplaced,
    check_unplaced,
    lay_out,
    marked_by_line,
    marked_by_number,
)
from stepward.datasets.human import After, check_after
from stepward.datasets.lines import Place, Source, read_document
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, check_columns, decimal
from stepward.segment.cut import from_steps
from stepward.types import Json, LabeledTrace, Origin, Problem

STEPS = "Model_Solution_Steps"
CORRECTNESS = "Model_Solution_Correctness"
FIRST = "Model_Solution_First_Error_Step"
COLUMNS = Columns(
    required=(
        "Question_UUID",
        "Question",
        STEPS,
        CORRECTNESS,
        FIRST,
    ),
    optional=(
        "Subject",
        "Options",
        "Ground_Truth_Analysis",
        "Ground_Truth_Answer",
        "Ground_Truth_Answer_Modified",
        "Sampled_Model",
        "Model_Solution_Error_Reason",
        "Model_Solution_Rectified_First_Error_Step",
    ),
)
OPTION = re.compile(r"(?m)^(?=[A-J]\s?[:.)])")
LABELER = Origin(maker="human:mr_ben")


@dataclass(frozen=True, slots=True, kw_only=True)
class MrBen:
    """Reads one subject's file: a JSON object of lists, one list a question."""

    after: After = "drop"
    unplaced: Unplaced = "drop"
    extra: Extra = "refuse"

    def __post_init__(self) -> None:
        check_after(self.after)
        check_unplaced(self.unplaced)

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example for each solution, or for each whose error can be placed."""
        for place, key, solutions in read_document(path):
            problem: Problem | None = None
            for row in Row(Place(place.path, place.line), {key: solutions}).rows(key):
                tally.rows += 1
                checked = check_columns(row, COLUMNS, tally, self.extra)
                own = _problem(checked)
                problem = problem or own
                tally.note("solutions whose question reads otherwise than its first", int(own != problem))
                example = self._example(checked, problem, tally)
                if example is not None:
                    yield example

    def _example(self, row: Row, problem: Problem, tally: Tally) -> Example | None:
        marked = _marked(row, tally)
        if not marked.kept(self.unplaced, tally):
            return None
        meta = _meta(row) | marked.meta
        with row.blame(STEPS):
            trace = from_steps(problem.id, marked.steps, separator="\n", origin=_writer(row), meta=meta)
        labels = marked.labels(origin=LABELER, after=self.after)
        return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels))


def _marked(row: Row, tally: Tally) -> Marked:
    told, wrong = row.text(FIRST).strip(), _is_wrong(row)
    program = isinstance(row.get(STEPS), str)
    with row.blame(STEPS):
        lines = without_blanks(row.text(STEPS).split("\n") if program else row.texts(STEPS), tally).steps
    if program:
        return marked_by_line(told, lines) if wrong else Marked(steps=lines)
    number = decimal(told)
    if wrong != (number is not None) or number == 0:
        said = "incorrect" if wrong else "correct"
        raise row.error(FIRST, f'must be a number from 1 or "N/A", and the solution is {said}', got=told)
    marked = marked_by_number(None if number is None else number - 1, lay_out(lines))
    if marked.first is not None and marked.first >= len(marked.steps):
        return Marked(steps=marked.steps, unplaced="error number is beyond the last step")
    return marked


def _is_wrong(row: Row) -> bool:
    said = row.text(CORRECTNESS).strip().lower()
    if said not in ("correct", "incorrect"):
        raise row.error(CORRECTNESS, 'must be "correct" or "incorrect"', got=said)
    return said == "incorrect"


def _writer(row: Row) -> Origin:
    return Origin(maker=f"policy:{row.text('Sampled_Model')}" if row.has("Sampled_Model") else "unknown")


def _meta(row: Row) -> dict[str, Json]:
    meta: dict[str, Json] = {"correctness": row.text(CORRECTNESS), **row.extras}
    if _is_wrong(row) and row.has("Model_Solution_Error_Reason"):
        meta["reason"] = row.get("Model_Solution_Error_Reason")
    return meta


def _problem(row: Row) -> Problem:
    options = row.text("Options") if row.has("Options") else ""
    text = row.filled("Question") + (f"\n{options}" if options.strip() else "")
    listed: list[Json] = [option.strip() for option in OPTION.split(options)[1:]]
    return Problem(
        id=row.filled("Question_UUID"),
        text=text,
        answer=(row.text("Ground_Truth_Answer") or None) if row.has("Ground_Truth_Answer") else None,
        answer_kind="choice" if options.strip() else "exact",
        domain=row.text("Subject") if row.has("Subject") else "",
        meta={"options": listed} if len(listed) > 1 else {},
    )
