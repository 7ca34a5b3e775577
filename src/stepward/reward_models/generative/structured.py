"""Verdicts as JSON: the schema of an answer with one record per step, and its reading.

    {"steps": [{"step": 1, "check": "3 * 4 is 12.", "verdict": "correct"}, ...]}

A server that holds answers to a schema can write nothing else; of any other policy the last JSON object of the answer
counts. Alignment is exact: as many records as steps, numbered in order, or the whole answer is an abstention. A verdict
that is none of the format's is an abstention for its step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stepward.reward_models.generative.reading import worth
from stepward.reward_models.generative.record import JudgeFormat
from stepward.types import Json

Worths = list[tuple[float | None, str]]
"""For each step what its verdict is worth, or None and the reason."""


def verdict_schema(format: JudgeFormat, count: int) -> dict[str, Json]:
    """The JSON schema of an answer on `count` steps; "check" comes first, so that it is thought before it is said."""
    verdicts: list[Json] = [text.strip() for text in format.verdicts]
    step: dict[str, Json] = {"step": {"type": "integer"}, "check": {"type": "string"}, "verdict": {"enum": verdicts}}
    record = _strict(step)
    return _strict({"steps": {"type": "array", "minItems": count, "maxItems": count, "items": record}})


def read_json(format: JudgeFormat, text: str, count: int) -> Worths:
    """What the verdicts of the answer `text` are worth, one for each of `count` steps."""
    records = _records(text)
    if records is None:
        return _none(count, "the answer is no JSON object with a list of steps")
    numbers = [record.get("step") for record in records]
    if numbers != list(range(format.first_number, format.first_number + count)):
        return _none(count, f"{len(records)} records numbered {numbers[:8]} for {count} steps")
    return [_worth(format, record.get("verdict")) for record in records]


def _worth(format: JudgeFormat, said: object) -> tuple[float | None, str]:
    value = worth(format.verdicts, said) if isinstance(said, str) else None
    return value, "" if value is not None else f"a garbled verdict: {str(said)[:40]!r}"


def _records(text: str) -> list[Mapping[str, Any]] | None:
    """The list under "steps" of the last JSON object in `text` that has one; prose around it is passed over."""
    decoder, found, at = json.JSONDecoder(), None, text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            steps = value.get("steps") if isinstance(value, dict) else None
            if isinstance(steps, list) and all(isinstance(each, dict) for each in steps):
                found = steps
        at = text.find("{", end)
    return found


def _none(count: int, why: str) -> Worths:
    return [(None, why)] * count


def _strict(properties: Mapping[str, Json]) -> dict[str, Json]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
