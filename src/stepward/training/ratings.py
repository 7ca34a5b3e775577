"""What a neutral rating means: a step rated 0 in PRM800K is right, yet does not help.

Readers decide it when they read (`datasets/human.py`) and keep the ratings in the trace's `meta`, so that it can be
decided again here without reading again:

    as_read   as the reader took it
    good, bad  1 as the PRM800K authors and Qwen do; 0 as TRL's example converter does
    ignore    the step is not learned
    a number  a soft label in [0, 1], such as 0.5; learned by the soft view alone

A label that was merged from several ratings is left as it is, and so is what follows the first -1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from stepward.errors import ConfigError
from stepward.types import LabeledTrace, StepLabel

Neutral: TypeAlias = 'Literal["as_read", "good", "bad", "ignore"] | float'
AS_READ: Literal["as_read"] = "as_read"
VALUES: dict[str, float | None] = {"good": 1.0, "bad": 0.0, "ignore": None}


def check_neutral(neutral: Neutral) -> None:
    """`ConfigError` unless `neutral` is one of its words or a number in [0, 1]."""
    if neutral == AS_READ or (isinstance(neutral, str) and neutral in VALUES):
        return
    if isinstance(neutral, str | bool) or not 0.0 <= neutral <= 1.0:
        raise ConfigError('neutral must be "as_read", "good", "bad", "ignore" or a number in [0, 1]', got=neutral)


def rated(labeled: LabeledTrace, neutral: Neutral, notes: Counter[str]) -> LabeledTrace:
    """`labeled` with its neutral steps as `neutral` says; how many there were is counted in `notes`."""
    steps = _neutral_steps(labeled)
    if not steps:
        return labeled
    notes[f"neutral steps: {neutral}"] += len(steps)
    if neutral == AS_READ:
        return labeled
    value = VALUES[neutral] if isinstance(neutral, str) else float(neutral)
    labels = list(labeled.labels)
    for step in steps:
        old = labels[step] or StepLabel(target=labeled.target or "prefix", value=1.0, source="human")
        labels[step] = None if value is None else replace(old, value=value)
    return replace(labeled, labels=tuple(labels))


def _neutral_steps(labeled: LabeledTrace) -> list[int]:
    """Steps rated 0 before the first -1, whose label is one person's."""
    ratings = labeled.trace.meta.get("ratings")
    if isinstance(ratings, str) or not isinstance(ratings, Sequence) or len(ratings) != len(labeled.labels):
        return []
    end = next((step for step, rating in enumerate(ratings) if rating == -1), len(ratings))
    labels = labeled.labels[:end]
    return [step for step, label in enumerate(labels) if ratings[step] == 0 and not (label and label.note)]
