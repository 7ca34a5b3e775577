r"""OpenRLHF's PRM rows: `input`, a text with the placeholder "ки" after each step, and `label`, a list beside it.

Labels are all strings ("+", "-", its `--reward_tokens`) or all numbers (soft values). `input` is `{question} {step
1}` and so on; `question.py` says where the question ends and refuses what is ambiguous. The writer adds a column
`problem`, which training passes over. There is no neutral label. OpenRLHF cuts labels to the placeholders that
survive its length limit; here a row whose counts differ is refused. OpenRLHF dropped its PRM trainer, the format
stays in use. Name `label_column="value"` for the files that keep the list there. Paper: OpenRLHF, arXiv 2405.11143.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stepward.datasets.exchange import (
    SOFT,
    Account,
    LabelledRows,
    Unlabelled,
    Values,
    Written,
    check_words,
    refuse_marker,
)
from stepward.datasets.lines import Source
from stepward.datasets.marked import join_marked, listed_labels, split_marked
from stepward.datasets.question import COLUMN, HEADER, split_opening
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Row, read_rows
from stepward.segment.cut import from_steps
from stepward.types import Json, LabeledTrace, Origin, Problem, StepLabel, Target, content_key
from stepward.types import Source as LabelSource

MARKER = "ки"
LABELER = Origin(maker="unknown:openrlhf")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRlhf(LabelledRows):
    """Reads OpenRLHF's PRM rows."""

    target: Target = "value"
    source: LabelSource = "rollout"
    label_column: str = "label"
    header: str = HEADER
    """What the first step begins with, in rows that do not carry their question."""
    marker: str = MARKER

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example a row."""
        columns = Columns(required=("input", self.label_column), optional=(COLUMN,))
        for row in read_rows(path, columns, tally, self.extra):
            yield self._example(row, tally)

    def _example(self, row: Row, tally: Tally) -> Example:
        pieces = split_marked(row, "input", row.text("input"), self.marker)
        opening = split_opening(row, "input", pieces[0], tally, header=self.header)
        problem = Problem(id=f"openrlhf-{content_key(opening.question)}", text=opening.question)
        steps = [text.strip() for text in (opening.step, *pieces[1:])]
        like = StepLabel(target=self.target, value=0.0, source=self.source, origin=LABELER)
        labels = listed_labels(row, self.label_column, len(steps), like)
        with row.blame("input"):
            trace = from_steps(problem.id, steps, separator=self.separator, meta=dict(row.extras))
            return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels))


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRlhfWriter:
    """Writes OpenRLHF's PRM rows; white space around steps is not kept."""

    values: Values = "hard"
    """hard: "+" and "-"; soft: numbers."""
    unlabelled: Unlabelled = "cut"
    marker: str = MARKER

    def __post_init__(self) -> None:
        check_words(self.values, self.unlabelled)

    def write(self, path: Source, examples: Iterable[Example]) -> Written:
        """Write the labelled start of each example. `LabelError` where a step or a problem holds the marker."""
        kept = frozenset({SOFT}) if self.values == "soft" else frozenset()
        account = Account(kept=kept, unlabelled=self.unlabelled)
        return account.write(path, examples, lambda example: self._row(example, account))

    def _row(self, example: Example, account: Account) -> dict[str, Json] | None:
        start = account.start(example, strip=True)
        if start is None:
            return None
        question = example.problem.text
        refuse_marker(example.labeled, "problem", [question], self.marker)
        refuse_marker(example.labeled, "step", start.texts, self.marker)
        label: Json = start.signs() if self.values == "hard" else start.numbers()
        whole = f"{question} {join_marked(start.texts, self.marker, chr(10))}"
        return {"input": whole, "label": label, COLUMN: question}
