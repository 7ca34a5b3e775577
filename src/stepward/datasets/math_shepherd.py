"""Math-Shepherd's string form.

`input` is question and steps, each step followed by the marker " ки"; `label` is the same text with "+", "-"
or a number in [0, 1] where the markers stand.

A "+" says that at least one completion from that step reached the right answer: a Monte-Carlo value, not
correctness. The counts are not in the file. The question ends where "Step 1:" begins. Steps are joined by newlines.
A marker that does not fit its label is refused: nothing is guessed. Licence of the samples in circulation: MIT.
Paper: Math-Shepherd, arXiv 2312.08935.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stepward.datasets.lines import Source
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, read_rows
from stepward.datasets.writing import write_objects
from stepward.errors import LabelError
from stepward.segment.cut import from_steps
from stepward.types import Json, LabeledTrace, Origin, Problem, StepLabel, content_key

COLUMNS = Columns(required=("input", "label"), optional=("task",))
MARKER = "ки"
FIRST_STEP = "Step 1:"
ANSWER_MARK = "The answer is:"
LABELER = Origin(maker="rollout:math_shepherd")


@dataclass(frozen=True, slots=True, kw_only=True)
class MathShepherd:
    """Reads the string form."""

    marker: str = MARKER
    extra: Extra = "refuse"

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example a row; `domain` is the row's task."""
        for row in read_rows(path, COLUMNS, tally, self.extra):
            yield self._example(row)

    def _example(self, row: Row) -> Example:
        pieces = row.text("input").split(self.marker)
        if len(pieces) < 2 or pieces[-1].strip():
            raise row.error("input", f"must end with the marker {self.marker!r}", got=row.text("input")[-40:])
        values = _values(row, pieces[:-1])
        question, found, first = pieces[0].rpartition(FIRST_STEP)
        if not found or not question.strip():
            raise row.error("input", f"must hold the question and then {FIRST_STEP!r}", got=pieces[0][:80])
        steps = [(FIRST_STEP + first).strip(), *(piece.strip() for piece in pieces[1:-1])]
        text, domain = question.strip(), row.text("task") if row.has("task") else ""
        problem = Problem(id=f"math-{content_key(text)}", text=text, domain=domain)
        _, stated, answer = steps[-1].rpartition(ANSWER_MARK)
        with row.blame("input"):
            trace = from_steps(
                problem.id,
                steps,
                separator="\n",
                answer=answer.strip() if stated else None,
                origin=Origin(maker="policy:math_shepherd"),
                meta=dict(row.extras),
            )
        with row.blame("label"):
            labels = tuple(StepLabel(target="value", value=value, source="rollout", origin=LABELER) for value in values)
            return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels))


def write_math_shepherd(path: Source, examples: Iterable[Example]) -> int:
    """Write examples in the string form; hard labels as + and -, others as numbers. The number of rows.

    Raises `LabelError` where a step has no label or holds the marker.
    """
    return write_objects(path, (_string_row(example) for example in examples))


def _string_row(example: Example) -> dict[str, Json]:
    labeled = example.labeled
    texts = [text.rstrip("\n") for text in labeled.trace.step_texts]
    signs = []
    for index, label in enumerate(labeled.labels):
        if label is None or MARKER in texts[index]:
            raise LabelError(f"step {index} of trace {labeled.trace.id} has no label or holds the marker {MARKER!r}")
        signs.append({0.0: "-", 1.0: "+"}.get(label.value, str(label.value)))
    head = f"{example.problem.text} "
    return {
        "input": head + "\n".join(f"{text} {MARKER}" for text in texts),
        "label": head + "\n".join(f"{text} {sign}" for text, sign in zip(texts, signs, strict=True)),
        "task": example.problem.domain,
    }


def _values(row: Row, pieces: list[str]) -> list[float]:
    """The value behind each of `pieces` in `label`, whose text must repeat them."""
    label, at, values = row.text("label"), 0, []
    for index, piece in enumerate(pieces):
        if not label.startswith(piece, at):
            raise row.error("label", f"must repeat the text of step {index} of the input", got=label[at : at + 80])
        at += len(piece)
        end = label.find("\n", at)
        sign = label[at : end if end >= 0 else len(label)]
        values.append(_value(row, sign.strip(), index))
        at += len(sign)
    if label[at:].strip():
        raise row.error("label", f"goes on after the last of {len(pieces)} steps", got=label[at : at + 80])
    return values


def _value(row: Row, sign: str, index: int) -> float:
    if sign in ("+", "-"):
        return float(sign == "+")
    try:
        return float(sign)
    except ValueError:
        raise row.error("label", f"step {index} must end with +, - or a number", got=sign) from None
