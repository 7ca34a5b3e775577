"""GSM8K: problems, gold solutions as traces, and four models' published solutions with their outcome.

Each line of a solution is a step; the last line, "#### 72" in gold and "A: 72" in models' solutions, is a step
of kind "answer". Calculator annotations such as <<48/2=24>> are kept, or taken out with
calculator="strip". Test problems are a benchmark: never training text. Licence: MIT.
Paper: Training Verifiers to Solve Math Word Problems, arXiv 2110.14168.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from stepward.datasets.blanks import without_blanks
from stepward.datasets.lines import Source
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, check_columns, read_rows
from stepward.errors import ConfigError
from stepward.segment.cut import from_steps
from stepward.types import LabeledTrace, Origin, Problem, StepKind, Trace, Verdict, content_key

COLUMNS = Columns(required=("question", "answer"))
MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
MODEL_COLUMNS = Columns(required=("question", "ground_truth", *MODELS))
SOLUTION = Columns(required=("solution", "is_correct"))
CALCULATOR = re.compile(r"<<[^<>]*>>")
GOLD_MARK, MODEL_MARK = "#### ", "A: "

Calculator = Literal["keep", "strip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """A solution's text, who wrote it, and what is known of its answer."""

    text: str
    maker: str
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Gsm8k:
    """Reads problems with their gold solutions."""

    calculator: Calculator = "keep"
    extra: Extra = "refuse"

    def __post_init__(self) -> None:
        _check(self.calculator)

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example a row: the gold solution, its verdict equal, no step labels."""
        for row in read_rows(path, COLUMNS, tally, self.extra):
            text = _stripped(row.text("answer"), self.calculator)
            answer = _stated(text, GOLD_MARK)
            if answer is None:
                raise row.error("answer", f"must end with a line {GOLD_MARK!r} and the answer", got=text[-80:])
            gold = Verdict(outcome="equal", answer=answer, reason="the gold solution")
            problem, solution = _problem(row, answer), Solution(text=text, maker="human:gsm8k", verdict=gold)
            with row.blame("answer"):
                trace = _trace(problem, row, solution, tally)
            yield _example(problem, trace, gold)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gsm8kModelSolutions:
    """Reads the four models' solutions of the test problems."""

    calculator: Calculator = "keep"
    extra: Extra = "refuse"

    def __post_init__(self) -> None:
        _check(self.calculator)

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """Four examples a row, with verdicts; the model is the trace's origin."""
        for row in read_rows(path, MODEL_COLUMNS, tally, self.extra):
            problem = _problem(row, _stated(row.text("ground_truth"), MODEL_MARK))
            for model in MODELS:
                one = check_columns(row.row(model), SOLUTION, tally, self.extra)
                text = _stripped(one.text("solution"), self.calculator)
                verdict = Verdict(
                    outcome="equal" if one.boolean("is_correct") else "different",
                    answer=_stated(text, MODEL_MARK),
                    reason="as the file states",
                )
                solution = Solution(text=text, maker=f"policy:gsm8k-{model}", verdict=verdict)
                with one.blame("solution"):
                    trace = _trace(problem, one, solution, tally)
                yield _example(problem, trace, verdict)


def _trace(problem: Problem, row: Row, solution: Solution, tally: Tally) -> Trace:
    steps = without_blanks(solution.text.split("\n"), tally).steps
    states = steps[-1].startswith((GOLD_MARK, MODEL_MARK))
    kinds: list[StepKind] = ["thought" for _ in steps[:-1]]
    kinds.append("answer" if states else "thought")
    return from_steps(
        problem.id,
        steps,
        separator="\n",
        kinds=kinds,
        answer=solution.verdict.answer,
        origin=Origin(maker=solution.maker),
        meta=dict(row.extras),
    )


def _example(problem: Problem, trace: Trace, verdict: Verdict) -> Example:
    return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=(None,) * len(trace), verdict=verdict))


def _problem(row: Row, answer: str | None) -> Problem:
    text = row.filled("question")
    return Problem(id=f"gsm8k-{content_key(text)}", text=text, answer=answer, domain="arithmetic")


def _stated(solution: str, mark: str) -> str | None:
    """The answer on the last line, thousands separators removed; None where the line does not start with `mark`."""
    last = solution.rstrip().rpartition("\n")[2]
    return last.removeprefix(mark).strip().replace(",", "") if last.startswith(mark) else None


def _stripped(solution: str, calculator: Calculator) -> str:
    return CALCULATOR.sub("", solution) if calculator == "strip" else solution


def _check(calculator: Calculator) -> None:
    if calculator not in ("keep", "strip"):
        raise ConfigError('calculator must be "keep" or "strip"', got=calculator)
