r"""MATH-APS rows as openr trains on them: `question`, `process`, `label`.

`process` holds the steps, each followed by a space and the step tag (five newlines, which Qwen's tokenizer reads as
one token); `label` is a list of "+" and "-". Labels come from OmegaPRM's search: hard Monte-Carlo values, whose
counts are not in the file. There is no neutral label; a number between 0 and 1 is read as it is, though openr's
trainer refuses it. openr's trainer cuts labels to the markers it finds; here the row is refused. Papers: OmegaPRM,
arXiv 2406.06592; openr, arXiv 2410.09671.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stepward.datasets.exchange import (
    Account,
    LabelledRows,
    Unlabelled,
    Written,
    check_words,
    refuse_marker,
)
from stepward.datasets.lines import Source
from stepward.datasets.marked import join_marked, listed_labels, split_marked
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Row, read_rows
from stepward.segment.cut import from_steps
from stepward.types import Json, LabeledTrace, Origin, Problem, StepLabel, Target, content_key
from stepward.types import Source as LabelSource

COLUMNS = Columns(required=("question", "process", "label"))
MARKER = "\n\n\n\n\n"
LABELER = Origin(maker="tree:math_aps")


@dataclass(frozen=True, slots=True, kw_only=True)
class MathAps(LabelledRows):
    """Reads MATH-APS rows."""

    target: Target = "value"
    source: LabelSource = "tree"
    marker: str = MARKER

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example a row."""
        for row in read_rows(path, COLUMNS, tally, self.extra):
            yield self._example(row)

    def _example(self, row: Row) -> Example:
        text = row.filled("question").strip()
        problem = Problem(id=f"aps-{content_key(text)}", text=text)
        steps = [piece.strip() for piece in split_marked(row, "process", row.text("process"), self.marker)]
        like = StepLabel(target=self.target, value=0.0, source=self.source, origin=LABELER)
        labels = listed_labels(row, "label", len(steps), like)
        with row.blame("process"):
            trace = from_steps(problem.id, steps, separator=self.separator, meta=dict(row.extras))
            return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels))


@dataclass(frozen=True, slots=True, kw_only=True)
class MathApsWriter:
    """Writes MATH-APS rows; labels become signs, and white space around steps is not kept."""

    unlabelled: Unlabelled = "cut"
    marker: str = MARKER

    def __post_init__(self) -> None:
        check_words("hard", self.unlabelled)

    def write(self, path: Source, examples: Iterable[Example]) -> Written:
        """Write the labelled start of each example. `LabelError` where a step or a problem holds the marker."""
        account = Account(unlabelled=self.unlabelled)
        return account.write(path, examples, lambda example: self._row(example, account))

    def _row(self, example: Example, account: Account) -> dict[str, Json] | None:
        start = account.start(example, strip=True)
        if start is None:
            return None
        question = account.stripped(example.problem)
        refuse_marker(example.labeled, "problem", [question], self.marker)
        refuse_marker(example.labeled, "step", start.texts, self.marker)
        process = join_marked(start.texts, self.marker, "")
        return {"question": question, "process": process, "label": list(start.signs())}
