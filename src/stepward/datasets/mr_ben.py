"""MR-Ben: model solutions in several subjects; experts say right or wrong and name the first error step.

`Model_Solution_First_Error_Step` is 1-based text, or "N/A". It counts the "Step k" headers that stand in
the text, while `Model_Solution_Steps` holds lines: in about a quarter of the rows a step takes several
lines, and the number read as a position in the list would mark the wrong place (at least 287 of 1,949 errors). So:

    headers 1, 2, ..., m in order   lines from one header to the next are joined to one step, and the
                                    error is the step whose header says so;
    no headers                      each line that is not blank is a step, counted from 1;
    headers in any other order      steps as above; a row with an error is dropped and counted, because
                                    its number cannot be placed.

A question's solutions sometimes spell its options differently ("None" has become "nan"): the first solution's
spelling is the problem, and the others are counted. Its options also stand in its meta, as "options". Labels target
the prefix. The row's right or wrong judges the reasoning, so no verdict on the answer is given; it stays in `meta`.
Licence: MIT. Paper: MR-Ben, arXiv 2406.13975.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stepward.datasets.blanks import without_blanks
from stepward.datasets.human import After, check_after, first_error_labels
from stepward.datasets.lines import Place, Source, read_document
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, check_columns
from stepward.segment.cut import from_steps
from stepward.types import Json, LabeledTrace, Origin, Problem

COLUMNS = Columns(
    required=(
        "Question_UUID",
        "Question",
        "Model_Solution_Steps",
        "Model_Solution_Correctness",
        "Model_Solution_First_Error_Step",
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
HEADER = re.compile(r"\W*Step (\d+)")
OPTION = re.compile(r"(?m)^(?=[A-J]\s?[:.)])")
LABELER = Origin(maker="human:mr_ben")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A solution's steps, and whether an error number can be placed among them."""

    steps: tuple[str, ...]
    placeable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MrBen:
    """Reads one subject's file: a JSON object of lists, one list a question."""

    after: After = "drop"
    extra: Extra = "refuse"

    def __post_init__(self) -> None:
        check_after(self.after)

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example for each solution whose error can be placed."""
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
        with row.blame("Model_Solution_Steps"):
            layout = lay_out(without_blanks(row.texts("Model_Solution_Steps"), tally).steps)
        first = _first_error(row)
        if first is not None and not layout.placeable:
            tally.drop("error number cannot be placed: step headers out of order")
            return None
        if first is not None and first >= len(layout.steps):
            tally.drop("error number is beyond the last step")
            return None
        with row.blame("Model_Solution_Steps"):
            trace = from_steps(
                problem.id, layout.steps, separator="\n", origin=_writer(row), meta=_meta(row, wrong=first is not None)
            )
        with row.blame("Model_Solution_First_Error_Step"):
            labels = first_error_labels(len(trace), first, origin=LABELER, after=self.after)
        return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels))


def lay_out(lines: Sequence[str]) -> Layout:
    """The steps of a solution given as lines that are not blank."""
    heads = [int(found.group(1)) if (found := HEADER.match(line)) else None for line in lines]
    numbers = [head for head in heads if head is not None]
    if not numbers:
        return Layout(steps=tuple(lines), placeable=True)
    if numbers != list(range(1, len(numbers) + 1)):
        return Layout(steps=tuple(lines), placeable=False)
    blocks: list[list[str]] = [[]]
    for line, head in zip(lines, heads, strict=True):
        if head is not None and head > 1:
            blocks.append([])
        blocks[-1].append(line)
    return Layout(steps=tuple("\n".join(block) for block in blocks), placeable=True)


def _first_error(row: Row) -> int | None:
    """The 0-based first error step; None where the solution is right."""
    name, number = "Model_Solution_First_Error_Step", row.text("Model_Solution_First_Error_Step").strip()
    wrong = row.text("Model_Solution_Correctness").strip().lower()
    if wrong not in ("correct", "incorrect"):
        raise row.error("Model_Solution_Correctness", 'must be "correct" or "incorrect"', got=wrong)
    if (wrong == "incorrect") != number.isdecimal() or number == "0":
        raise row.error(name, f'must be a number from 1 or "N/A", and the solution is {wrong}', got=number)
    return int(number) - 1 if number.isdecimal() else None


def _writer(row: Row) -> Origin:
    return Origin(maker=f"policy:{row.text('Sampled_Model')}" if row.has("Sampled_Model") else "unknown")


def _meta(row: Row, *, wrong: bool) -> dict[str, Json]:
    meta: dict[str, Json] = {"correctness": row.text("Model_Solution_Correctness"), **row.extras}
    if wrong and row.has("Model_Solution_Error_Reason"):
        meta["reason"] = row.get("Model_Solution_Error_Reason")
    return meta


def _problem(row: Row) -> Problem:
    options = row.text("Options") if row.has("Options") else ""
    text = row.filled("Question") + (f"\n{options}" if options.strip() else "")
    listed: list[Json] = [option.strip() for option in OPTION.split(options)[1:]]
    return Problem(
        id=row.filled("Question_UUID"),
        text=text,
        answer=row.text("Ground_Truth_Answer") if row.has("Ground_Truth_Answer") else None,
        answer_kind="choice" if options.strip() else "exact",
        domain=row.text("Subject") if row.has("Subject") else "",
        meta={"options": listed} if len(listed) > 1 else {},
    )
