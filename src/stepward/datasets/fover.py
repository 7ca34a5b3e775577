"""FoVer's rows: `problem`, `solution_steps`, `error_labels`, labelled by formal tools.

The tools are Z3 and Isabelle, the steps a model's. A trap in the name: in `error_labels` true says that the step is
RIGHT, false that it is wrong, null that it is unknown (so its makers' example has it). Each step is judged by
itself: the target is validity. There is no neutral label: transitions count as right. Null is unlabelled, here and
there, so nothing has to be cut. Paper: Training Step-Level Reasoning Verifiers with Formal Verification Tools, arXiv
2505.15960.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stepward.datasets.exchange import Account, LabelledRows, Written, bare_steps
from stepward.datasets.lines import Source
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Row, read_rows
from stepward.segment.cut import from_steps
from stepward.types import Json, LabeledTrace, Origin, Problem, StepLabel, Target, content_key
from stepward.types import Source as LabelSource

COLUMNS = Columns(
    required=("problem", "solution_steps", "error_labels"),
    optional=(
        *("id", "base_dataset", "facts_formula", "hypothesis_formula", "messages", "messages_for_prediction"),
        "problem_witout_definition",
    ),
)
KEPT = ("id", "base_dataset")
LABELER = Origin(maker="checker:fover")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoVer(LabelledRows):
    """Reads FoVer's rows; its chat columns repeat the rest and are passed over."""

    target: Target = "validity"
    source: LabelSource = "checker"

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example a row."""
        for row in read_rows(path, COLUMNS, tally, self.extra):
            yield self._example(row)

    def _example(self, row: Row) -> Example:
        text = row.filled("problem")
        problem = Problem(id=f"fover-{content_key(text)}", text=text)
        meta: dict[str, Json] = {name: row.get(name) for name in KEPT if row.has(name)} | dict(row.extras)
        with row.blame("solution_steps"):
            trace = from_steps(problem.id, row.texts("solution_steps"), separator=self.separator, meta=meta)
        with row.blame("error_labels"):
            labels = tuple(self._label(row, index, item) for index, item in enumerate(row.items("error_labels")))
            return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels))

    def _label(self, row: Row, index: int, item: Json) -> StepLabel | None:
        if item is None:
            return None
        if not isinstance(item, bool):
            raise row.error(f"error_labels[{index}]", "must be true (right), false (wrong) or null", got=item)
        return StepLabel(target=self.target, value=float(item), source=self.source, origin=LABELER)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoVerWriter:
    """Writes `problem`, `solution_steps` and `error_labels`; an unlabelled step is null."""

    separator: str | None = None
    """Taken off the end of each step but the last; None takes the white space that they all end in."""

    def write(self, path: Source, examples: Iterable[Example]) -> Written:
        """Write every example that has a step. `TraceError` on a blank problem or step."""
        account = Account()
        return account.write(path, examples, lambda example: self._row(example, account))

    def _row(self, example: Example, account: Account) -> dict[str, Json] | None:
        if not len(example.labeled.trace):
            account.examples += 1
            return None
        texts = bare_steps(example.labeled.trace, separator=self.separator)
        account.count(example, texts)
        labels = [None if label is None else label.good for label in example.labeled.labels]
        return {"problem": example.problem.text, "solution_steps": list(texts), "error_labels": labels}
