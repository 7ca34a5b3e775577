"""One cell of a cross-domain matrix, with the bootstrap draws that averages and paired differences are made of.

    auroc              of all labelled steps of a domain together
    within             per solution: in each trace with right and wrong steps, the share of pairs that the scores put in
                       order, ties half; then the mean over traces. Levels that differ between traces cannot help here
    first_error        share of traces whose likeliest first error (or none) is the labelled one; what an environment
                       answered (a step of kind observation) is never a candidate
    average_precision  of wrong steps
    ece                equal mass, 15 bins

Within a domain every scorer meets the same draws of problems, so the difference of two scorers' draws is a paired
bootstrap. Domains are drawn apart, each from a seed of its own. The mean over K domains weighs each alike; its degrees
of freedom are Satterthwaite's, (sum v)^2 / sum(v^2 / (P_k - 1)) for variances v of the domains' draws.

Degenerate cases: a measure without what it needs (one class, no trace with both, no known first error, scores that are
no probabilities) is a sentence that says so in place of a number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import stdtr

from stepward.errors import LabelError
from stepward.evaluation.steps import Judged, flatten
from stepward.metrics.bootstrap import (
    ClusteredSteps,
    Interval,
    auroc_draws,
    bounded_interval,
    interval,
    rarer_problems,
    resamples,
)
from stepward.metrics.checks import Floats
from stepward.metrics.first_error import posterior_from_validity
from stepward.metrics.step_intervals import average_precision_draws, bootstrap_ece
from stepward.types import content_key

MEASURES = ("auroc", "within", "first_error", "average_precision", "ece")
AVERAGED = ("auroc", "within", "first_error")
"""Measures whose mean over domains means something: chance does not depend on how many steps are wrong."""
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Drawn:
    """A statistic on the sample and on every draw of problems."""

    values_D: Floats
    """[1 + draws]: the sample's own, then the draws'; NaN where a draw leaves it undefined."""
    problems: int
    """How many independent problems stand behind it."""

    @property
    def value(self) -> float:
        """On the sample."""
        return float(self.values_D[0])

    @property
    def variance(self) -> float:
        """Over the draws, put right for the number of problems."""
        return float(np.nanvar(self.values_D[1:])) * self.problems / max(self.problems - 1, 1)

    def bounded(self) -> Interval:
        """Interval of a number in [0, 1]."""
        return bounded_interval(self.value, self.values_D[1:], problems=self.problems)

    def free(self) -> Interval:
        """Interval of a number without bounds, such as a difference."""
        return interval(self.value, self.values_D[1:], problems=self.problems)

    def less(self, other: Drawn) -> Drawn:
        """The paired difference from `other`, a statistic of the same problems."""
        return Drawn(values_D=self.values_D - other.values_D, problems=min(self.problems, other.problems))

    def p(self) -> float | None:
        """Two-sided p of the value 0 by Student's t; None where the draws do not vary about another value."""
        error = math.sqrt(self.variance)
        if error < ROUNDING or self.problems < 2:
            return 1.0 if abs(self.value) < ROUNDING else None
        return float(2 * stdtr(self.problems - 1, -abs(self.value) / error))


def mean_drawn(parts: Sequence[Drawn]) -> Drawn:
    """The mean over domains, each alike."""
    variances = [part.variance for part in parts]
    below = sum(v * v / max(part.problems - 1, 1) for v, part in zip(variances, parts, strict=True))
    freedom = sum(variances) ** 2 / below if below > 0 else min(part.problems for part in parts) - 1
    return Drawn(values_D=np.mean([part.values_D for part in parts], axis=0), problems=max(1, int(freedom)) + 1)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CellDraws:
    """What one scorer is worth on one domain: by measure its draws, or why there are none."""

    drawn: Mapping[str, Drawn] = field(default_factory=dict)
    ece: Interval | None = None
    undefined: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRows:
    """Traces of one domain with one scorer's numbers, and whose problems they are of, one name a trace."""

    judged: Sequence[Judged]
    problems: Sequence[str]

    def steps(self) -> ClusteredSteps:
        """Every labelled step with its problem."""
        found = flatten(self.judged)
        names = [
            name for name, each in zip(self.problems, self.judged, strict=True) for _ in each.kept(to_first_error=False)
        ]
        return ClusteredSteps(scores_S=found.scores_S, good_S=found.good_S, problem_S=names)

    def shares(self, read: Callable[[Judged], float | None]) -> tuple[list[float], list[float]]:
        """By problem: the sum over its traces of what `read` says, and of how many it says anything."""
        sums = dict.fromkeys(self.problems, 0.0)
        sizes = dict.fromkeys(self.problems, 0.0)
        for name, each in zip(self.problems, self.judged, strict=True):
            found = read(each)
            if found is not None:
                sums[name] += found
                sizes[name] += 1
        return list(sums.values()), list(sizes.values())


def cell_draws(rows: JudgedRows, domain: str, *, draws: int, seed: int) -> CellDraws:
    """Every measure of `rows`, all of domain `domain`, whose name chooses the draws."""
    own = int(content_key(seed, domain)[:8], 16)
    drawn: dict[str, Drawn] = {}
    undefined: dict[str, str] = {}
    error: Interval | None = None
    for name, make in _MADE.items():
        try:
            drawn[name] = make(rows, draws, own)
        except LabelError as why:
            undefined[name] = why.what
    try:
        error = _ece(rows, draws, own)
    except LabelError as why:
        undefined["ece"] = why.what
    return CellDraws(drawn=drawn, ece=error, undefined=undefined)


def order_within(judged: Judged) -> float | None:
    """Share of the pairs of a right and a wrong step of one trace that its scores put in order; None without a pair."""
    values = judged.scores.values
    good = [values[i] for i, label in enumerate(judged.labeled.labels) if label is not None and label.good]
    bad = [values[i] for i, label in enumerate(judged.labeled.labels) if label is not None and not label.good]
    if not good or not bad:
        return None
    above = np.asarray(good)[:, None] - np.asarray(bad)[None, :]
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def first_error_found(judged: Judged) -> float | None:
    """1 where the likeliest first error is the labelled one, else 0; None where the labelled one is not known."""
    kinds = [step.kind for step in judged.labeled.trace.steps]
    asked = [index for index, kind in enumerate(kinds) if kind != "observation"]
    actual: int | None = None
    for index in asked:
        label = judged.labeled.labels[index]
        if label is None:
            return None
        if not label.good:
            actual = index
            break
    values = [judged.scores.values[index] for index in asked]
    if not values or judged.scores.convention != "probability":
        return None
    place = posterior_from_validity(values).decode()
    return float((None if place is None else asked[place]) == actual)


def _auroc(rows: JudgedRows, draws: int, seed: int) -> Drawn:
    steps = _labelled(rows)
    return Drawn(values_D=auroc_draws(steps, draws=draws, seed=seed), problems=rarer_problems(steps))


def _average_precision(rows: JudgedRows, draws: int, seed: int) -> Drawn:
    steps = _labelled(rows)
    return Drawn(values_D=average_precision_draws(steps, draws=draws, seed=seed), problems=rarer_problems(steps))


def _within(rows: JudgedRows, draws: int, seed: int) -> Drawn:
    return _share(rows.shares(order_within), "no trace holds right and wrong steps", draws, seed)


def _first_error(rows: JudgedRows, draws: int, seed: int) -> Drawn:
    if any(each.scores.convention != "probability" for each in rows.judged):
        raise LabelError("the scores are no probabilities")
    return _share(rows.shares(first_error_found), "no trace whose first error is known", draws, seed)


def _ece(rows: JudgedRows, draws: int, seed: int) -> Interval:
    if any(each.scores.convention != "probability" for each in rows.judged):
        raise LabelError("the scores are no probabilities")
    return bootstrap_ece(_labelled(rows), draws=draws, seed=seed)


def _labelled(rows: JudgedRows) -> ClusteredSteps:
    steps = rows.steps()
    if not len(steps.problem_S):
        raise LabelError("no labelled step is judged")
    return steps


def _share(parts: tuple[list[float], list[float]], nothing: str, draws: int, seed: int) -> Drawn:
    """Sum over size of each draw; NaN for a draw of problems that hold nothing."""
    sums_P, sizes_P = np.asarray(parts[0]), np.asarray(parts[1])
    if not sizes_P.sum():
        raise LabelError(nothing)
    times_DP = np.vstack([np.ones(len(sums_P)), resamples(len(sums_P), draws, seed)])
    below_D = times_DP @ sizes_P
    values_D: Floats = np.full(draws + 1, np.nan)
    np.divide(times_DP @ sums_P, below_D, out=values_D, where=below_D > 0)
    return Drawn(values_D=values_D, problems=int((sizes_P > 0).sum()))


_MADE: Mapping[str, Callable[[JudgedRows, int, int], Drawn]] = {
    "auroc": _auroc,
    "within": _within,
    "first_error": _first_error,
    "average_precision": _average_precision,
}
