"""RLHFlow's chat rows: `conversations`, one user turn a step, each answered by an assistant turn "+" or "-".

The first user turn is `{question} {step 1}`. Where the question ends stands in no public file: `question.py` has the
rules and refuses what is ambiguous; the writer adds a column `problem`, which training code passes over. A sign is a
hard Monte-Carlo estimate in the published files (Mistral-PRM-Data, Deepseek-PRM-Data): "+" where a completion ended
right. Say with `target` and `source` if yours mean something else. There is no neutral sign: any other answer than
"+" or "-" is refused. Paper: RLHF Workflow, arXiv 2405.07863.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stepward.datasets.exchange import Account, LabelledRows, Unlabelled, Written, check_words
from stepward.datasets.lines import Source
from stepward.datasets.question import COLUMN, HEADER, split_opening
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Row, check_columns, read_rows
from stepward.segment.cut import from_steps
from stepward.types import Json, LabeledTrace, Origin, Problem, StepLabel, Target, content_key
from stepward.types import Source as LabelSource

COLUMNS = Columns(required=("conversations",), optional=(COLUMN,))
TURN = Columns(required=("role", "content"))
ROLES = ("user", "assistant")
LABELER = Origin(maker="rollout:rlhflow")


@dataclass(frozen=True, slots=True, kw_only=True)
class RlhFlow(LabelledRows):
    """Reads chat rows."""

    target: Target = "value"
    source: LabelSource = "rollout"
    header: str = HEADER
    """What the first step begins with, in rows that do not carry their question."""

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example a row."""
        for row in read_rows(path, COLUMNS, tally, self.extra):
            yield self._example(row, tally)

    def _example(self, row: Row, tally: Tally) -> Example:
        steps, signs = _turns(row)
        opening = split_opening(row, "conversations[0].content", steps[0], tally, header=self.header)
        problem = Problem(id=f"rlhflow-{content_key(opening.question)}", text=opening.question)
        texts = [text.strip() for text in (opening.step, *steps[1:])]
        with row.blame("conversations"):
            trace = from_steps(problem.id, texts, separator=self.separator, meta=dict(row.extras))
            labels = tuple(
                StepLabel(target=self.target, value=float(sign == "+"), source=self.source, origin=LABELER)
                for sign in signs
            )
            return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels))


@dataclass(frozen=True, slots=True, kw_only=True)
class RlhFlowWriter:
    """Writes chat rows; labels become signs, and white space around steps is not kept."""

    unlabelled: Unlabelled = "cut"

    def __post_init__(self) -> None:
        check_words("hard", self.unlabelled)

    def write(self, path: Source, examples: Iterable[Example]) -> Written:
        """Write the labelled start of each example. `LabelError` on an unlabelled step where those are refused."""
        account = Account(unlabelled=self.unlabelled)
        return account.write(path, examples, lambda example: self._row(example, account))

    def _row(self, example: Example, account: Account) -> dict[str, Json] | None:
        start = account.start(example, strip=True)
        if start is None:
            return None
        question = example.problem.text
        turns: list[Json] = []
        for text, sign in zip((f"{question} {start.texts[0]}", *start.texts[1:]), start.signs(), strict=True):
            turns += [{"role": "user", "content": text}, {"role": "assistant", "content": sign}]
        return {"conversations": turns, COLUMN: question}


def _turns(row: Row) -> tuple[list[str], list[str]]:
    """What the user says and what is answered, in order; `DataError` unless they take turns and answers are signs."""
    said: tuple[list[str], list[str]] = ([], [])
    turns = row.rows("conversations")
    if not turns or len(turns) % 2:
        raise row.error("conversations", "must hold pairs of a user's and an assistant's turn", got=len(turns))
    for index, turn in enumerate(turns):
        check_columns(turn, TURN, Tally())
        if turn.text("role") != ROLES[index % 2]:
            raise turn.error("role", f"must be {ROLES[index % 2]!r}: turns alternate", got=turn.text("role"))
        said[index % 2].append(turn.filled("content"))
    for index, sign in enumerate(said[1]):
        if sign.strip() not in ("+", "-"):
            raise row.error(f"conversations[{2 * index + 1}].content", 'must be "+" or "-"', got=sign)
    return said[0], [sign.strip() for sign in said[1]]
