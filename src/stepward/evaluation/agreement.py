"""How far two labellings of the same traces agree, and where they part.

On short traces two labellers often name the same first error by chance. So beside every rate stand measures that take
chance off (`beyond_chance`): Cohen's kappa, Krippendorff's alpha and Gwet's AC1,

    kappa = (rate - chance) / (1 - chance),   chance from both labellers' own shares

over the locations of the first error (each index a category, and "none"), over steps in the hard view, within buckets
of length, and for each location by itself: the rate is then the share of the first labeller's traces with that location
that the second puts there too, kappa that of the yes-or-no question whether the first error is there.

An index is more than a name: a miss by one step is less than a miss by five. So first errors are also compared as
numbers, the share of the trace that stands before the first error (1 where there is none): weighted kappa with squared
distance, and alpha, ordinal and interval. The bare index would not do: where traces differ in length, most of its
spread is length, on which any two labellers agree.

Intervals are over problems (bootstrap). Degenerate cases: a trace whose first error one of them leaves unknown is
counted and left out; a measure is NaN where chance agreement is complete (both always say the same one thing).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from stepward.errors import LabelError
from stepward.evaluation.beyond_chance import DRAWS, PairDraws, Rated
from stepward.metrics.bootstrap import Interval, bootstrap_share
from stepward.relabel.hard import first_error, hard_calls
from stepward.types import LabeledTrace, Problem

NOT_TOLD = Interval(value=math.nan, low=math.nan, high=math.nan)
LENGTHS = ((1, 2), (3, 4), (5, 8), (9, 16), (17, math.inf))
LOCATIONS = ((0, 0), (1, 1), (2, 3), (4, 7), (8, math.inf))
Pair = tuple[Problem, LabeledTrace, LabeledTrace]
"""A problem, and two labellings of one trace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementRow:
    """Agreement on some units."""

    name: str
    units: int
    rate: Interval
    kappa: Interval
    ac1: Interval = NOT_TOLD
    """Gwet's; NaN in records that were made before it was measured."""
    alpha: Interval = NOT_TOLD
    """Krippendorff's, nominal; NaN as for AC1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixAgreement:
    """Agreement on the share of a trace's steps that stand before its first error; 1 where there is none."""

    weighted_kappa: Interval
    """Squared distance."""
    ordinal_alpha: Interval
    interval_alpha: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementReport:
    """Agreement on first errors, and on steps."""

    problems: int
    traces: int
    unknown: int
    """Traces whose first error one labelling leaves unknown."""
    first_error: AgreementRow
    near: Interval
    """Share of traces whose two first errors are at most one step apart; none is near none alone."""
    steps: AgreementRow
    """Over steps that both label."""
    by_length: tuple[AgreementRow, ...]
    by_location: tuple[AgreementRow, ...]
    """By where the first labelling sees the first error."""
    prefix: PrefixAgreement | None = None
    """None in records that were made before it was measured."""


@dataclass(frozen=True, slots=True)
class _Unit:
    problem: str
    first: Hashable
    second: Hashable
    length: int

    @property
    def before_error(self) -> Rated:
        """Share of the trace before either first error, for first errors that are known."""
        shares = (at / self.length if isinstance(at, int) else 1.0 for at in (self.first, self.second))
        return Rated(self.problem, *shares)


def agreement(pairs: Sequence[Pair], *, seed: int) -> AgreementReport:
    """Compare both labellings of each trace. `LabelError` where they are of different traces, or nothing is shared."""
    traces, steps = [], []
    for problem, one, two in pairs:
        if one.trace.id != two.trace.id:
            raise LabelError("agreement is over labellings of the same traces", got=(one.trace.id, two.trace.id))
        calls = hard_calls(problem, one), hard_calls(problem, two)
        traces.append(_Unit(problem.id, first_error(calls[0]), first_error(calls[1]), len(one.trace)))
        both = [pair for pair in zip(*calls, strict=True) if None not in pair]
        steps += [_Unit(problem.id, a, b, 1) for a, b in both]
    known = [unit for unit in traces if "unknown" not in (unit.first, unit.second)]
    if not known or not steps:
        raise LabelError("the labellings share no step", got=f"{len(traces)} traces")
    return AgreementReport(
        problems=len({unit.problem for unit in known}),
        traces=len(known),
        unknown=len(traces) - len(known),
        first_error=_row("first error", known, seed),
        near=_rate([(unit, _near(unit)) for unit in known], seed),
        steps=_row("steps", steps, seed),
        by_length=tuple(
            _row(_span(low, high, "steps"), part, seed)
            for low, high in LENGTHS
            if (part := [unit for unit in known if low <= unit.length <= high])
        ),
        by_location=tuple(_locations(known, seed)),
        prefix=_prefix(known, seed),
    )


def _prefix(known: Sequence[_Unit], seed: int) -> PrefixAgreement:
    draws = PairDraws.of([unit.before_error for unit in known], seed=seed)
    return PrefixAgreement(
        weighted_kappa=draws.weighted_kappa(),
        ordinal_alpha=draws.ordinal_alpha(),
        interval_alpha=draws.interval_alpha(),
    )


def _locations(known: Sequence[_Unit], seed: int) -> list[AgreementRow]:
    """One row for each range of locations that the first labelling uses, and one for none."""
    spots: list[tuple[str, Callable[[Hashable], bool]]]
    spots = [("no error", _none), *((_span(a, b, "step"), partial(_within, a, b)) for a, b in LOCATIONS)]
    rows = []
    for name, inside in spots:
        own = [unit for unit in known if inside(unit.first)]
        if own:
            asked = [_Unit(u.problem, inside(u.first), inside(u.second), u.length) for u in known]
            rate = _rate([(unit, unit.first == unit.second) for unit in own], seed)
            rows.append(_measured(name, len(own), rate, _pairs(asked, seed)))
    return rows


def _none(at: Hashable) -> bool:
    return at == "none"


def _within(low: float, high: float, at: Hashable) -> bool:
    return isinstance(at, int) and low <= at <= high


def _near(unit: _Unit) -> bool:
    one, two = unit.first, unit.second
    return one == two or (isinstance(one, int) and isinstance(two, int) and abs(one - two) <= 1)


def _row(name: str, units: Sequence[_Unit], seed: int) -> AgreementRow:
    rate = _rate([(unit, unit.first == unit.second) for unit in units], seed)
    return _measured(name, len(units), rate, _pairs(units, seed))


def _measured(name: str, units: int, rate: Interval, draws: PairDraws) -> AgreementRow:
    return AgreementRow(
        name=name, units=units, rate=rate, kappa=draws.kappa(), ac1=draws.ac1(), alpha=draws.nominal_alpha()
    )


def _pairs(units: Sequence[_Unit], seed: int) -> PairDraws:
    return PairDraws.of([Rated(unit.problem, unit.first, unit.second) for unit in units], seed=seed)


def _rate(judged: Sequence[tuple[_Unit, bool]], seed: int) -> Interval:
    place = {problem: at for at, problem in enumerate(dict.fromkeys(unit.problem for unit, _ in judged))}
    sums_P, sizes_P = np.zeros(len(place)), np.zeros(len(place))
    for unit, same in judged:
        sums_P[place[unit.problem]] += same
        sizes_P[place[unit.problem]] += 1
    return bootstrap_share(sums_P, sizes_P, draws=DRAWS, seed=seed)


def _span(low: float, high: float, what: str) -> str:
    one = f"{what} {low:g}" if what == "step" else f"{low:g}"
    many = f"{one} to {high:g}" if math.isfinite(high) else f"{one} and more"
    text = one if low == high else many
    return text if what == "step" else f"{text} {what}"
