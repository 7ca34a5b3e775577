"""PRM800K in the flat form: one row a solution, `steps` and `ratings` side by side.

Ratings are +1, 0 (neutral: right but no help) and -1, on the path that the labeler chose, which ends at
the first -1. The same solution stands in several rows where several labelers rated it (quality control):
see `repeats.one_per_trace` before training. Original schema: `prm800k_raw.py`. Licence: MIT.
Paper: Let's Verify Step by Step, arXiv 2305.20050.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stepward.datasets.human import After, Neutral, check_after, check_neutral, rating_labels
from stepward.datasets.lines import Source
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, read_rows
from stepward.segment.cut import from_steps
from stepward.types import Json, LabeledTrace, Origin, Problem, content_key

COLUMNS = Columns(
    required=("id", "problem", "steps", "ratings"),
    optional=("problem_split", "has_final_answer", "truncated"),
    identity=("id",),
)
ANSWER_MARK = "# Answer\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prm800k:
    """Reads the flat form."""

    neutral: Neutral = "good"
    after: After = "drop"
    extra: Extra = "refuse"

    def __post_init__(self) -> None:
        check_neutral(self.neutral)
        check_after(self.after)

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example a row."""
        for row in read_rows(path, COLUMNS, tally, self.extra):
            yield self._example(row)

    def _example(self, row: Row) -> Example:
        problem = problem_of(row.filled("problem"))
        steps, ratings = row.texts("steps"), row.integers("ratings")
        kept: dict[str, Json] = {name: row.get(name) for name in COLUMNS.optional if row.has(name)}
        meta: dict[str, Json] = {"id": row.text("id"), "ratings": ratings, **kept, **row.extras}
        with row.blame("steps"):
            trace = from_steps(problem.id, steps, answer=stated_answer(steps), origin=PATH, meta=meta)
        with row.blame("ratings"):
            labels = rating_labels(ratings, origin=LABELER, neutral=self.neutral, after=self.after)
            return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels))


PATH = Origin(maker="policy:prm800k")
LABELER = Origin(maker="human:prm800k")


def problem_of(text: str, answer: str | None = None) -> Problem:
    """The problem with this text; its id depends on the text alone."""
    return Problem(id=f"math-{content_key(text)}", text=text, answer=answer, domain="math")


def stated_answer(steps: list[str]) -> str | None:
    """What the last step states under its answer mark; None where there is none."""
    _, mark, answer = steps[-1].rpartition(ANSWER_MARK) if steps else ("", "", "")
    return answer.strip() if mark else None
