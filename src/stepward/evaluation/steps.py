"""Judges step scores against labels: ranking, first error, calibration, each with an interval over problems.

Two step sets, because they answer different questions. *all*: every labelled step; after a first error
nearly everything is wrong, which is easy to see. *up to the first error*: where the hard call is made,
the protocol of ProcessBench. The positive class of the average precision is a wrong step. Unlabelled
steps are left out and counted; traces without steps have nothing to judge.

Source: reference protocols of arXiv 2412.06559 (first error) and 2305.20050 (step labels).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np

from stepward.errors import LabelError
from stepward.metrics.bootstrap import (
    ClusteredSteps,
    Interval,
    bootstrap_auroc,
    bootstrap_auroc_difference,
    bootstrap_share,
)
from stepward.metrics.calibration import ReliabilityBin, equal_mass_bins
from stepward.metrics.first_error import decode_threshold, posterior_from_validity
from stepward.metrics.step_intervals import bootstrap_average_precision, bootstrap_brier, bootstrap_ece
from stepward.types import LabeledTrace, StepScores


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One trace with its reference labels and a scorer's numbers, one per step."""

    labeled: LabeledTrace
    scores: StepScores

    def __post_init__(self) -> None:
        self.scores.check(self.labeled.trace)

    @property
    def problem_id(self) -> str:
        """The problem, which is what intervals resample."""
        return self.labeled.trace.problem_id

    def kept(self, *, to_first_error: bool) -> list[int]:
        """Indexes of the labelled steps; with `to_first_error` those up to and with the first wrong one."""
        kept = []
        for index, label in enumerate(self.labeled.labels):
            if label is not None:
                kept.append(index)
                if to_first_error and not label.good:
                    break
        return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class StepQuality:
    """What a scorer is worth as a judge of steps."""

    problems: int
    traces: int
    steps: int
    unlabelled: int
    wrong_share: float
    auroc: Interval
    auroc_to_first_error: Interval
    average_precision: Interval
    """Of wrong steps; its chance level is `wrong_share`."""
    first_error_accuracy: Interval
    """Share of traces whose first step below 1/2 (or none) is the labelled first error (or none)."""
    first_error_by_posterior: Interval
    """The same for the likeliest first error, P(first error at k) = (1 - p_k) p_0 ... p_{k-1}: needs no threshold."""
    found_errors: Interval
    """Of the threshold, among traces with an error."""
    passed_clean: Interval
    """The same among traces without."""
    ece: Interval
    """Its interval is of the ECE of unlimited problems, and reaches far below it where most of it is noise."""
    brier: Interval
    bins: tuple[ReliabilityBin, ...]


def flatten(judged: Sequence[Judged], *, to_first_error: bool = False) -> ClusteredSteps:
    """Every kept step of `judged` in one row, with its problem."""
    rows = [(j, index) for j in judged for index in j.kept(to_first_error=to_first_error)]
    return ClusteredSteps(
        scores_S=np.array([j.scores.values[i] for j, i in rows]),
        good_S=np.array([_good(j, i) for j, i in rows]),
        problem_S=[j.problem_id for j, _ in rows],
    )


def shades(scores: StepScores) -> tuple[float, ...]:
    """Each score on [0, 1]: itself for a probability, its logistic otherwise."""
    if scores.convention == "probability":
        return scores.values
    return tuple(0.5 * (1.0 + math.tanh(value / 2)) for value in scores.values)


def judge_steps(judged: Sequence[Judged], *, seed: int) -> StepQuality:
    """Every figure of `StepQuality`; `LabelError` where no step is labelled or all are alike.

    Scores must be probabilities for calibration and the threshold of 1/2 to mean something.
    """
    steps = flatten(judged)
    scores, good = np.asarray(steps.scores_S), np.asarray(steps.good_S)
    if not len(scores):
        raise LabelError("no labelled step to judge", mend="label the traces, or check which labels were read")
    groups = _by_problem(judged)
    return StepQuality(
        problems=len(groups),
        traces=len(judged),
        steps=len(scores),
        unlabelled=sum(len(j.scores) for j in judged) - len(scores),
        wrong_share=float(1 - good.mean()),
        auroc=bootstrap_auroc(steps, seed=seed),
        auroc_to_first_error=bootstrap_auroc(flatten(judged, to_first_error=True), seed=seed),
        average_precision=bootstrap_average_precision(steps, seed=seed),
        first_error_accuracy=_hit_rate(_hits(groups, decode_threshold), seed),
        first_error_by_posterior=_hit_rate(_hits(groups, _likeliest), seed),
        found_errors=_hit_rate(_hits(groups, decode_threshold, among=True), seed),
        passed_clean=_hit_rate(_hits(groups, decode_threshold, among=False), seed),
        ece=bootstrap_ece(steps, seed=seed),
        brier=bootstrap_brier(steps, seed=seed),
        bins=tuple(equal_mass_bins(scores, good, bins=15)),
    )


def auroc_gain(first: Sequence[Judged], second: Sequence[Judged], *, seed: int) -> Interval:
    """Paired interval of the first scorer's step AUROC less the second's, on the same labelled traces."""
    return bootstrap_auroc_difference(flatten(first), flatten(second), seed=seed)


def _good(judged: Judged, index: int) -> bool:
    label = judged.labeled.labels[index]
    return label is not None and label.good


def _by_problem(judged: Sequence[Judged]) -> list[list[Judged]]:
    ordered = sorted(judged, key=lambda j: j.problem_id)
    return [list(group) for _, group in groupby(ordered, key=lambda j: j.problem_id)]


def _likeliest(values: Sequence[float]) -> int | None:
    return posterior_from_validity(values).decode()


def _hits(
    groups: list[list[Judged]], decode: Callable[[Sequence[float]], int | None], *, among: bool | None = None
) -> list[list[bool]]:
    """By problem, whether each trace's decoded first error is the labelled one.

    Traces whose first error is not known are left out; `among` keeps those with (True) or without an error.
    """
    rows = []
    for group in groups:
        known = [(j, actual.error) for j in group if (actual := _actual(j)) is not None]
        kept = [(j, error) for j, error in known if among is None or (error is not None) == among]
        rows.append([decode(j.scores.values) == error for j, error in kept])
    return rows


class _Actual(NamedTuple):
    error: int | None


def _actual(judged: Judged) -> _Actual | None:
    """The labelled first error; None where an unlabelled step hides it."""
    try:
        return _Actual(judged.labeled.first_error)
    except LabelError:
        return None


def _hit_rate(rows: list[list[bool]], seed: int) -> Interval:
    """Share of hits with an interval over problems; NaN where there is no trace of the kind."""
    sizes = [len(row) for row in rows]
    if not sum(sizes):
        return Interval(value=math.nan, low=math.nan, high=math.nan)
    return bootstrap_share([sum(row) for row in rows], sizes, seed=seed)
