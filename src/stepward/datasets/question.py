"""Where the question ends, in formats that write question and first step as one text, `{question} {step 1}`.

Two rules, in this order, and a refusal:
    column   the row has a column `problem` (ours do): the text must begin with it and one space
    header   the text holds a header such as "Step 1:" exactly once: the step begins there
Anything else, a second "Step 1:" above all, is ambiguous. A guess would move part of a question into a step, so it
is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from stepward.datasets.reading import Tally
from stepward.datasets.rows import Row

COLUMN = "problem"
HEADER = "Step 1:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A question and the first step, without the white space between them."""

    question: str
    step: str


def split_opening(row: Row, name: str, text: str, tally: Tally, *, header: str = HEADER) -> Opening:
    """Cut `text`, which stands in field `name`; which rule was used is noted. `DataError` where none fits."""
    if row.has(COLUMN):
        question = row.filled(COLUMN)
        if not text.startswith(f"{question} "):
            raise row.error(name, f"must begin with the column {COLUMN!r} and a space", got=text[:80])
        tally.note(f"questions that end where the column {COLUMN!r} says")
        return Opening(question=question, step=text[len(question) + 1 :])
    question, found, step = text.partition(header)
    if not found or not question.strip() or header in step:
        raise row.error(
            name,
            f"must hold {header!r} exactly once, after the question, so that the question's end is known",
            got=text[:80],
            mend=f"add a column {COLUMN!r} with the question, or give the reader the header that its first steps have",
        )
    tally.note(f"questions that end where {header!r} begins")
    return Opening(question=question.strip(), step=header + step)
