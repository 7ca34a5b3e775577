"""What the metrics accept: finite scores and 0/1 labels of one length. Everything else is refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stepward.errors import LabelError, ScoreError

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Indexes: TypeAlias = NDArray[np.integer[Any]]


class Scored(NamedTuple):
    """Scores and what is true of them, one to one."""

    scores_S: Floats
    good_S: Flags


def scored(scores_S: ArrayLike, good_S: ArrayLike) -> Scored:
    """Both as arrays of one length above 0. Raises `ScoreError` or `LabelError`."""
    scores, good = finite(scores_S), flags(good_S)
    if len(scores) != len(good):
        raise LabelError(f"{len(scores)} scores need as many labels", got=len(good))
    return Scored(scores, good)


def probabilities(probs_S: ArrayLike, good_S: ArrayLike) -> Scored:
    """The same, with every score in [0, 1]."""
    pair = scored(probs_S, good_S)
    outside = (pair.scores_S < 0.0) | (pair.scores_S > 1.0)
    if outside.any():
        at = int(outside.argmax())
        raise ScoreError(f"score {at} is no probability", got=float(pair.scores_S[at]))
    return pair


def both_classes(pair: Scored, metric: str) -> Scored:
    """`pair`, if it holds good and bad items; else `LabelError`, because `metric` is undefined."""
    good = int(pair.good_S.sum())
    if good in (0, len(pair.good_S)):
        raise LabelError(f"{metric} is undefined on one class", got=f"{good} good of {len(pair.good_S)} items")
    return pair


def finite(values_S: ArrayLike) -> Floats:
    """A non-empty 1-D array of finite numbers, or `ScoreError`."""
    values = np.asarray(values_S, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise ScoreError("scores must be a sequence of at least one number", got=f"shape {values.shape}")
    broken = ~np.isfinite(values)
    if broken.any():
        at = int(broken.argmax())
        raise ScoreError(f"score {at} is not a finite number", got=float(values[at]))
    return values


def flags(good_S: ArrayLike) -> Flags:
    """A 1-D array of booleans from 0/1 or True/False, or `LabelError`."""
    labels = np.asarray(good_S)
    if labels.ndim != 1:
        raise LabelError("labels must be a sequence", got=f"shape {labels.shape}")
    odd = [label for label in labels.tolist() if label not in (0, 1)]
    if odd:
        raise LabelError("labels must be 0 or 1", got=odd[0])
    return labels.astype(np.bool_)


def same_count(first: Sequence[object], second: Sequence[object], what: str) -> None:
    """`LabelError` unless both are as long."""
    if len(first) != len(second):
        raise LabelError(f"{what} must be as many", got=(len(first), len(second)))
