"""From what people wrote down to step labels whose target is the prefix: "no error up to and with this step".

Two kinds of annotation exist. Some people name only the first wrong step t: steps before t are good (1),
step t is not (0), and of the steps after t nothing was said. Others rate each step -1, 0 or +1, where
0 ("neutral") is a right step that does not help. Both choices that follow are options, never silent:

    after    "drop": steps after the first error carry no label. "zero": they are 0, which the prefix
             target implies, though nobody looked at them.
    neutral  "good" -> 1 (as the PRM800K authors and Qwen do), "bad" -> 0 (as TRL's example converter
             does), "drop" -> no label, or a number in [0, 1].

Paper: Let's Verify Step by Step, arXiv 2305.20050; first errors: arXiv 2211.14275.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from stepward.errors import ConfigError, LabelError
from stepward.types import Origin, StepLabel

After: TypeAlias = Literal["drop", "zero"]
Neutral: TypeAlias = 'Literal["good", "bad", "drop"] | float'
Labels: TypeAlias = tuple[StepLabel | None, ...]


def check_after(after: After) -> None:
    """`ConfigError` unless `after` is one of its two words."""
    if after not in ("drop", "zero"):
        raise ConfigError('after must be "drop" or "zero"', got=after)


def check_neutral(neutral: Neutral) -> None:
    """`ConfigError` unless `neutral` is one of its words or a number in [0, 1]."""
    if isinstance(neutral, str) and neutral in ("good", "bad", "drop"):
        return
    if isinstance(neutral, int | float) and not isinstance(neutral, bool) and 0.0 <= neutral <= 1.0:
        return
    raise ConfigError('neutral must be "good", "bad", "drop" or a number in [0, 1]', got=neutral)


def first_error_labels(count: int, first: int | None, *, origin: Origin, after: After = "drop") -> Labels:
    """Labels of `count` steps whose first wrong one has the 0-based index `first`; None where none is wrong.

    Raises `LabelError` where `first` is no index of a step.
    """
    if first is not None and not 0 <= first < count:
        raise LabelError(f"the first error must be a step from 0 to {count - 1}", got=first)
    good = StepLabel(target="prefix", value=1.0, source="human", origin=origin)
    bad = StepLabel(target="prefix", value=0.0, source="human", origin=origin)
    if first is None:
        return (good,) * count
    rest = bad if after == "zero" else None
    return (good,) * first + (bad,) + (rest,) * (count - first - 1)


def rating_labels(
    ratings: Sequence[int | None], *, origin: Origin, neutral: Neutral = "good", after: After = "drop"
) -> Labels:
    """Labels of steps rated -1, 0, +1 or None (not rated, hence no label).

    Raises `LabelError` on any other rating.
    """
    labels: list[StepLabel | None] = []
    wrong = False
    for index, rating in enumerate(ratings):
        value = _value(rating, neutral, index)
        if wrong:
            value = 0.0 if after == "zero" else None
        wrong = wrong or rating == -1
        labels.append(None if value is None else StepLabel(target="prefix", value=value, source="human", origin=origin))
    return tuple(labels)


def _value(rating: int | None, neutral: Neutral, index: int) -> float | None:
    if rating not in (-1, 0, 1, None):
        raise LabelError(f"the rating of step {index} must be -1, 0, 1 or null", got=rating)
    if rating != 0:
        return None if rating is None else float(rating > 0)
    if isinstance(neutral, str):
        return {"good": 1.0, "bad": 0.0, "drop": None}[neutral]
    return float(neutral)
