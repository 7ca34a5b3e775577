"""Judges soft labels by the value of their prefixes, where it is known or was estimated with many completions.

    mean squared error = mean (v - V)^2, of which an estimate V = k / n itself is worth mean V (1 - V) / (n - 1)
    bias               = mean (v - V)
and reliability bins, mean label against mean value. The share of V (1 - V) / (n - 1) is taken off, so that the error of
the reference is not the labeler's; in a small sample what is left can fall below 0. The reference must come from other
completions than the labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stepward.errors import LabelError
from stepward.evaluation.label_quality import check_pair, mean_over_problems
from stepward.metrics.bootstrap import Interval
from stepward.types import LabeledTrace


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueBin:
    """Labels of about the same value, and what the prefixes are worth."""

    labels: int
    said: float
    true: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueQuality:
    """How near soft labels come to the value of their prefixes."""

    problems: int
    steps: int
    squared_error: Interval
    """Mean squared error, the reference's own share taken off."""
    bias: Interval
    calibration_error: float
    """Mean distance of label and value over the bins, weighted by their labels."""
    bins: tuple[ValueBin, ...]


def judge_values(
    labels: Sequence[LabeledTrace], values: Sequence[LabeledTrace], *, seed: int, bins: int = 10
) -> ValueQuality:
    """Compare soft labels with the values of their prefixes: value labels that are exact, or k of n with n large."""
    rows = [row for said, true in zip(labels, values, strict=True) for row in _values(said, true)]
    if not rows:
        raise LabelError("labels and values share no step with a value label")
    told = _value_bins([(said, true) for _, said, true, _ in rows], bins)
    return ValueQuality(
        problems=len({problem for problem, *_ in rows}),
        steps=len(rows),
        squared_error=mean_over_problems(((p, (said - true) ** 2 - noise, 1) for p, said, true, noise in rows), seed),
        bias=mean_over_problems(((p, said - true, 1) for p, said, true, _ in rows), seed),
        calibration_error=sum(b.labels * abs(b.said - b.true) for b in told) / len(rows),
        bins=told,
    )


def _values(said: LabeledTrace, true: LabeledTrace) -> list[tuple[str, float, float, float]]:
    """Problem, label, value, and how far the value itself is expected to be off, squared."""
    check_pair(said, true)
    rows = []
    for ours, value in zip(said.labels, true.labels, strict=True):
        if ours is None or value is None:
            continue
        if ours.target != "value" or value.target != "value":
            raise LabelError("only value labels can be judged by values", got=(ours.target, value.target))
        exact = value.trials is None or value.trials < 2  # the verdict of a whole trace is exact with one trial
        noise = 0.0 if exact else value.value * (1 - value.value) / ((value.trials or 2) - 1)
        rows.append((said.trace.problem_id, ours.value, value.value, noise))
    return rows


def _value_bins(pairs: Sequence[tuple[float, float]], bins: int) -> tuple[ValueBin, ...]:
    """Bins of equal width over labels in [0, 1], empty ones left out."""
    said_S, true_S = np.array(pairs).T
    bin_S = np.minimum((said_S * bins).astype(int), bins - 1)
    return tuple(
        ValueBin(labels=int(own.sum()), said=float(said_S[own].mean()), true=float(true_S[own].mean()))
        for own in (bin_S == at for at in range(bins))
        if own.any()
    )
