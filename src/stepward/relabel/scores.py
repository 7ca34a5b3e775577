"""Scores beside labels, for filters that compare the two.

A relabeler sees labelled traces alone. So the scores of a trace travel in its record's `meta`, one list per scorer or
head under `scores`, put there before the filters run and taken off behind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stepward.errors import ScoreError
from stepward.types import LabeledTrace, StepScores

KEY = "scores"


def with_scores(labeled: LabeledTrace, scores: Sequence[StepScores]) -> LabeledTrace:
    """`labeled` with the values of each of `scores`, probabilities, one per step; `ScoreError` otherwise."""
    for each in scores:
        each.check(labeled.trace)
        if each.convention != "probability":
            raise ScoreError("only probabilities compare with labels", got=each.convention, mend="calibrate the model")
    return replace(labeled, meta={**labeled.meta, KEY: [list(each.values) for each in scores]})


def without_scores(labeled: LabeledTrace) -> LabeledTrace:
    """`labeled` as it was."""
    return replace(labeled, meta={key: value for key, value in labeled.meta.items() if key != KEY})


def scores_of(labeled: LabeledTrace) -> list[list[float]]:
    """One list of values per scorer. `ScoreError` where there is none."""
    found = labeled.meta.get(KEY)
    rows = [list(row) for row in found if isinstance(row, list | tuple)] if isinstance(found, list | tuple) else []
    if not rows:
        raise ScoreError(
            f"trace {labeled.trace.id} has no scores to compare its labels with", mend="name `scores` in the stage"
        )
    return [[float(value) for value in row if isinstance(value, int | float)] for row in rows]
