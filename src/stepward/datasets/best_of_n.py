"""Pools of sampled solutions with outcome and the step scores of public PRMs (best of 32).

A row is a problem with its candidates; each candidate has `steps`, `is_correct` and, for each scorer, a list
of scores. Scores fit steps or the row is refused: nothing is cut (in `gsm8k_351x32`, 7 scorers x 11,232
candidates, every list fits). A candidate's text here is its steps joined by blank lines, which is what was scored;
the raw `response` is left in the file. `prompt_in_first_step` marks candidates that were scored
with the chat prompt in their first step: it is in `meta` and counted. Two of the scorers are reward models
applied to each prefix; convention and target of each are in `SCORERS`. GSM8K test problems: never training text.
Licence: CC-BY-4.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from stepward.datasets.lines import Source
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, check_columns, read_rows
from stepward.segment.cut import from_steps
from stepward.types import LabeledTrace, Origin, Problem, Spend, StepScores, Target, Trace, Verdict

COLUMNS = Columns(
    required=("problem_id", "question", "ground_truth", "candidates"),
    optional=("domain", "difficulty", "temperature"),
    identity=("problem_id",),
)
CANDIDATE = Columns(
    required=("steps", "is_correct", "scores"),
    optional=("candidate_index", "response", "extracted_answer", "num_tokens", "prompt_in_first_step"),
)
SCORERS: dict[str, Target] = {"math_shepherd": "value", "rlhflow_prm": "value"}
"""Scorers trained on Monte-Carlo values; any other is read as prefix correctness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The candidates of one problem, in order."""

    problem: Problem
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BestOfN:
    """Reads pools of candidates."""

    extra: Extra = "refuse"

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example a candidate: verdict and scores, no labels."""
        for row in read_rows(path, COLUMNS, tally, self.extra):
            problem = _problem(row)
            writer = Origin(
                maker="policy:best_of_n",
                settings={"temperature": row.number("temperature")} if row.has("temperature") else {},
            )
            for candidate in row.rows("candidates"):
                yield _example(check_columns(candidate, CANDIDATE, tally, self.extra), problem, writer, tally)


def pools(examples: Iterable[Example]) -> tuple[Pool, ...]:
    """`examples` gathered by problem, problems in order of first sight."""
    by_problem: dict[str, list[Example]] = {}
    for example in examples:
        by_problem.setdefault(example.problem.id, []).append(example)
    return tuple(Pool(problem=group[0].problem, examples=tuple(group)) for group in by_problem.values())


def _problem(row: Row) -> Problem:
    return Problem(
        id=row.filled("problem_id"),
        text=row.filled("question"),
        answer=row.text("ground_truth"),
        domain=row.text("domain") if row.has("domain") else "",
    )


def _example(row: Row, problem: Problem, writer: Origin, tally: Tally) -> Example:
    answer = row.text("extracted_answer") if row.has("extracted_answer") else None
    prompted = row.has("prompt_in_first_step") and row.boolean("prompt_in_first_step")
    tally.note("candidates scored with the prompt in their first step", int(prompted))
    meta = {
        "candidate_index": row.values.get("candidate_index"),
        "num_tokens": row.values.get("num_tokens"),
        "prompt_in_first_step": prompted,
        **row.extras,
    }
    with row.blame("steps"):
        trace = from_steps(problem.id, row.texts("steps"), answer=answer, origin=writer, meta=meta)
    if row.has("num_tokens"):
        trace = replace(trace, spend=Spend(policy_tokens=row.integer("num_tokens")))
    verdict = Verdict(
        outcome="equal" if row.boolean("is_correct") else "different", answer=answer, reason="as the file states"
    )
    labeled = LabeledTrace(trace=trace, labels=(None,) * len(trace), verdict=verdict)
    scores = row.row("scores")
    return Example(
        problem=problem, labeled=labeled, scores={name: _scores(scores, name, trace) for name in scores.values}
    )


def _scores(row: Row, name: str, trace: Trace) -> StepScores:
    with row.blame(name):
        scorer = Origin(maker=f"scorer:{name}")
        scores = StepScores(values=tuple(row.numbers(name)), target=SCORERS.get(name, "prefix"), scorer=scorer)
        return scores.check(trace)
