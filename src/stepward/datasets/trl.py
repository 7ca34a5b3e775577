r"""TRL's stepwise supervision rows: `prompt`, `completions` (one string a step), `labels` (booleans or numbers).

What a label means is not in the file: say it with `target` and `source`. There is no neutral label: TRL's own
PRM800K converter wrote False for neutral steps, which reads as bad here; our PRM800K readers let you choose. Its
trainer turns a label of 0.7 into 0 (`int`); numbers stay numbers here. TRL has no word for "unlabelled": the writer
ends a solution before its first unlabelled step and counts what it left out, or refuses. Separators are not in the
file; TRL adds one after each step when it trains ("\n" by default).

With `counts`, rollout counts stand beside the labels as `n_correct` and `n_total`, which TRL passes over. TRL had
the trainer and this data set type until release 1.13 and dropped both after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from stepward.datasets.exchange import (
    COUNTS,
    SOFT,
    Account,
    LabelledRows,
    Unlabelled,
    Values,
    Written,
    check_words,
)
from stepward.datasets.lines import Source
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Row, read_rows
from stepward.segment.cut import from_steps
from stepward.types import Json, LabeledTrace, Origin, Problem, StepLabel, Target, content_key
from stepward.types import Source as LabelSource

COLUMNS = Columns(required=("prompt", "completions", "labels"), optional=("n_correct", "n_total"))
LABELER = Origin(maker="unknown:trl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trl(LabelledRows):
    """Reads stepwise supervision rows."""

    target: Target = "prefix"
    source: LabelSource = "human"

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example a row."""
        for row in read_rows(path, COLUMNS, tally, self.extra):
            yield self._example(row)

    def _example(self, row: Row) -> Example:
        text = row.filled("prompt")
        problem = Problem(id=f"trl-{content_key(text)}", text=text)
        with row.blame("completions"):
            trace = from_steps(problem.id, row.texts("completions"), separator=self.separator, meta=dict(row.extras))
        with row.blame("labels"):
            return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=self._labels(row)))

    def _labels(self, row: Row) -> tuple[StepLabel, ...]:
        plain = [
            StepLabel(target=self.target, value=_value(row, index), source=self.source, origin=LABELER)
            for index in range(len(row.items("labels")))
        ]
        if not row.has("n_correct") and not row.has("n_total"):
            return tuple(plain)
        successes, trials = _counts(row, "n_correct", len(plain)), _counts(row, "n_total", len(plain))
        return tuple(
            replace(label, successes=k, trials=n) for label, k, n in zip(plain, successes, trials, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrlWriter:
    """Writes stepwise supervision rows."""

    values: Values = "hard"
    """hard: booleans, `label.good`; soft: the numbers."""
    unlabelled: Unlabelled = "cut"
    counts: bool = False
    """Also write the columns `n_correct` and `n_total`."""
    separator: str | None = None
    """Taken off the end of each step but the last; None takes the white space that they all end in."""

    def __post_init__(self) -> None:
        check_words(self.values, self.unlabelled)

    def write(self, path: Source, examples: Iterable[Example]) -> Written:
        """Write the labelled start of each example. `LabelError` on an unlabelled step where those are refused."""
        kept = ({SOFT} if self.values == "soft" else set()) | ({COUNTS} if self.counts else set())
        account = Account(kept=frozenset(kept), unlabelled=self.unlabelled)
        return account.write(path, examples, lambda example: self._row(example, account))

    def _row(self, example: Example, account: Account) -> dict[str, Json] | None:
        start = account.start(example, separator=self.separator)
        if start is None:
            return None
        labels = start.labels
        row: dict[str, Json] = {"prompt": example.problem.text, "completions": list(start.texts)}
        row["labels"] = [label.good for label in labels] if self.values == "hard" else start.numbers()
        if self.counts and any(label.trials is not None for label in labels):
            row["n_correct"] = [label.successes for label in labels]
            row["n_total"] = [label.trials for label in labels]
        return row


def _value(row: Row, index: int) -> float:
    value = row.items("labels")[index]
    if isinstance(value, bool | int | float):
        return float(value)
    raise row.error(f"labels[{index}]", "must be true, false or a number", got=value)


def _counts(row: Row, name: str, steps: int) -> list[int | None]:
    found: list[int | None] = []
    for index, item in enumerate(row.items(name)):
        if item is not None and (isinstance(item, bool) or not isinstance(item, int)):
            raise row.error(f"{name}[{index}]", "must be a whole number or null", got=item)
        found.append(item)
    if len(found) != steps:
        raise row.error(name, f"must hold one count for each of {steps} labels", got=len(found))
    return found
