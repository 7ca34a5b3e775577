r"""TRL's stepwise supervision rows: `prompt`, `completions` (one string a step), `labels` (booleans or numbers).

What a label means is not in the file: say it with `target` and `source`. Two traps on the way:
TRL's own PRM800K converter writes False for neutral steps (here they are good unless you say otherwise), and
its trainer turns a label of 0.7 into 0 (`int`). Numbers stay numbers here. TRL has no word for "unlabelled":
the writer ends a solution before its first unlabelled step and counts what it left out, or refuses.
Separators are not in the file; TRL adds one after each step when it trains ("\n" by default).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal, get_args

from stepward.datasets.lines import Source
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, read_rows
from stepward.datasets.writing import write_objects
from stepward.errors import ConfigError, LabelError
from stepward.segment.cut import from_steps
from stepward.types import Json, LabeledTrace, Origin, Problem, StepLabel, Target, content_key
from stepward.types import Source as LabelSource

COLUMNS = Columns(required=("prompt", "completions", "labels"))
LABELER = Origin(maker="unknown:trl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trl:
    """Reads stepwise supervision rows."""

    target: Target = "prefix"
    source: LabelSource = "human"
    separator: str = "\n"
    extra: Extra = "refuse"

    def __post_init__(self) -> None:
        if self.target not in get_args(Target) or self.source not in get_args(LabelSource):
            raise ConfigError("target or source is not a word of StepLabel", got=(self.target, self.source))

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
            labels = tuple(
                StepLabel(target=self.target, value=_value(row, index), source=self.source, origin=LABELER)
                for index in range(len(row.items("labels")))
            )
            return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels))


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a writer wrote, and what the format could not hold."""

    rows: int
    examples_left_out: int
    """Examples whose first step is unlabelled."""
    steps_left_out: int
    """Unlabelled steps and those after them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrlWriter:
    """Writes stepwise supervision rows."""

    values: Literal["hard", "soft"] = "hard"
    """hard: booleans, `label.good`; soft: the numbers."""
    unlabelled: Literal["cut", "refuse"] = "cut"
    separator: str = "\n\n"
    """Taken off the end of each step but the last where it stands there."""

    def __post_init__(self) -> None:
        if self.values not in ("hard", "soft") or self.unlabelled not in ("cut", "refuse"):
            raise ConfigError(
                'values must be "hard" or "soft", unlabelled "cut" or "refuse"', got=(self.values, self.unlabelled)
            )

    def write(self, path: Source, examples: Iterable[Example]) -> Written:
        """Write the labelled start of each example. `LabelError` on an unlabelled step where those are refused."""
        tally = Tally()
        rows = write_objects(path, (row for one in examples if (row := self._row(one, tally)) is not None))
        return Written(rows=rows, examples_left_out=tally.dropped["unlabelled"], steps_left_out=tally.notes["steps"])

    def _row(self, example: Example, tally: Tally) -> dict[str, Json] | None:
        labels = list(takewhile(lambda label: label is not None, example.labeled.labels))
        left = len(example.labeled.labels) - len(labels)
        if left and self.unlabelled == "refuse":
            raise LabelError(f"step {len(labels)} of trace {example.labeled.trace.id} has no label")
        tally.note("steps", left)
        if not labels:
            tally.drop("unlabelled")
            return None
        texts = example.labeled.trace.step_texts
        bare = [text.removesuffix(self.separator) for text in texts[:-1]] + list(texts[-1:])
        return {
            "prompt": example.problem.text,
            "completions": bare[: len(labels)],
            "labels": [label.good if self.values == "hard" else label.value for label in labels if label is not None],
        }


def _value(row: Row, index: int) -> float:
    value = row.items("labels")[index]
    if isinstance(value, bool | int | float):
        return float(value)
    raise row.error(f"labels[{index}]", "must be true, false or a number", got=value)
