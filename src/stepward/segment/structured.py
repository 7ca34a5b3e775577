r"""Steps of agents and of structured output, each with its kind.

    <tool_call>..</tool_call>            a block is a step; its tag says the kind
    Thought: .. Action: .. Observation:  a line that begins so begins a step (ReAct); "Action Input:" does not
    {..} or [{..}, {..}] at a line start an object, or an element of an array, is a step

What stands between them is a step of kind "thought". The kind of a JSON object comes from its role or type,
else from its keys. Behind a ReAct label, JSON belongs to the labelled step.

Prefix-stable: a unit is decided by its own first characters and ends where its closer stands. Degenerate cases:
a tag without its closer takes the rest of the text (a call that was cut off), JSON without its closer `patience`
characters; text with none of these is one thought. A message with several calls is one step per call.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace

from stepward.errors import ConfigError
from stepward.segment.json_walk import JSON_START, walk
from stepward.segment.spans import after_space, partition, tag_of
from stepward.types import Step, StepKind

KINDS: dict[str, StepKind] = {
    **dict.fromkeys(("thought", "think", "thinking", "reasoning"), "thought"),
    **dict.fromkeys(("action", "tool_call", "tool_calls", "function_call", "tool", "arguments"), "action"),
    **dict.fromkeys(("observation", "tool_response", "tool_result", "function_result", "result"), "observation"),
    **dict.fromkeys(("answer", "final_answer"), "answer"),
}
"""Tags, labels and keys, and the kind of step that they make."""
ROLES: dict[str, StepKind] = {
    **dict.fromkeys(("tool", "function", "environment", "observation", "tool_result"), "observation"),
    **dict.fromkeys(("action", "tool_call", "function_call", "tool_use"), "action"),
    **dict.fromkeys(("answer", "final_answer"), "answer"),
}
"""Values of "role" or "type" that settle the kind; any other leaves it to the keys."""

PRECEDENCE: tuple[StepKind, ...] = ("answer", "action", "observation")
"""Which key settles the kind of an object that has several."""

TAGS = "|".join(name for name in KINDS if name not in ("tool", "arguments", "result"))
UNIT = re.compile(
    rf"<(?P<tag>{TAGS})(?:[ \t][^<>\n]*)?>"
    r"|^[ \t*_#]*(?P<label>(?i:thought|action|observation|final answer|answer))"
    r"(?:[ \t]*\d+)?[*_]*[ \t]*[:：]"
    rf"|(?P<json>{JSON_START})",
    re.MULTILINE,
)
BEHIND_JSON = re.compile(r"[ \t]*,?\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Structured:
    """Cuts around tool-call blocks, ReAct labels and JSON values."""

    patience: int = 20_000
    """Characters that a JSON object, or an array's element, may take before it counts as prose."""

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise ConfigError("patience is at least 1", got=self.patience)

    @property
    def tag(self) -> str:
        """Name, version and the patience if it is not the default."""
        return tag_of(self, "structured@1")

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """None: which closer ends a step depends on what opened it."""
        return ()

    def segment(self, text: str) -> tuple[Step, ...]:
        """Spans that partition `text`, with kinds."""
        scan = _Scan(text, self.patience)
        at, labelled = 0, False
        while unit := UNIT.search(text, at):
            at = unit.end()
            if unit["json"] is None or not labelled:
                scan.cuts.append(unit.start())
                at = scan.end_of(unit)
            # JSON behind a label is the input of that action, or what was observed
            labelled = unit["label"] is not None or (labelled and unit["json"] is not None)
        return tuple(replace(step, kind=_kind(text[step.start : step.end])) for step in partition(text, scan.cuts))


@dataclass(slots=True)
class _Scan:
    text: str
    patience: int
    cuts: list[int] = field(default_factory=list)

    def end_of(self, unit: re.Match[str]) -> int:
        """Record the cuts of `unit` behind its start; where to look for the next unit."""
        if unit["label"] is not None:
            return unit.end()
        if unit["json"] is not None:
            return self._json_end(unit)
        closer = f"</{unit['tag']}>"
        found = self.text.find(closer, unit.end())
        end = len(self.text) if found < 0 else after_space(self.text, found + len(closer))
        self.cuts.append(end)
        return end

    def _json_end(self, unit: re.Match[str]) -> int:
        """Walk to the end of the value; an array is cut behind each comma between its elements."""
        array = unit["json"].lstrip().startswith("[")
        at, depth = unit.start(), 0
        while True:
            limit = min(len(self.text), at + self.patience)
            comma = 0
            for here, inner, symbol in walk(self.text, at, limit, depth):
                if inner <= 0:
                    self.cuts.append(_after_comma(self.text, here))
                    return self.cuts[-1]
                if array and inner == 1 and symbol == ",":
                    comma = after_space(self.text, here)
                    break
            if not comma:
                return limit
            self.cuts.append(comma)
            at, depth = comma, 1


def _after_comma(text: str, at: int) -> int:
    """`at`, moved past a comma and the whitespace around it: JSON lines may end in commas."""
    found = BEHIND_JSON.match(text, at)
    return found.end() if found else at


def _kind(text: str) -> StepKind:
    """The kind of a step, from its text alone."""
    unit = UNIT.match(text, after_space(text, 0))
    if unit is None:
        return "thought"
    if unit["json"] is None:
        return KINDS[(unit["tag"] or unit["label"]).lower().replace(" ", "_")]
    try:
        value = json.loads(text[text.index("{") : text.rindex("}") + 1])
    except (ValueError, RecursionError):
        return "thought"
    named = str(value.get("role") or value.get("type") or "").lower()
    if named in ROLES:
        return ROLES[named]
    kinds = {KINDS[key] for key, content in value.items() if content and key in KINDS}
    return next((kind for kind in PRECEDENCE if kind in kinds), "thought")
