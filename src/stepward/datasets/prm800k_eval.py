"""The small phase-2 evaluation form of PRM800K: a JSON array, chains of thought with alternatives for one step.

A chain has `steps` with `labels` (ratings -1, 0, +1) and `augs`: other completions `aug_step` of the step
with the 0-based index `aug_idx`, each with its rating `aug_type`. Given are the chain and, for each
alternative, the steps before it plus that alternative with a label on the last step only (or, with
take "path", chains alone). The row's `answer` is a whole reference solution and stays in the problem's
`meta`. Licence of the file in circulation: Apache-2.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from stepward.datasets.human import After, Labels, Neutral, check_after, check_neutral, rating_labels
from stepward.datasets.lines import Source
from stepward.datasets.prm800k import LABELER, PATH
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, check_columns, read_rows
from stepward.errors import ConfigError
from stepward.segment.cut import from_steps
from stepward.types import LabeledTrace, Problem, content_key

COLUMNS = Columns(required=("question", "chain_of_thoughts"), optional=("domain", "source", "answer"))
CHAIN = Columns(required=("steps", "labels"), optional=("augs",))
ALTERNATIVE = Columns(required=("aug_step", "aug_idx", "aug_type"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prm800kEval:
    """Reads the evaluation form."""

    neutral: Neutral = "good"
    after: After = "drop"
    take: Literal["path", "alternatives"] = "alternatives"
    extra: Extra = "refuse"

    def __post_init__(self) -> None:
        check_neutral(self.neutral)
        check_after(self.after)
        if self.take not in ("path", "alternatives"):
            raise ConfigError('take must be "path" or "alternatives"', got=self.take)

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """Each chain, followed by its alternatives."""
        for row in read_rows(path, COLUMNS, tally, self.extra):
            text = row.filled("question")
            meta = {name: row.values[name] for name in COLUMNS.optional if row.has(name)} | dict(row.extras)
            problem = Problem(id=f"math-{content_key(text)}", text=text, domain="math", meta=meta)
            for chain in row.rows("chain_of_thoughts"):
                yield from self._chain(problem, check_columns(chain, CHAIN, tally, self.extra), tally)

    def _chain(self, problem: Problem, chain: Row, tally: Tally) -> Iterator[Example]:
        steps, ratings = chain.texts("steps"), chain.integers("labels")
        with chain.blame("labels"):
            labels = rating_labels(ratings, origin=LABELER, neutral=self.neutral, after=self.after)
            yield self._example(problem, steps, labels)
        if self.take == "path" or not chain.has("augs"):
            return
        for one in chain.rows("augs"):
            other = check_columns(one, ALTERNATIVE, tally, self.extra)
            at = other.integer("aug_idx")
            if not 0 <= at <= len(steps):
                raise other.error("aug_idx", f"must be from 0 to {len(steps)}", got=at)
            with other.blame("aug_step"):
                every = [*ratings[:at], other.integer("aug_type")]
                last = rating_labels(every, origin=LABELER, neutral=self.neutral, after=self.after)[-1:]
                if last == (None,):
                    tally.drop("alternatives without a label")
                else:
                    yield self._example(problem, [*steps[:at], other.text("aug_step")], (None,) * at + last)

    def _example(self, problem: Problem, steps: Sequence[str], labels: Labels) -> Example:
        trace = from_steps(problem.id, steps, origin=PATH)
        return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels))
