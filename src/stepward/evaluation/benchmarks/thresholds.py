"""The threshold of a classifier, and which data chose it.

A threshold is fixed beforehand, or chosen on a development set that has a name; the name stands in every result, and
a benchmark refuses a threshold that was chosen on any of its own problems. The best threshold on the test data itself
is an oracle: `best_threshold` finds it, and only measures that say "oracle" use it.

A trace with its first error at k is hit exactly for tau in (s_k, min s_<k], a clean one for tau <= min s. So hit
rates are sums of intervals, and the best of all thresholds is found exactly, in one sweep over their ends: candidates
are the middles between neighbouring ends, and one beyond on either side. Of equal F1s the threshold nearest to 1/2
wins.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from stepward.calibrate.disjoint import problem_key
from stepward.errors import ConfigError, DataError
from stepward.evaluation.benchmarks.items import Item
from stepward.metrics.checks import Floats
from stepward.types import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A step that scores below `tau` is called wrong."""

    tau: float = 0.5
    chosen_on: str = ""
    """Name of the development set; empty for a threshold fixed beforehand."""
    items: int = 0
    """Its traces."""
    f1: float | None = None
    """F1 there, at this threshold: an optimistic number."""
    problems: tuple[str, ...] = ()
    """Keys of its problems."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.tau):
            raise ConfigError("a threshold must be a finite number", got=self.tau)
        if bool(self.chosen_on) != bool(self.problems):
            raise ConfigError("a chosen threshold names its data and their problems", got=self.chosen_on)

    def __str__(self) -> str:
        if not self.chosen_on:
            return f"threshold {self.tau:g}, fixed beforehand"
        return f"threshold {self.tau:.4g}, chosen on {self.chosen_on} ({self.items} items, F1 {self.f1 or 0:.3f} there)"

    def refuse_test(self, problems: Iterable[Problem]) -> None:
        """`DataError` where the threshold was chosen on any of `problems`."""
        known = frozenset(self.problems)
        shared = sorted({problem.id for problem in problems if problem_key(problem) in known})
        if shared:
            raise DataError(
                f"the threshold was chosen on {len(shared)} problems of the benchmark itself ({self.chosen_on})",
                got=shared[:3],
                mend="choose it on other problems, or report it as an oracle",
            )


FIXED = Threshold()


def choose_threshold(items: Sequence[Item], name: str) -> Threshold:
    """The threshold with the highest F1 (error and clean accuracy) on a development set called `name`.

    Raises `DataError` for critics, and where the set lacks traces with an error or without.
    """
    if not name.strip():
        raise ConfigError("a development set needs a name", mend="name it: the result will tell which data chose")
    best = best_threshold(items)
    keys = tuple(sorted({problem_key(item.problem) for item in items}))
    return Threshold(tau=best.tau, chosen_on=name, items=len(items), f1=best.f1, problems=keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class BestThreshold:
    """The threshold that does best on given data, and how well."""

    tau: float
    f1: float


def best_threshold(items: Sequence[Item]) -> BestThreshold:
    """The best threshold on `items` by F1; `DataError` where one kind of item is missing."""
    wrong = _windows([item for item in items if item.actual is not None])
    clean = _windows([item for item in items if item.actual is None])
    if not len(wrong) or not len(clean):
        raise DataError(
            "a threshold is chosen on traces with an error and traces without",
            got=f"{len(wrong)} with, {len(clean)} without",
        )
    ends = np.unique(np.concatenate([wrong.ravel(), clean.ravel()]))
    ends = ends[np.isfinite(ends)]
    taus = np.concatenate([[ends[0]], (ends[:-1] + ends[1:]) / 2, [ends[-1] + 1.0]])
    a, b = _hits(wrong, taus) / len(wrong), _hits(clean, taus) / len(clean)
    f1 = np.divide(2 * a * b, a + b, out=np.zeros_like(a), where=a + b > 0)
    at = np.flatnonzero(f1 == f1.max())
    best = at[np.abs(taus[at] - 0.5).argmin()]
    return BestThreshold(tau=float(taus[best]), f1=float(f1[best]))


def _windows(items: Sequence[Item]) -> Floats:
    """For each item the thresholds (low, high] that hit it; never any where low >= high. Shape [items, 2]."""
    rows = []
    for item in items:
        at = item.actual
        before = item.values[:at] if at is not None else item.values
        rows.append((item.values[at] if at is not None else -math.inf, min(before, default=math.inf)))
    return np.array(rows).reshape(-1, 2)


def _hits(windows: Floats, taus: Floats) -> Floats:
    """How many items each threshold hits."""
    kept = windows[windows[:, 0] < windows[:, 1]]
    started = np.searchsorted(np.sort(kept[:, 0]), taus, side="left")
    ended = np.searchsorted(np.sort(kept[:, 1]), taus, side="left")
    return np.asarray(started - ended, dtype=np.float64)
