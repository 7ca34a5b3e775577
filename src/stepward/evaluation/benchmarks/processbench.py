"""ProcessBench: find the first wrong paragraph of a solution, or say that there is none.

Per split a = exact matches among items with an error, b = "none" among items without, F1 = 2ab / (a + b); the average
is the *unweighted* mean over the four splits GSM8K, MATH, OlympiadBench and Omni-MATH. Two ways to call:

    classifier   the first step with score < tau, else none; tau fixed beforehand, or chosen on a named development set
    critic       the index that a judge boxes, majority over its votes, unreadable votes dropped

Errors: F1 by the delta method, Var(F1) = 4 (b^4 Var(a) + a^4 Var(b)) / (a + b)^4; intervals by a bootstrap over
problems within each split. Beside it stand AUROC up to the first error, which needs no threshold, and F1 at the best
threshold on the same data, marked oracle. Other averages under the same name are in `processbench_variants`.

Degenerate cases: a split without one kind of item has no F1 and the mean of the four has none either; a file without
all four splits, or with other counts than published, is not comparable and says so. Paper: arXiv 2412.06559.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from stepward.evaluation.benchmarks.counting import Counted, mean
from stepward.evaluation.benchmarks.first_errors import (
    f1_draws,
    f1_se,
    first_errors,
    hit_measures,
    hit_tally,
    oracle,
    ranking,
)
from stepward.evaluation.benchmarks.index_base import check_clean_items, check_first_steps
from stepward.evaluation.benchmarks.items import Item, reads_of
from stepward.evaluation.benchmarks.result import BenchmarkResult, Group, Headline, Measure
from stepward.evaluation.benchmarks.thresholds import FIXED, Threshold

SPLITS: Mapping[str, tuple[int, int]] = {
    "gsm8k": (207, 193),
    "math": (594, 406),
    "olympiadbench": (661, 339),
    "omnimath": (759, 241),
}
"""Published items with an error and without, by the part of the id before the last dash."""
MEAN = "mean of four splits"
ROW_ID = "id"


@dataclass(frozen=True, kw_only=True)
class ProcessBenchProtocol:
    """The protocol. `evaluate` raises `DataError` for a threshold chosen on the test, or a wrong index base."""

    threshold: Threshold = field(default=FIXED)
    check_base: bool = True
    READS: ClassVar[str] = "processbench"

    def evaluate(self, items: Sequence[Item], *, seed: int = 0) -> BenchmarkResult:
        """F1 of each split and its mean."""
        reads = checked(items, self.threshold, check_base=self.check_base)
        splits = by_split(items)
        tallies = [
            hit_tally(item, self.threshold.tau, group=name, stratum=name)
            for name, own in splits.items()
            for item in own
        ]
        counted = Counted.of(tallies, seed=seed)
        groups = [Group(name=name, measures=_measures(counted, name, own, seed)) for name, own in splits.items()]
        why_not = differences(splits)
        return BenchmarkResult(
            benchmark="ProcessBench",
            protocol="critic, majority of votes" if reads == "critic" else "classifier, first step below tau",
            groups=(*groups, Group(name=MEAN, measures=_means(counted, list(splits)))),
            headline=Headline(MEAN, "F1"),
            items=len(items),
            problems=counted.problems,
            silent=silent(items, self.threshold),
            threshold=self.threshold if reads == "classifier" else None,
            comparable=not why_not,
            why_not=why_not,
            seed=seed,
        )


def checked(items: Sequence[Item], threshold: Threshold, *, check_base: bool) -> str:
    """How the items are read; `DataError` where threshold or index base make the run void."""
    reads = reads_of(items)
    if reads == "classifier":
        threshold.refuse_test(item.problem for item in items)
    if check_base:
        check_first_steps(first_errors(items), "ProcessBench")
        check_clean_items(first_errors(items), "ProcessBench")
    return reads


def by_split(items: Sequence[Item]) -> dict[str, list[Item]]:
    """The items of each split, the published splits first and in their order; a row without an id is in "unnamed"."""
    found: dict[str, list[Item]] = {name: [] for name in SPLITS}
    for item in items:
        found.setdefault(item.told(ROW_ID).rpartition("-")[0] or "unnamed", []).append(item)
    return {name: own for name, own in found.items() if own}


def differences(splits: Mapping[str, Sequence[Item]]) -> tuple[str, ...]:
    """In what the items differ from the published splits."""
    missing = [f"split {name} is missing" for name in SPLITS if name not in splits]
    other = [f"split {name} is not one of the benchmark" for name in splits if name not in SPLITS]
    counts = []
    for name, own in splits.items():
        errors = sum(item.actual is not None for item in own)
        got = (errors, len(own) - errors)
        if name in SPLITS and got != SPLITS[name]:
            counts.append(f"split {name} holds {got} items with and without an error, published are {SPLITS[name]}")
    return (*missing, *other, *counts)


def silent(items: Sequence[Item], threshold: Threshold) -> int:
    """Items on which nothing could be read."""
    return sum(item.call(threshold.tau).silent for item in items)


def _measures(counted: Counted, name: str, own: Sequence[Item], seed: int) -> tuple[Measure, ...]:
    scored = all(item.scores is not None for item in own)
    return (*hit_measures(counted, name), *((ranking(own, seed=seed), oracle(own)) if scored else ()))


def _means(counted: Counted, names: Sequence[str]) -> tuple[Measure, ...]:
    """The mean of the four, and under its own name that of those present where they are not the four."""
    errors = [f1_se(counted, name) for name in names]
    known = [each for each in errors if each is not None]
    se = math.sqrt(sum(each**2 for each in known)) / len(names) if len(known) == len(names) else None
    kinds = tuple(f"{name}/{kind}" for name in names for kind in ("errors", "clean"))
    found = counted.measure("F1", mean(f1_draws(counted, n) for n in names), kinds, undefined="a split has no F1")
    if set(names) == set(SPLITS):
        return (replace(found, se=se),)
    lacking = ", ".join(name for name in SPLITS if name not in names) or "none, but there are others"
    here = replace(found, name=f"F1, mean of {len(names)} split(s) at hand", se=se)
    return (
        Measure(name="F1", value=None, items=found.items, reason=f"splits missing: {lacking}"),
        replace(here, reason=here.reason or "not the benchmark's average"),
    )
