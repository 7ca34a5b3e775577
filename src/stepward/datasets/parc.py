"""PARC: maths solutions with error types per step and the earlier steps that each step rests on.

Step numbers are 1-based, premise 0 is the question; here both are 0-based and the question is -1. A step that
is right in itself but builds on an earlier error is an "Accumulation_Error". By target:

    "validity"  such a step is good (what it asserts holds, given what stands before it);
    "prefix"    every step from the first error on is 0.

The annotation was made by a model and checked by people; its source is "judge". The premises are in the
trace's `meta` (a list of indexes per step; absent and counted where the file numbers them otherwise), error
types in each label's note. Licence: MIT. Paper: Premise-Augmented Reasoning Chains, arXiv 2502.02362.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from stepward.datasets.lines import Source
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, read_rows
from stepward.errors import ConfigError
from stepward.segment.cut import from_steps
from stepward.types import Json, LabeledTrace, Origin, Problem, StepLabel, Verdict, content_key

COLUMNS = Columns(
    required=("question", "steps", "error_annotation"),
    optional=(
        "ground_truth_solution",
        "ground_truth_answer",
        "model_answer",
        "is_correct",
        "premise_annotation",
        "type",
    ),
)
ACCUMULATION = "Accumulation_Error"
LABELER = Origin(maker="judge:parc", settings={"checked_by": "people"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parc:
    """Reads JSON arrays of PARC rows."""

    target: Literal["validity", "prefix"] = "validity"
    extra: Extra = "refuse"

    def __post_init__(self) -> None:
        if self.target not in ("validity", "prefix"):
            raise ConfigError('target must be "validity" or "prefix"', got=self.target)

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example a row."""
        for row in read_rows(path, COLUMNS, tally, self.extra):
            yield self._example(row, tally)

    def _example(self, row: Row, tally: Tally) -> Example:
        text = row.filled("question")
        problem = Problem(
            id=f"math-{content_key(text)}", text=text, answer=_string(row, "ground_truth_answer"), domain="math"
        )
        meta = {**_premises(row, tally), **row.extras}
        with row.blame("steps"):
            trace = from_steps(
                problem.id,
                row.texts("steps"),
                answer=_string(row, "model_answer"),
                origin=Origin(maker="policy:parc"),
                meta=meta,
            )
        with row.blame("error_annotation"):
            labels = self._labels(row, len(trace))
            return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels, verdict=_verdict(row)))

    def _labels(self, row: Row, count: int) -> tuple[StepLabel, ...]:
        entries = row.row("error_annotation").row("error_annotations").rows("step_level")
        numbers = [entry.integer("step_number") for entry in entries]
        if numbers != list(range(1, count + 1)):
            raise row.error("error_annotation", f"must number the {count} steps from 1 in order", got=numbers)
        labels: list[StepLabel] = []
        wrong = False
        for entry in entries:
            kinds = [error.text("error_type") for error in entry.rows("errors")] if entry.boolean("has_error") else []
            wrong = wrong or entry.boolean("has_error")
            false_itself = entry.boolean("has_error") and (not kinds or set(kinds) != {ACCUMULATION})
            value = float(not (wrong if self.target == "prefix" else false_itself))
            labels.append(
                StepLabel(target=self.target, value=value, source="judge", origin=LABELER, note=", ".join(kinds))
            )
        return tuple(labels)


def _premises(row: Row, tally: Tally) -> dict[str, Json]:
    if not row.has("premise_annotation"):
        return {}
    entries = row.row("premise_annotation").rows("steps")
    if [entry.integer("step_number") for entry in entries] != list(range(len(row.texts("steps")) + 1)):
        tally.note("premises left out: their steps are numbered otherwise")
        return {}
    found: list[Json] = []
    for entry in entries[1:]:
        found.append(sorted({_premise(entry, pair) for pair in entry.items("premises")}))
    return {"premises": found}


def _premise(entry: Row, pair: Json) -> int:
    """The 0-based step that a premise names; -1 for the question."""
    number = pair[0] if isinstance(pair, list) and pair else None
    if not isinstance(number, int) or isinstance(number, bool):
        raise entry.error("premises", "must hold lists that begin with a step number", got=pair)
    return number - 1


def _string(row: Row, name: str) -> str | None:
    """Text as it stands; a number as it is written in JSON."""
    value = row.values.get(name)
    return value if value is None or isinstance(value, str) else str(value)


def _verdict(row: Row) -> Verdict | None:
    if not row.has("is_correct"):
        return None
    right = row.boolean("is_correct")
    return Verdict(
        outcome="equal" if right else "different", answer=_string(row, "model_answer"), reason="as the file states"
    )
