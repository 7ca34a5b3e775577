"""Math-Shepherd's string form.

`input` is question and steps, each step followed by the marker " ки"; `label` is the same text with "+", "-" or a
number in [0, 1] where the markers stand.

A "+" says that at least one completion from that step reached the right answer: a Monte-Carlo value, not
correctness. There is no neutral label. The counts are not in the file. The question ends where the last "Step 1:"
before the first marker begins; a question that holds "Step 1:" itself is counted. Steps are joined by newlines. A
marker that does not fit its label is refused: nothing is guessed. Licence of the samples in circulation: MIT.

The form needs a "Step k:" header on each step. The writer adds headers where they are missing (counted), and
`headers="strip"` takes them off again when such a file is read. Paper: Math-Shepherd, arXiv 2312.08935.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from stepward.datasets.exchange import (
    DOMAINS,
    SOFT,
    Account,
    LabelledRows,
    Unlabelled,
    Values,
    Written,
    check_words,
    refuse_marker,
)
from stepward.datasets.lines import Source
from stepward.datasets.marked import join_marked, split_marked
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Row, read_rows
from stepward.errors import ConfigError, LabelError
from stepward.segment.cut import from_steps
from stepward.types import Json, LabeledTrace, Origin, Problem, StepLabel, Target, content_key
from stepward.types import Source as LabelSource

COLUMNS = Columns(required=("input", "label"), optional=("task",))
MARKER = "ки"
FIRST_STEP = "Step 1:"
ANSWER_MARK = "The answer is:"
LABELER = Origin(maker="rollout:math_shepherd")


@dataclass(frozen=True, slots=True, kw_only=True)
class MathShepherd(LabelledRows):
    """Reads the string form."""

    marker: str = MARKER
    headers: Literal["keep", "strip"] = "keep"
    """strip takes "Step k:" off every step, which must have it."""
    target: Target = "value"
    source: LabelSource = "rollout"

    def __post_init__(self) -> None:
        LabelledRows.__post_init__(self)
        if self.headers not in ("keep", "strip"):
            raise ConfigError('headers must be "keep" or "strip"', got=self.headers)

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example a row; `domain` is the row's task."""
        for row in read_rows(path, COLUMNS, tally, self.extra):
            yield self._example(row, tally)

    def _example(self, row: Row, tally: Tally) -> Example:
        pieces = split_marked(row, "input", row.text("input"), self.marker)
        values = _values(row, pieces)
        question, found, first = pieces[0].rpartition(FIRST_STEP)
        if not found or not question.strip():
            raise row.error("input", f"must hold the question and then {FIRST_STEP!r}", got=pieces[0][:80])
        tally.note(f"questions that hold {FIRST_STEP!r} themselves", FIRST_STEP in question)
        steps = [(FIRST_STEP + first).strip(), *(piece.strip() for piece in pieces[1:])]
        text, domain = question.strip(), row.text("task") if row.has("task") else ""
        problem = Problem(id=f"math-{content_key(text)}", text=text, domain=domain)
        _, stated, answer = steps[-1].rpartition(ANSWER_MARK)
        with row.blame("input"):
            trace = from_steps(
                problem.id,
                self._bodies(row, steps),
                separator="\n",
                answer=answer.strip() if stated else None,
                origin=Origin(maker="policy:math_shepherd"),
                meta=dict(row.extras),
            )
        with row.blame("label"):
            labels = tuple(
                StepLabel(target=self.target, value=value, source=self.source, origin=LABELER) for value in values
            )
            return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels))

    def _bodies(self, row: Row, steps: Sequence[str]) -> list[str]:
        if self.headers == "keep":
            return list(steps)
        for number, step in enumerate(steps, start=1):
            if not step.startswith(_header(number)):
                raise row.error("input", f"step {number - 1} must begin with {_header(number)!r}", got=step[:80])
        return [step[len(_header(number)) :].strip() for number, step in enumerate(steps, start=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class MathShepherdWriter:
    """Writes the string form; white space around steps is not kept."""

    values: Values = "soft"
    """soft: 1 and 0 as + and -, others as numbers; hard: + and - only."""
    unlabelled: Unlabelled = "cut"
    marker: str = MARKER

    def __post_init__(self) -> None:
        check_words(self.values, self.unlabelled)

    def write(self, path: Source, examples: Iterable[Example]) -> Written:
        """Write the labelled start of each example. `LabelError` where a step or a problem holds the marker."""
        kept = frozenset({DOMAINS, SOFT} if self.values == "soft" else {DOMAINS})
        account = Account(kept=kept, unlabelled=self.unlabelled)
        return account.write(path, examples, lambda example: self._row(example, account))

    def _row(self, example: Example, account: Account) -> dict[str, Json] | None:
        start = account.start(example, strip=True)
        if start is None:
            return None
        question = account.stripped(example.problem)
        texts = _with_headers(start.texts, account)
        refuse_marker(example.labeled, "problem", [question], self.marker)
        refuse_marker(example.labeled, "step", texts, self.marker)
        if FIRST_STEP in texts[0][len(FIRST_STEP) :]:
            raise LabelError(
                f"step 0 of trace {example.labeled.trace.id} holds {FIRST_STEP!r} again, which ends a question",
                got=texts[0],
                mend="write another format",
            )
        signs = start.signs() if self.values == "hard" else [_sign(value) for value in start.numbers()]
        label = "\n".join(f"{text} {sign}" for text, sign in zip(texts, signs, strict=True))
        row: dict[str, Json] = {"input": f"{question} {join_marked(texts, self.marker, chr(10))}"}
        return row | {"label": f"{question} {label}", "task": example.problem.domain}


def _with_headers(texts: tuple[str, ...], account: Account) -> tuple[str, ...]:
    """`texts` as they stand where each has its "Step k:", otherwise with it."""
    if all(text.startswith(_header(number)) for number, text in enumerate(texts, start=1)):
        return texts
    account.lost['steps without the "Step k:" that was added'] += len(texts)
    return tuple(f"{_header(number)} {text}" for number, text in enumerate(texts, start=1))


def _header(number: int) -> str:
    return f"Step {number}:"


def _sign(value: float) -> str:
    return {0.0: "-", 1.0: "+"}.get(value, str(value))


def _values(row: Row, pieces: list[str]) -> list[float]:
    """The value behind each of `pieces` in `label`, whose text must repeat them."""
    label, at, values = row.text("label"), 0, []
    for index, piece in enumerate(pieces):
        if not label.startswith(piece, at):
            raise row.error("label", f"must repeat the text of step {index} of the input", got=label[at : at + 80])
        at += len(piece)
        end = label.find("\n", at)
        sign = label[at : end if end >= 0 else len(label)]
        values.append(_value(row, sign.strip(), index))
        at += len(sign)
    if label[at:].strip():
        raise row.error("label", f"goes on after the last of {len(pieces)} steps", got=label[at : at + 80])
    return values


def _value(row: Row, sign: str, index: int) -> float:
    if sign in ("+", "-"):
        return float(sign == "+")
    try:
        return float(sign)
    except ValueError:
        raise row.error("label", f"step {index} must end with +, - or a number", got=sign) from None
