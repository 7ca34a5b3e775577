"""AgentProcessBench: trajectories of tool-using agents; people rated every assistant message +1, 0 or -1.

`step_labels` maps the index of a message in `messages`, 0-based and counted from the system message on, to its
rating. What stands before the first assistant message is the problem (the user's text; system prompt and tools in its
meta); every later message is a step, so tool results and users' replies are observations without a label. The ratings
stand in the trace's meta as `ratings`, one or None per step, because three-way metrics need them.

Labels target validity: a message is rated for what it does itself, and after a -1 an agent may recover (in 13 of 65
trajectories a later message is rated otherwise). What 0 counts as is the choice `neutral`. A rating on a message that
the assistant did not write is refused. This is a benchmark: never training text. Licence: none stated, not to be
passed on. Paper: arXiv 2603.14465.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from stepward.datasets.human import Neutral, check_neutral
from stepward.datasets.lines import Source
from stepward.datasets.messages import Message, history, spoken, tool_calls
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, decimal, read_rows
from stepward.types import Json, LabeledTrace, Origin, Outcome, Problem, StepLabel, Verdict, content_key

COLUMNS = Columns(
    required=("data_source", "query_index", "sample_index", "messages", "step_labels"),
    optional=("total_index", "question", "ground_truth", "answer_text", "tool_metrics", "tools", "final_label"),
    identity=("data_source", "query_index", "sample_index"),
)
LABELER = Origin(maker="human:agent_process_bench")
WRITER = Origin(maker="policy:agent_process_bench")
OUTCOMES: Mapping[int, Outcome] = {1: "equal", 0: "undecided", -1: "different"}
GOOD: Mapping[str, float | None] = {"good": 1.0, "bad": 0.0, "drop": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentProcessBench:
    """Reads JSON lines of rated trajectories. The domain of a problem is its `data_source`."""

    neutral: Neutral = "good"
    extra: Extra = "refuse"

    def __post_init__(self) -> None:
        check_neutral(self.neutral)

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example a row."""
        for row in read_rows(path, COLUMNS, tally, self.extra):
            yield self._example(row, tally)

    def _example(self, row: Row, tally: Tally) -> Example:
        messages = row.rows("messages")
        roles = [message.text("role") for message in messages]
        if "assistant" not in roles:
            raise row.error("messages", "must hold a message of the assistant", got=roles)
        start = roles.index("assistant")
        problem = _problem(row, messages[:start])
        ratings = _ratings(row, roles)[start:]
        steps = [_message(message, last=message is messages[-1], tally=tally) for message in messages[start:]]
        meta: dict[str, Json] = {
            "query_index": row.get("query_index"),
            "sample_index": row.get("sample_index"),
            "first_message": start,
            "ratings": ratings,
            **row.extras,
        }
        answer = row.text("answer_text") if row.has("answer_text") else None
        with row.blame("messages"):
            trace = history(problem.id, steps, {"answer": answer, "origin": WRITER, "meta": meta})
        labels = tuple(None if rating is None else self._label(rating) for rating in ratings)
        tally.note(
            "assistant messages without a rating", roles.count("assistant") - sum(r is not None for r in ratings)
        )
        return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels, verdict=_verdict(row)))

    def _label(self, rating: int) -> StepLabel | None:
        value = float(rating > 0) if rating else _neutral(self.neutral)
        if value is None:
            return None
        return StepLabel(target="validity", value=value, source="human", origin=LABELER)


def _neutral(neutral: Neutral) -> float | None:
    return GOOD[neutral] if isinstance(neutral, str) else float(neutral)


def _ratings(row: Row, roles: Sequence[str]) -> list[int | None]:
    """One rating or None per message."""
    found: list[int | None] = [None] * len(roles)
    labels = row.row("step_labels")
    for key in labels.values:
        rating, at = labels.integer(key), decimal(key)
        if at is None or at >= len(roles):
            raise labels.error(key, f"must be the index of one of {len(roles)} messages, from 0")
        if roles[at] != "assistant":
            shifted = all((k := decimal(told)) and roles[k - 1 : k] == ["assistant"] for told in labels.values)
            raise labels.error(
                key,
                "rates a message that the assistant did not write",
                got=roles[at],
                mend="messages count from 0, the system message included" + "; these count from 1" * shifted,
            )
        if rating not in OUTCOMES:
            raise labels.error(key, "must be -1, 0 or 1", got=rating)
        found[at] = rating
    if not labels.values:
        raise row.error("step_labels", "must rate at least one message")
    return found


def _message(row: Row, *, last: bool, tally: Tally) -> Message:
    calls = tool_calls(row)
    own = row.text("content") if row.has("content") else ""
    text = "\n".join([own, *calls] if own.strip() else calls)
    if row.text("role") != "assistant":
        return Message(text=spoken(own, tally), kind="observation")
    return Message(text=spoken(text, tally), kind="action" if calls else "answer" if last else "thought")


def _problem(row: Row, opening: Sequence[Row]) -> Problem:
    said = {role: [m.text("content") for m in opening if m.text("role") == role] for role in ("user", "system")}
    text = "\n\n".join(said["user"]) if said["user"] else row.filled("question")
    source = row.filled("data_source")
    meta: dict[str, Json] = {name: row.get(name) for name in ("question", "tools") if row.has(name)}
    if said["system"]:
        meta["system"] = "\n\n".join(said["system"])
    answer = _reference(row)
    key = content_key(source, text, row.get("query_index"))
    return Problem(id=f"agent-{key}", text=text, answer=answer, answer_kind="exact", domain=source, meta=meta)


def _reference(row: Row) -> str | None:
    """The first of the accepted answers, where the file tells them as texts."""
    told = row.values.get("ground_truth")
    targets = told.get("target") if isinstance(told, Mapping) else told
    first = targets[0] if isinstance(targets, list) and targets else targets
    return first if isinstance(first, str) else None


def _verdict(row: Row) -> Verdict | None:
    if not row.has("final_label"):
        return None
    label = row.integer("final_label")
    if label not in OUTCOMES:
        raise row.error("final_label", "must be -1, 0 or 1", got=label)
    return Verdict(outcome=OUTCOMES[label], reason="as the file states")
