"""Who&When: logs of multi-agent systems that failed; experts name the decisive error, its step and its agent.

`mistake_step` is the 0-based index in `history`, text or number; `mistake_agent` is who wrote it. Every message is a
step, written as "NAME: text", because a judge must know who speaks; what a terminal or a person sent back is an
observation.

The decisive error is the earliest step whose correction would have made the run succeed, so the steps before it hold
no decisive error: they are good in the sense of the prefix target, with `before="good"`, though nobody rated each of
them; `before="drop"` leaves them unlabelled. Steps behind it are never labelled. Step and agent also stand in the
trace's meta. Where the two disagree (3 of 126 and 3 of 58 logs) the step is kept and the row is counted.

The hand-crafted logs name no writer but a role, with what it did in brackets: "Orchestrator (-> WebSurfer)" is the
Orchestrator. They call `is_correct` `is_corrected`; both say the same.

One JSON object a file, as the logs are published, or JSON lines or an array of them. Licence: MIT. Paper: arXiv
2505.00212.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from stepward.datasets.lines import Place, Source, name_of, parse, read_document, read_lines
from stepward.datasets.messages import Message, history, spoken
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, check_columns, decimal, read_rows
from stepward.errors import ConfigError, DataError
from stepward.types import LabeledTrace, Origin, Problem, StepLabel, Verdict

VERDICTS = ("is_correct", "is_corrected")
COLUMNS = Columns(
    required=("question_ID", "question", "history", "mistake_agent", "mistake_step"),
    optional=("mistake_reason", "mistake_type", "ground_truth", *VERDICTS, "level", "system_prompt", "labels"),
)
LABELER = Origin(maker="human:who_and_when")
WRITER = Origin(maker="policy:who_and_when")
SENDERS_BACK = ("Computer_terminal", "ComputerTerminal", "human")
"""Who only sends back what came of an agent's message."""
CODE = "```"


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoAndWhen:
    """Reads failure logs."""

    before: Literal["good", "drop"] = "good"
    extra: Extra = "refuse"

    def __post_init__(self) -> None:
        if self.before not in ("good", "drop"):
            raise ConfigError('before must be "good" or "drop"', got=self.before)

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example a log."""
        if not _is_one_document(path):
            rows = read_rows(path, COLUMNS, tally, self.extra)
        else:
            values = {key: value for _, key, value in read_document(path)}
            tally.rows += 1
            rows = iter([check_columns(Row(Place(name_of(path), 1), values), COLUMNS, tally, self.extra)])
        for row in rows:
            yield self._example(row, tally)

    def _example(self, row: Row, tally: Tally) -> Example:
        problem = Problem(
            id=row.filled("question_ID"),
            text=row.filled("question"),
            answer=row.text("ground_truth") if row.has("ground_truth") else None,
            answer_kind="exact",
            domain="agents",
        )
        messages = row.rows("history")
        speakers = [_speaker(message) for message in messages]
        agents = [_agent(speaker) for speaker in speakers]
        step, agent = _decisive_step(row, len(messages)), row.filled("mistake_agent")
        tally.note("logs whose named agent did not write the named step", int(agents[step] != agent))
        meta = {
            "agents": agents,
            "mistake_step": step,
            "mistake_agent": agent,
            "mistake_reason": row.values.get("mistake_reason"),
            **row.extras,
        }
        said = [_message(message, name, tally) for message, name in zip(messages, speakers, strict=True)]
        trace = history(problem.id, said, {"origin": WRITER, "meta": meta})
        return Example(
            problem=problem,
            labeled=LabeledTrace(trace=trace, labels=self._labels(step, len(messages)), verdict=_verdict(row)),
        )

    def _labels(self, step: int, count: int) -> tuple[StepLabel | None, ...]:
        good = StepLabel(target="prefix", value=1.0, source="human", origin=LABELER) if self.before == "good" else None
        bad = StepLabel(target="prefix", value=0.0, source="human", origin=LABELER)
        return (*(good,) * step, bad, *(None,) * (count - step - 1))


def _is_one_document(path: Source) -> bool:
    """Whether the first line that is not blank is only a part of a JSON object."""
    first = next((text for _, text in read_lines(path) if text.strip()), "")
    if not first.lstrip().startswith("{"):
        return False
    try:
        parse(first, Place(name_of(path), 1))
    except DataError:
        return True
    return False


def _decisive_step(row: Row, count: int) -> int:
    told = row.get("mistake_step")
    step = decimal(told) if isinstance(told, str) else told
    if not isinstance(step, int) or isinstance(step, bool) or not 0 <= step < count:
        raise row.error(
            "mistake_step",
            f"must be the index of one of {count} messages, from 0 to {count - 1}",
            got=told,
            mend="if the file counts from 1, subtract 1 from every step",
        )
    return step


def _speaker(message: Row) -> str:
    """The message's name, or its role where it has none, as in hand-crafted systems."""
    return message.filled("name") if message.has("name") else message.filled("role")


def _agent(speaker: str) -> str:
    """Who spoke, without what it did in brackets."""
    return speaker.partition(" (")[0]


def _message(message: Row, name: str, tally: Tally) -> Message:
    text = spoken(message.text("content"), tally)
    kind: Literal["observation", "action", "thought"] = "action" if CODE in text else "thought"
    return Message(text=f"{name}: {text}", kind="observation" if name in SENDERS_BACK else kind)


def _verdict(row: Row) -> Verdict | None:
    told = [row.boolean(name) for name in VERDICTS if row.has(name)]
    return Verdict(outcome="equal" if all(told) else "different", reason="as the file states") if told else None
