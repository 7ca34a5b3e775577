"""ProcessBench: expert labels of the first wrong step, written to its public description.

`label` is the 0-based index of the first wrong step, -1 where there is none; `final_answer_correct` is the
verdict. Steps are paragraphs. This is a benchmark: never training text.
Paper: ProcessBench, arXiv 2412.06559.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stepward.datasets.human import After, check_after, first_error_labels
from stepward.datasets.lines import Source
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, read_rows
from stepward.segment.cut import from_steps
from stepward.types import LabeledTrace, Origin, Problem, Verdict, content_key

COLUMNS = Columns(
    required=("id", "problem", "steps", "label"), optional=("generator", "final_answer_correct"), identity=("id",)
)
LABELER = Origin(maker="human:processbench")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessBench:
    """Reads JSON lines or a JSON array of ProcessBench rows."""

    after: After = "drop"
    extra: Extra = "refuse"

    def __post_init__(self) -> None:
        check_after(self.after)

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example a row; `meta` keeps its id."""
        for row in read_rows(path, COLUMNS, tally, self.extra):
            yield self._example(row)

    def _example(self, row: Row) -> Example:
        text, label = row.filled("problem"), row.integer("label")
        if label < -1:
            raise row.error("label", "must be -1 or the 0-based index of a step", got=label)
        problem = Problem(id=f"math-{content_key(text)}", text=text, domain="math")
        writer = Origin(maker=f"policy:{row.text('generator')}" if row.has("generator") else "unknown")
        with row.blame("steps"):
            meta = {"id": row.text("id"), **row.extras}
            trace = from_steps(problem.id, row.texts("steps"), origin=writer, meta=meta)
        if label >= len(trace):
            raise row.error(
                "label",
                f"must be -1 or a step from 0 to {len(trace) - 1}",
                got=label,
                mend="if the file counts steps from 1, subtract 1 from every label",
            )
        with row.blame("label"):
            first = None if label == -1 else label
            labels = first_error_labels(len(trace), first, origin=LABELER, after=self.after)
        return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels, verdict=_verdict(row)))


def _verdict(row: Row) -> Verdict | None:
    if not row.has("final_answer_correct"):
        return None
    right = row.boolean("final_answer_correct")
    return Verdict(outcome="equal" if right else "different", reason="as the file states")
