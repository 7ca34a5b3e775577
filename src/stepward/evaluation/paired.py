"""Scorers of different runs on the same data, every two compared in pairs.

Step AUROC of one less that of the other, on the same draws of problems, so that hard problems are hard for both; and
accuracy of choosing by one less that of choosing by the other, each by its first reducer, at the largest n of both,
paired over problems. Every pair of a leaderboard is one comparison of one family for each measure: whoever stands first
was chosen by looking, so that comparing it alone with the others would be too good to be true. Holm decides
(`families`).

Degenerate cases: a run made before `judged.jsonl` was written and a scorer that left traces out have no pair, and are
named with the reason; what a measure needs and the data lacks (labels of both classes, several traces a problem) leaves
that measure out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from stepward.errors import LabelError
from stepward.evaluation.families import FamilyTest, in_family, student_p
from stepward.evaluation.judged_rows import JudgedRow, pools_of, read_rows, steps_of
from stepward.evaluation.leaderboard import Entry
from stepward.metrics.bootstrap import Interval, auroc_draws, interval, rarer_problems
from stepward.metrics.checks import Floats
from stepward.search.replay import Method, Pool, selection_difference

DRAWS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """One entry less another by one measure, on the same data."""

    measure: str
    first: Entry
    second: Entry
    difference: Interval
    test: FamilyTest


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairings:
    """Every pair that could be compared, by measure and then in the order of the entries."""

    pairs: tuple[Pairing, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    """By "run: scorer", why it was compared with nobody."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class _Side:
    """An entry with what its run says of every trace."""

    entry: Entry
    rows: Sequence[JudgedRow]

    @property
    def name(self) -> str:
        return self.entry.figures.name

    def same_as(self, other: _Side) -> bool:
        return [row.key for row in self.rows] == [row.key for row in other.rows]


@dataclass(frozen=True, slots=True)
class _Found:
    measure: str
    first: Entry
    second: Entry
    difference: Interval
    problems: int


def compare_pairs(entries: Sequence[Entry], *, seed: int = 0) -> Pairings:
    """Compare every two of `entries` that judged the same data, in their order. Pairs of different data are none."""
    sides: list[_Side] = []
    left_out: dict[str, str] = {}
    for entry in entries:
        try:
            sides.append(_side(entry))
        except LabelError as error:
            left_out[f"{entry.run}: {entry.figures.name}"] = error.what
    couples = [(a, b) for a, b in combinations(sides, 2) if a.same_as(b)]
    families = (_by_auroc(sides, couples, seed), _by_choice(couples, seed))
    return Pairings(pairs=tuple(pair for found in families for pair in _tested(found)), left_out=left_out)


def _side(entry: Entry) -> _Side:
    if not entry.rows.is_file():
        raise LabelError("the run holds no scores of single traces, evaluate again")
    rows = read_rows(entry.rows)
    if not all(entry.figures.name in row.scores for row in rows):
        raise LabelError("it did not score every trace")
    return _Side(entry=entry, rows=rows)


def _by_auroc(sides: Sequence[_Side], couples: Sequence[tuple[_Side, _Side]], seed: int) -> list[_Found]:
    drawn: dict[int, Floats] = {}
    problems: dict[int, int] = {}
    for side in sides:
        steps = steps_of(side.rows, side.name)
        if steps is not None and rarer_problems(steps):
            drawn[id(side)] = auroc_draws(steps, draws=DRAWS, seed=seed)
            problems[id(side)] = rarer_problems(steps)
    found = []
    for a, b in couples:
        if id(a) in drawn and id(b) in drawn:
            values_D = drawn[id(a)] - drawn[id(b)]
            many = problems[id(a)]
            difference = interval(float(values_D[0]), values_D[1:], problems=many)
            found.append(_Found("step AUROC", a.entry, b.entry, difference, many))
    return found


def _by_choice(couples: Sequence[tuple[_Side, _Side]], seed: int) -> list[_Found]:
    found = []
    for a, b in couples:
        bests = [each.entry.record.best(each.name) for each in (a, b)]
        n = min(each.entry.record.largest for each in (a, b))
        if n < 2 or None in bests:
            continue
        pools = _joined(a, b, [best[0] for best in bests if best])
        methods = (Method(kind="best", score="first"), Method(kind="best", score="second"))
        difference = selection_difference(pools, n=n, methods=methods, seed=seed)
        found.append(_Found(f"best of {n}", a.entry, b.entry, difference, len(pools)))
    return found


def _joined(a: _Side, b: _Side, how: Sequence[str]) -> list[Pool]:
    """The pools of both, which are of the same traces, with the scores of both."""
    one, two = pools_of(a.rows, a.name, how[0]), pools_of(b.rows, b.name, how[1])
    return [
        replace(first, scores={"first": first.scores[a.name], "second": second.scores[b.name]})
        for first, second in zip(one, two, strict=True)
    ]


def _tested(found: Sequence[_Found]) -> list[Pairing]:
    tests = in_family([student_p(each.difference, each.problems) for each in found])
    return [
        Pairing(measure=e.measure, first=e.first, second=e.second, difference=e.difference, test=test)
        for e, test in zip(found, tests, strict=True)
        if test is not None
    ]
