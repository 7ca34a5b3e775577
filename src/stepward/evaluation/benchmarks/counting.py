"""Counts per problem, and measures made of them with a cluster bootstrap that never copies an item.

Every measure of a benchmark is a function of sums over problems (hits, items, true positives ...). Row 0 of each
column is the sum over the sample, rows 1..D the sums over D bootstrap draws in which problems are drawn with
replacement, so one numpy expression on columns gives a value and its draws. Strata (the splits of a benchmark, which
are independent) are drawn each for itself and keep their sizes. Intervals are Wilson-shaped (`metrics.bootstrap`).

    share         a / n
    harmonic      2ab / (a + b), 0 where both are 0
    F1, MCC       of true and false positives and negatives, NaN where a class under them is empty

NaN marks an undefined row; `Counted.measure` turns it into a reason.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from stepward.errors import LabelError
from stepward.evaluation.benchmarks.result import Measure
from stepward.metrics.bootstrap import UNIT, Interval, Span, bounded_interval, resamples
from stepward.metrics.checks import Floats

DRAWS = 2000
SIGNED: Span = (-1.0, 1.0)
"""Where a correlation lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What one item adds to the sums."""

    problem: str
    counts: Mapping[str, float]
    stratum: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Counted:
    """Columns of sums, each of shape [1 + draws]. A name that nothing was counted under is a column of zeros."""

    columns: Mapping[str, Floats]
    holders: Mapping[str, int]
    """By column, how many problems add to it."""
    problems: int

    @classmethod
    def of(cls, tallies: Iterable[Tally], *, seed: int, draws: int = DRAWS) -> Counted:
        """The sums of `tallies` and of the draws that `seed` gives."""
        strata: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(float)))
        for tally in tallies:
            own = strata[tally.stratum][tally.problem]
            for name, count in tally.counts.items():
                own[name] += count
        columns: dict[str, Floats] = defaultdict(lambda: np.zeros(1 + draws))
        holders: dict[str, int] = defaultdict(int)
        for place, problems in enumerate(strata.values()):
            times_DP = np.vstack([np.ones(len(problems)), resamples(len(problems), draws, seed + place)])
            for name in sorted({name for counts in problems.values() for name in counts}):
                counts_P = np.array([counts.get(name, 0.0) for counts in problems.values()])
                columns[name] = columns[name] + times_DP @ counts_P
                holders[name] += int((counts_P > 0).sum())
        return cls(columns=dict(columns), holders=dict(holders), problems=sum(map(len, strata.values())))

    def __getitem__(self, name: str) -> Floats:
        known = next(iter(self.columns.values()), np.zeros(1 + DRAWS))
        return self.columns.get(name, np.zeros_like(known))

    def items(self, *names: str) -> int:
        """The sample's sum over these columns, as a whole number."""
        return round(sum(float(self[name][0]) for name in names))

    def measure(
        self, name: str, values_D: Floats, of: tuple[str, ...], *, undefined: str = "", span: Span = UNIT
    ) -> Measure:
        """`values_D[0]`, which lies in `span`, with the interval of its draws.

        `of` names the columns of the items under it, one for each kind that it needs: the kind that fewest problems
        hold bounds what is known. Where the value is NaN the measure has none and says `undefined`.
        """
        items, value = self.items(*of), float(values_D[0])
        if math.isnan(value):
            return Measure(name=name, value=None, items=items, reason=undefined or "no item under it")
        units = min((held for each in of if (held := self.holders.get(each, 0))), default=1)
        try:
            found = bounded_interval(value, values_D[1:], problems=units, span=span)
        except LabelError as error:
            return Measure(name=name, value=value, items=items, reason=f"no interval: {error}")
        return Measure(name=name, value=value, low=found.low, high=found.high, items=items)


def share(above_D: Floats, below_D: Floats) -> Floats:
    """Their ratio; NaN where the lower one is 0."""
    ratio_D: Floats = np.full(len(below_D), np.nan)
    np.divide(above_D, below_D, out=ratio_D, where=below_D > 0)
    return ratio_D


def harmonic(a_D: Floats, b_D: Floats) -> Floats:
    """2ab / (a + b), 0 where both are 0, NaN where either is undefined."""
    total_D = a_D + b_D
    mean_D: Floats = np.where(np.isnan(total_D), np.nan, 0.0)
    np.divide(2 * a_D * b_D, total_D, out=mean_D, where=total_D > 0)
    return mean_D


def mean(rows_XD: Iterable[Floats]) -> Floats:
    """The plain mean of X measures, draw by draw; NaN where any of them is undefined."""
    return np.asarray(np.mean(list(rows_XD), axis=0))


@dataclass(frozen=True, eq=False, kw_only=True)
class Verdicts:
    """True and false positives and negatives of `name` among counts, as `Counted` holds them."""

    tp_D: Floats
    tn_D: Floats
    fp_D: Floats
    fn_D: Floats
    alike: bool
    """Whether every call of the sample is the same."""

    @classmethod
    def of(cls, counted: Counted, name: str) -> Verdicts:
        """The columns `name/tp` and so on."""
        columns = {f"{kind}_D": counted[f"{name}/{kind}"] for kind in ("tp", "tn", "fp", "fn")}
        called, every = counted.items(f"{name}/tp", f"{name}/fp"), counted.items(*truths(name))
        return cls(**columns, alike=called in (0, every))

    @property
    def f1(self) -> Floats:
        """F1 of the positive class."""
        return share(2 * self.tp_D, 2 * self.tp_D + self.fp_D + self.fn_D)

    @property
    def f1_negative(self) -> Floats:
        """F1 of the negative class."""
        return share(2 * self.tn_D, 2 * self.tn_D + self.fp_D + self.fn_D)

    @property
    def mcc(self) -> Floats:
        """Matthews correlation; by convention 0 where every call is alike, NaN where every truth is."""
        tp, tn, fp, fn = self.tp_D, self.tn_D, self.fp_D, self.fn_D
        below_D = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
        mcc_D: Floats = np.where((tp + fn) * (tn + fp) == 0, np.nan, 0.0)
        np.divide(tp * tn - fp * fn, below_D, out=mcc_D, where=below_D > 0)
        return mcc_D


def verdict_counts(name: str, pairs: Iterable[tuple[bool, bool]]) -> dict[str, float]:
    """Counts of (called positive, is positive) under `name/tp` and so on, and of the truths under `truths(name)`."""
    kinds = {(True, True): "tp", (False, False): "tn", (True, False): "fp", (False, True): "fn"}
    counts: dict[str, float] = dict.fromkeys([f"{name}/{kind}" for kind in kinds.values()] + [*truths(name)], 0.0)
    positive, negative = truths(name)
    for pair in pairs:
        counts[f"{name}/{kinds[pair]}"] += 1
        counts[positive if pair[1] else negative] += 1
    return counts


def truths(name: str) -> tuple[str, str]:
    """The columns that hold how many are truly positive, and how many are not."""
    return f"{name}/positive", f"{name}/negative"


def from_interval(name: str, make: Callable[[], Interval], *, items: int, convention: str = "") -> Measure:
    """The interval that `make` gives; where it raises `LabelError`, a measure without value that says why.

    A value that stands for a `convention` says so, and has no interval.
    """
    try:
        found = make()
    except LabelError as error:
        return Measure(name=name, value=None, items=items, reason=str(error))
    if convention:
        return Measure(name=name, value=found.value, items=items, reason=convention)
    return Measure(name=name, value=found.value, low=found.low, high=found.high, items=items)
