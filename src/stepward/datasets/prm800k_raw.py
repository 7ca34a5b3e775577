"""PRM800K in its original schema (phases 1 and 2), read and written.

A row is one labeler's walk through one solution: at each step the offered completions with their ratings,
which of them was chosen, and perhaps a completion that the labeler wrote.

    take "path"          the walk itself: chosen completions, else the labeler's own, else (where the walk
                         ended) the first completion offered, which phase 2 took from the solution.
    take "alternatives"  the walk, and for each completion not on it the prefix before it plus that
                         completion, with a label on the last step only: no step is weighted twice. The
                         same completion with the same rating at the same place is given once; one without
                         a label (not rated, or after an error on the path) is dropped and counted.

A labeler's own step has no rating; `own_step` says what that means: "good" (they wrote it because it is
right) or "unlabelled". Walks that ended with "bad_problem" or "give_up" are dropped and counted.
Neutral ratings and what follows a -1 on the path: see `human.py`. Licence: MIT.
Paper: Let's Verify Step by Step, arXiv 2305.20050.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from stepward.datasets.human import After, Neutral, check_after, check_neutral, rating_labels
from stepward.datasets.lines import Source
from stepward.datasets.prm800k import LABELER, PATH, problem_of, stated_answer
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, check_columns, read_rows
from stepward.datasets.writing import write_objects
from stepward.errors import ConfigError, LabelError
from stepward.segment.cut import from_steps
from stepward.types import Json, LabeledTrace, Problem

COLUMNS = Columns(
    required=("question", "label"),
    optional=("labeler", "timestamp", "generation", "is_quality_control_question", "is_initial_screening_question"),
)
QUESTION = Columns(
    required=("problem",),
    optional=(
        "ground_truth_answer",
        "ground_truth_solution",
        "pre_generated_steps",
        "pre_generated_answer",
        "pre_generated_verifier_score",
    ),
)
LABEL = Columns(required=("steps", "finish_reason"), optional=("total_time",))
STEP = Columns(required=("completions",), optional=("human_completion", "chosen_completion"))
UNFINISHED = ("bad_problem", "give_up")
FINISHES = (*UNFINISHED, "solution", "found_error")


@dataclass(frozen=True, slots=True)
class Rated:
    """A completion and its rating."""

    text: str
    rating: int | None


@dataclass(frozen=True, slots=True)
class Stop:
    """One step of a walk: what was taken (None where the walk ended without taking any) and what was passed by."""

    taken: Rated | None
    others: tuple[Rated, ...]
    last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Prm800kRaw:
    """Reads the original schema."""

    neutral: Neutral = "good"
    after: After = "drop"
    take: Literal["path", "alternatives"] = "path"
    own_step: Literal["good", "unlabelled"] = "good"
    extra: Extra = "refuse"

    def __post_init__(self) -> None:
        check_neutral(self.neutral)
        check_after(self.after)
        if self.take not in ("path", "alternatives") or self.own_step not in ("good", "unlabelled"):
            raise ConfigError(
                'take must be "path" or "alternatives", own_step "good" or "unlabelled"', got=(self.take, self.own_step)
            )

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """The walk of each row, then its alternatives where they are asked for."""
        for row in read_rows(path, COLUMNS, tally, self.extra):
            label = check_columns(row.row("label"), LABEL, tally, self.extra)
            finish = label.text("finish_reason")
            if finish not in FINISHES:
                raise label.error("finish_reason", f"must be one of {', '.join(FINISHES)}", got=finish)
            if finish in UNFINISHED:
                tally.drop(finish)
                continue
            yield from self._examples(row, label, tally)

    def _examples(self, row: Row, label: Row, tally: Tally) -> Iterator[Example]:
        problem, meta = _problem(row, tally, self.extra), _meta(row, label)
        inner: Extra = "ignore" if self.extra == "keep" else self.extra
        walk = [self._stop(check_columns(step, STEP, tally, inner), tally) for step in label.rows("steps")]
        path: list[Rated] = []
        passed: list[tuple[int, Rated]] = []
        for index, stop in enumerate(walk):
            passed += [(len(path), other) for other in stop.others]
            path += [stop.taken] if stop.taken else []
            if stop.last:
                tally.note("steps after the end of a walk left out", len(walk) - index - 1)
                break
        if not path:
            tally.drop("no step on the path")
            return
        with label.blame("steps"):
            yield self._example(problem, path, meta, alone=False)
            if self.take == "alternatives":
                tally.note("repeated alternatives left out", len(passed) - len(set(passed)))
                for at, other in dict.fromkeys(passed):
                    one = self._example(problem, [*path[:at], other], {**meta, "alternative_at": at}, alone=True)
                    if one.labeled.target is None:
                        tally.drop("alternatives without a label")
                    else:
                        yield one

    def _example(self, problem: Problem, path: list[Rated], meta: dict[str, Json], *, alone: bool) -> Example:
        """The example of a path; where `alone`, only its last step is labelled."""
        texts, ratings = [step.text for step in path], [step.rating for step in path]
        trace = from_steps(
            problem.id, texts, answer=stated_answer(texts), origin=PATH, meta={**meta, "ratings": ratings}
        )
        labels = rating_labels(ratings, origin=LABELER, neutral=self.neutral, after=self.after)
        if alone:
            labels = (None,) * (len(path) - 1) + labels[-1:]
        return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels))

    def _stop(self, step: Row, tally: Tally) -> Stop:
        offered = _offered(step)
        chosen = step.integer("chosen_completion") if step.has("chosen_completion") else None
        if chosen is not None:
            if not 0 <= chosen < len(offered):
                raise step.error("chosen_completion", f"must index one of {len(offered)} completions", got=chosen)
            return Stop(offered[chosen], (*offered[:chosen], *offered[chosen + 1 :]), last=False)
        if step.has("human_completion"):
            tally.note("steps written by a labeler")
            own = Rated(step.row("human_completion").text("text"), 1 if self.own_step == "good" else None)
            return Stop(own, offered, last=False)
        return Stop(offered[0] if offered else None, offered[1:], last=True)


def write_prm800k_raw(path: Source, examples: Iterable[Example]) -> int:
    """Write examples in the original schema, one completion a step; the number of rows written.

    Ratings are those kept in `trace.meta["ratings"]`, else 1 for the value 1, -1 for 0 and 0 for 1/2, else
    `LabelError`; an unlabelled step has the rating null. Alternatives become rows of their own.
    """
    return write_objects(path, (_raw_row(example) for example in examples))


def _raw_row(example: Example) -> dict[str, Json]:
    trace = example.labeled.trace
    ratings = _ratings(example.labeled)
    texts = [text.removesuffix("\n\n") for text in trace.step_texts[:-1]] + list(trace.step_texts[-1:])
    steps: list[Json] = [
        {
            "completions": [{"text": text, "rating": rating, "flagged": None}],
            "human_completion": None,
            "chosen_completion": 0,
        }
        for text, rating in zip(texts, ratings, strict=True)
    ]
    finish = "found_error" if ratings and ratings[-1] == -1 else "solution"
    return {
        "question": {"problem": example.problem.text, "ground_truth_answer": example.problem.answer},
        "label": {"steps": steps, "finish_reason": finish},
    }


def _ratings(labeled: LabeledTrace) -> list[Json]:
    kept = labeled.trace.meta.get("ratings")
    if isinstance(kept, list) and len(kept) == len(labeled.labels):
        return kept
    return [None if label is None else _rating(label.value) for label in labeled.labels]


def _rating(value: float) -> int:
    if value not in (0.0, 0.5, 1.0):
        raise LabelError("PRM800K has the ratings -1, 0 and 1, for the values 0, 1/2 and 1", got=value)
    return {0.0: -1, 0.5: 0, 1.0: 1}[value]


def _offered(step: Row) -> tuple[Rated, ...]:
    if not step.has("completions"):
        return ()
    return tuple(
        Rated(one.text("text"), one.integer("rating") if one.has("rating") else None)
        for one in step.rows("completions")
    )


def _problem(row: Row, tally: Tally, extra: Extra) -> Problem:
    question = check_columns(row.row("question"), QUESTION, tally, extra)
    answer = question.text("ground_truth_answer") if question.has("ground_truth_answer") else None
    return problem_of(question.filled("problem"), answer)


def _meta(row: Row, label: Row) -> dict[str, Json]:
    kept = {name: row.values[name] for name in COLUMNS.optional if row.has(name)}
    return {"finish_reason": label.text("finish_reason"), **kept, **row.extras, **label.extras}
