"""An agent's message as a step: its text, its kind, and who wrote it.

Every message of the history is one step, so message i of the judged part is step i and indexes of the file stay what
they are. A message without visible text (it happens: an agent answered nothing) is still a step that people rated;
its text is then `EMPTY`. Calls of tools stand behind the message's own text, one line each, so that a scorer can read
them.

    thought       an agent's message          action       one that calls a tool, or holds code to be run
    observation   what a tool, a terminal or the user sent back: never an agent's error
    answer        the last message of the agent, if it calls no tool
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stepward.datasets.reading import Tally
from stepward.datasets.rows import Row
from stepward.segment.cut import Facts, from_steps
from stepward.types import StepKind, Trace

EMPTY = "[empty message]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One step of an agent's history."""

    text: str
    kind: StepKind


def spoken(text: str, tally: Tally) -> str:
    """`text`, or `EMPTY`, counted, where there is nothing to see in it."""
    tally.note("messages without text", int(not text.strip()))
    return text if text.strip() else EMPTY


def tool_calls(row: Row) -> list[str]:
    """One line "Call NAME: ARGUMENTS" for each tool call of a chat message."""
    if not row.has("tool_calls"):
        return []
    calls = [call.row("function") for call in row.rows("tool_calls")]
    return [f"Call {call.text('name')}: {call.text('arguments')}" for call in calls]


def history(problem_id: str, messages: Sequence[Message], facts: Facts) -> Trace:
    """The trace whose steps are `messages`."""
    return from_steps(
        problem_id, [message.text for message in messages], kinds=[message.kind for message in messages], **facts
    )
