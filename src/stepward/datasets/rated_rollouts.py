"""Solutions with completions of every prefix, each rated from 1 to 10 by a model: `generated_paths`.

    step         the solution up to and with this step
    extension    completions of that prefix
    ratings      one for each completion, by a model that was shown `solution` as the reference
    soft_label   share of ratings of at least 8; hard_label is 1 from one half on

Labels are value labels with counts k of n, the votes as they stand; that they follow from the ratings is checked row by
row. They are only as good as rater and reference: in the sample in circulation the reference is itself a model's
solution, most often wrong, so the problem gets no answer and the reference stays in its meta. Completions
and ratings stand in the trace's meta, one list a step, so that they can be judged again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stepward.datasets.lines import Source
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, check_columns, read_rows
from stepward.segment.cut import from_steps
from stepward.types import Json, LabeledTrace, Origin, Problem, StepLabel, content_key

COLUMNS = Columns(
    required=("question", "solution", "response", "generated_paths"), optional=("critic_result", "critic_scores")
)
PATH = Columns(required=("step", "extension", "ratings", "soft_label", "hard_label"))
PASSES = 8
"""Lowest rating that counts as right."""
LABELER = Origin(maker="judge:rated_rollouts", settings={"passes": PASSES})


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedRollouts:
    """Reads JSON lines with `generated_paths`."""

    extra: Extra = "refuse"

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example a row, labelled by the ratings."""
        for row in read_rows(path, COLUMNS, tally, self.extra):
            yield self._example(row, tally)

    def _example(self, row: Row, tally: Tally) -> Example:
        text = row.filled("question").strip()
        problem = Problem(
            id=f"math-{content_key(text)}", text=text, domain="math", meta={"reference": row.text("solution")}
        )
        paths = row.rows("generated_paths")
        for path in paths:
            check_columns(path, PATH, tally)
        completions: list[Json] = [list(path.texts("extension")) for path in paths]
        with row.blame("generated_paths"):
            steps = _steps(row, [path.filled("step") for path in paths])
            ratings: list[Json] = [path.numbers("ratings") for path in paths]
            meta: dict[str, Json] = {"completions": completions, "ratings": ratings, **row.extras}
            trace = from_steps(problem.id, steps, "\n", meta=meta)
            labels = tuple(_label(path) for path in paths)
            return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels))


def _steps(row: Row, prefixes: Sequence[str]) -> list[str]:
    """What each prefix adds to the one before it."""
    steps, before = [], ""
    for index, prefix in enumerate(prefixes):
        added = prefix[len(before) :].strip()
        if not prefix.startswith(before) or not added:
            raise row.error(f"generated_paths[{index}].step", "must go on from the step before it", got=prefix[-80:])
        steps.append(added)
        before = prefix
    return steps


def _label(path: Row) -> StepLabel:
    ratings = path.numbers("ratings")
    won, tried = sum(rating >= PASSES for rating in ratings), len(ratings)
    if not tried or tried != len(path.texts("extension")):
        raise path.error("ratings", "must hold one rating for each extension", got=tried)
    if abs(path.number("soft_label") - won / tried) > 1e-6:
        raise path.error(
            "soft_label", f"must be the share of ratings of at least {PASSES}", got=path.number("soft_label")
        )
    if path.integer("hard_label") != int(2 * won >= tried):
        raise path.error("hard_label", "must be 1 exactly from a soft label of 1/2 on", got=path.integer("hard_label"))
    return StepLabel(target="value", value=won / tried, source="judge", successes=won, trials=tried, origin=LABELER)
