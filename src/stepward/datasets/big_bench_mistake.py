"""BIG-Bench Mistake: model solutions of word sorting, logical deduction, brackets and the like.

`mistake_index` is the 0-based first wrong step, or null where no step is wrong (all steps are then good).
The answer may be right in spite of a mistake; the verdict is the exact comparison of `answer` and `target`. A
blank step (one row) is left out and the index moved. Licence: Apache-2.0.
Paper: LLMs cannot find reasoning errors, but can correct them given the error location, arXiv 2311.08516.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stepward.datasets.blanks import without_blanks
from stepward.datasets.human import After, check_after, first_error_labels
from stepward.datasets.lines import Source
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, read_rows
from stepward.segment.cut import from_steps
from stepward.types import LabeledTrace, Origin, Problem, Verdict, content_key

COLUMNS = Columns(required=("input", "steps", "target", "answer", "mistake_index"))
WRITER = Origin(maker="policy:big_bench_mistake")
LABELER = Origin(maker="human:big_bench_mistake")


@dataclass(frozen=True, slots=True, kw_only=True)
class BigBenchMistake:
    """Reads one task's JSON lines. `domain` names the task: the file does not, but "{file}" takes the file's name."""

    domain: str = "logic"
    after: After = "drop"
    extra: Extra = "refuse"

    def __post_init__(self) -> None:
        check_after(self.after)

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example a row."""
        domain = self.domain.replace("{file}", Path(path).name.partition(".")[0])
        for row in read_rows(path, COLUMNS, tally, self.extra):
            example = self._example(row, domain, tally)
            if example is not None:
                yield example

    def _example(self, row: Row, domain: str, tally: Tally) -> Example | None:
        steps = row.texts("steps")
        first = row.integer("mistake_index") if row.has("mistake_index") else None
        with row.blame("steps"):
            filled = without_blanks(steps, tally)
        if first is not None and 0 <= first < len(steps):
            first = filled.moved[first]
            if first is None:
                tally.drop("the mistake is a blank step")
                return None
        text, target = row.filled("input"), row.text("target")
        problem = Problem(id=f"bbm-{content_key(text)}", text=text, answer=target, answer_kind="exact", domain=domain)
        answer = row.text("answer") if row.has("answer") else None
        with row.blame("steps"):
            trace = from_steps(
                problem.id, filled.steps, separator="\n", answer=answer, origin=WRITER, meta=dict(row.extras)
            )
        with row.blame("mistake_index"):
            labels = first_error_labels(len(trace), first, origin=LABELER, after=self.after)
        return Example(
            problem=problem, labeled=LabeledTrace(trace=trace, labels=labels, verdict=_verdict(answer, target))
        )


def _verdict(answer: str | None, target: str) -> Verdict:
    if answer is None:
        return Verdict(outcome="unparsable", reason="the row states no answer")
    same = answer.strip() == target.strip()
    return Verdict(outcome="equal" if same else "different", answer=answer, reason="exact comparison with the target")
