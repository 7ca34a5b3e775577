"""Agreement of two raters beyond chance, over problems: all bootstrap draws at once.

Every measure is 1 - observed / expected disagreement, and differs in what it expects:
    Cohen's kappa          chance from each rater's own shares
    weighted kappa         the same on ordered values, a disagreement weighs its squared distance
    Krippendorff's alpha   chance from both raters' ratings in one pot, with a small-sample correction; nominal, ordinal
                           (distance counted in ratings between) or interval (squared distance)
    Gwet's AC1             chance sum_c pi_c (1 - pi_c) / (C - 1): steady where one category is rare, as errors are,
                           where kappa falls although raters agree (Gwet 2008)

A draw takes whole problems. Each measure is made of sums over units, and units fall into few different pairs of values,
so a draw is one row of counts of pairs. `metrics.agreement` has the same measures for more raters and single samples.

Degenerate cases: where no disagreement is expected (one value alone) a measure is NaN, never 0 or 1; AC1 needs two
values somewhere in the sample. Shapes: D draws, the sample first; P problems; K different pairs; C values in order.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from stepward.errors import LabelError
from stepward.metrics.bootstrap import Interval, bounded_interval, resamples
from stepward.metrics.checks import Floats, Indexes

DRAWS = 1000
SPAN = (-1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Rated:
    """One unit that both raters judged."""

    problem: str
    first: Hashable
    second: Hashable


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class PairDraws:
    """How often each pair of values stands in the sample and in each bootstrap draw of its problems."""

    times_DK: Floats
    first_K: Indexes
    """Place of the first rater's value among the values."""
    second_K: Indexes
    values: tuple[Hashable, ...]
    """In order where they are numbers, else as they come."""
    problems: int
    """Those that hold a rating other than the commonest one, which bound what is known; one where none does."""

    @classmethod
    def of(cls, units: Sequence[Rated], *, seed: int, draws: int = DRAWS) -> PairDraws:
        """The pairs of `units`; `LabelError` where there is none."""
        if not units:
            raise LabelError("agreement is undefined without a unit")
        values = list(dict.fromkeys(value for unit in units for value in (unit.first, unit.second)))
        if all(isinstance(value, int | float) for value in values):
            values.sort(key=lambda value: float(value))  # type: ignore[arg-type]
        code = {value: place for place, value in enumerate(values)}
        problem = {name: place for place, name in enumerate(dict.fromkeys(unit.problem for unit in units))}
        pairs = [(code[unit.first], code[unit.second]) for unit in units]
        place = {pair: at for at, pair in enumerate(dict.fromkeys(pairs))}
        counts_PK = np.zeros((len(problem), len(place)))
        np.add.at(counts_PK, ([problem[unit.problem] for unit in units], [place[pair] for pair in pairs]), 1.0)
        times_DP = np.vstack([np.ones(len(problem)), resamples(len(problem), draws, seed)])
        return cls(
            times_DK=times_DP @ counts_PK,
            first_K=np.array([a for a, _ in place], dtype=np.intp),
            second_K=np.array([b for _, b in place], dtype=np.intp),
            values=tuple(values),
            problems=_telling(units),
        )

    def kappa(self) -> Interval:
        """Cohen's kappa."""
        chance_D = (self._shares(self.first_K) * self._shares(self.second_K)).sum(axis=1)
        return self._interval(1 - self._same(), 1 - chance_D)

    def ac1(self) -> Interval:
        """Gwet's AC1 over the values of the sample."""
        used = len(self.values)
        if used < 2:
            return Interval(value=math.nan, low=math.nan, high=math.nan)
        share_DC = (self._shares(self.first_K) + self._shares(self.second_K)) / 2
        chance_D = (share_DC * (1 - share_DC)).sum(axis=1) / (used - 1)
        return self._interval(1 - self._same(), 1 - chance_D)

    def nominal_alpha(self) -> Interval:
        """Krippendorff's alpha where values either differ or do not."""
        pooled_DC, ratings_D = self._pooled()
        together_D = (pooled_DC * (pooled_DC - 1)).sum(axis=1) / (ratings_D * (ratings_D - 1))
        return self._interval(1 - self._same(), 1 - together_D)

    def interval_alpha(self) -> Interval:
        """Krippendorff's alpha with squared distance; values must be numbers."""
        value_C = self._numbers()
        return self._alpha(np.broadcast_to(value_C, (len(self.times_DK), len(value_C))))

    def ordinal_alpha(self) -> Interval:
        """Krippendorff's alpha with the squared number of ratings between two values; values must be numbers."""
        self._numbers()
        pooled_DC, _ = self._pooled()
        return self._alpha(np.cumsum(pooled_DC, axis=1) - pooled_DC / 2)

    def weighted_kappa(self) -> Interval:
        """Cohen's kappa with squared distance; values must be numbers."""
        value_C = self._numbers()
        units_D = self.times_DK.sum(axis=1)
        observed_D = self.times_DK @ (value_C[self.first_K] - value_C[self.second_K]) ** 2 / units_D
        one_DC, two_DC = self._shares(self.first_K), self._shares(self.second_K)
        squares_D = (one_DC + two_DC) @ value_C**2
        return self._interval(observed_D, squares_D - 2 * (one_DC @ value_C) * (two_DC @ value_C))

    def _alpha(self, place_DC: Floats) -> Interval:
        """Alpha where the distance of two values is the squared difference of their places in each draw."""
        pooled_DC, ratings_D = self._pooled()
        gaps_DK = place_DC[:, self.first_K] - place_DC[:, self.second_K]
        observed_D = (self.times_DK * gaps_DK**2).sum(axis=1) / self.times_DK.sum(axis=1)
        centre_D = (pooled_DC * place_DC).sum(axis=1) / ratings_D
        spread_D = (pooled_DC * (place_DC - centre_D[:, None]) ** 2).sum(axis=1)
        return self._interval(observed_D, 2 * spread_D / (ratings_D - 1))

    def _numbers(self) -> Floats:
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in self.values):
            raise LabelError("ordered agreement needs finite numbers", got=self.values[:3])
        return np.array([float(value) for value in self.values])  # type: ignore[arg-type]

    def _same(self) -> Floats:
        """Share of units on which both say the same."""
        return np.asarray(self.times_DK[:, self.first_K == self.second_K].sum(axis=1) / self.times_DK.sum(axis=1))

    def _shares(self, place_K: Indexes) -> Floats:
        """Share of one rater's units that got each value."""
        return np.asarray(self._sums(place_K) / self.times_DK.sum(axis=1)[:, None])

    def _sums(self, place_K: Indexes) -> Floats:
        return np.asarray(self.times_DK @ np.eye(len(self.values))[place_K])

    def _pooled(self) -> tuple[Floats, Floats]:
        """Ratings of each value by either rater, and of all."""
        return self._sums(self.first_K) + self._sums(self.second_K), 2 * self.times_DK.sum(axis=1)

    def _interval(self, observed_D: Floats, expected_D: Floats) -> Interval:
        """1 - observed / expected disagreement, NaN where none is expected."""
        values_D: Floats = np.full(len(observed_D), np.nan)
        np.divide(observed_D, expected_D, out=values_D, where=expected_D > 1e-12)
        values_D = np.maximum(1 - values_D, SPAN[0])
        if math.isnan(values_D[0]):
            return Interval(value=math.nan, low=math.nan, high=math.nan)
        if np.isnan(values_D[1:]).all():
            return Interval(value=float(values_D[0]), low=SPAN[0], high=SPAN[1])
        return bounded_interval(float(values_D[0]), values_D[1:], problems=self.problems, span=SPAN)


def _telling(units: Sequence[Rated]) -> int:
    """Problems with a rating other than the commonest: beside ten right steps a single error says little of kappa."""
    ratings = Counter(value for unit in units for value in (unit.first, unit.second))
    commonest = ratings.most_common(1)[0][0]
    return max(1, len({unit.problem for unit in units if {unit.first, unit.second} != {commonest}}))
