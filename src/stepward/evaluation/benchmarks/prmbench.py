"""PRMBench: the validity of every step, over nine ways in which reasoning goes wrong.

The positive class is the *right* step: a step is called right where score > 0.5, strictly. Per category

    PRMScore = (F1 + F1 of errors) / 2        multi-solutions hold no error: F1 alone
    Simplicity   NR redundancy, NCL circular
    Soundness    ES counterfactual, SC step contradiction, DC domain inconsistency, CI confidence
    Sensitivity  PS missing condition, DR deception, MS multi-solutions

A dimension is the mean of its categories; *overall* is the PRMScore of one confusion over the steps of all
categories, unmodified solutions ("correct") left out. Error steps are 1-based in the file, 0-based here. Models with
a redundancy head read NR and NCL from it at 0.15; without one, as here, the published script falls back to validity,
and so do we.

Beside it: accuracy on right and on wrong steps, how often the first error is called wrong, and the gap between the
share of steps called right in an item and in its unmodified twin (the published script leaves out twins of which no
step was called right; here they count). A model that cannot tell them apart has a small gap.

On the published files counts are the script's but for 15 blank steps, which it has models score and the reader leaves
out. An error number beyond the last step marks nothing, there as here.

Degenerate cases: a category that is missing, or holds one class, has no score and says so. Items without scores (a
judge that stayed silent) are left out of the confusion as in the published script, and `judged` tells their share.
Intervals resample the original questions, which all categories share. Paper: arXiv 2501.03124.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from stepward.errors import DataError
from stepward.evaluation.benchmarks.counting import Counted, Tally, Verdicts, mean, share, truths, verdict_counts
from stepward.evaluation.benchmarks.first_errors import ranking
from stepward.evaluation.benchmarks.index_base import check_first_steps
from stepward.evaluation.benchmarks.items import Item, reads_of
from stepward.evaluation.benchmarks.result import BenchmarkResult, Group, Headline, Measure
from stepward.evaluation.benchmarks.thresholds import FIXED, Threshold
from stepward.metrics.checks import Floats
from stepward.types import Json

CODES: Mapping[str, str] = {
    "redundency": "NR",
    "circular": "NCL",
    "counterfactual": "ES",
    "step_contradiction": "SC",
    "domain_inconsistency": "DC",
    "confidence": "CI",
    "missing_condition": "PS",
    "deception": "DR",
    "multi_solutions": "MS",
}
"""Code of each category by its name in the file."""
DIMENSIONS: Mapping[str, tuple[str, ...]] = {
    "Simplicity": ("NR", "NCL"),
    "Soundness": ("ES", "SC", "DC", "CI"),
    "Sensitivity": ("PS", "DR", "MS"),
}
RIGHT = "correct"
"""Category of the unmodified solutions."""
ITEMS = 6211
"""Of 6,216 published rows: five of the class "multi_solutions" repeat an idx, and the script takes the first."""
OVERALL = "overall"
NO_ERRORS = "MS"


@dataclass(frozen=True, kw_only=True)
class PrmBenchProtocol:
    """The protocol. `evaluate` raises `DataError` for a category that the benchmark does not have."""

    threshold: Threshold = field(default=FIXED)
    check_base: bool = True
    READS: ClassVar[Json] = {"use": "prmbench", "outside": "ignore", "originals": True, "repeated": "first"}

    def evaluate(self, items: Sequence[Item], *, seed: int = 0) -> BenchmarkResult:
        """PRMScore of each category, each dimension and overall."""
        reads_of(items)
        self.threshold.refuse_test(item.problem for item in items)
        if self.check_base:
            check_first_steps([_first_wrong(item) for item in items], "PRMBench")
        twins = {item.told("idx"): item for item in items if _code(item) == RIGHT}
        counted = Counted.of([self._tally(item, twins) for item in items], seed=seed)
        present = [code for code in CODES.values() if any(_code(item) == code for item in items)]
        scores = [Group(name=code, measures=_scores(counted, code)) for code in present]
        details = [Group(name=code, measures=_details(counted, code)) for code in (*present, OVERALL)]
        tested = [item for item in items if _code(item) != RIGHT]
        ranked = Group(name="steps", measures=_ranking([item for item in tested if item.scores], seed))
        why_not = self._differences(present, len(tested))
        return BenchmarkResult(
            benchmark="PRMBench",
            protocol=f"step is right where score > {self.threshold.tau:g}; no redundancy head, NR and NCL by validity",
            groups=(
                *scores,
                *_dimensions(counted),
                Group(name=OVERALL, measures=_scores(counted, OVERALL)),
                *details,
                ranked,
            ),
            headline=Headline(OVERALL, "PRMScore"),
            items=len(tested),
            problems=counted.problems,
            silent=sum(item.scores is None for item in tested),
            threshold=self.threshold,
            comparable=not why_not,
            why_not=why_not,
            notes=(f"{len(twins)} unmodified solutions beside them",),
            seed=seed,
        )

    def _tally(self, item: Item, twins: Mapping[str, Item]) -> Tally:
        code = _code(item)
        names = (code,) if code == RIGHT else (code, OVERALL)
        counts: dict[str, float] = {}
        for name in names:
            counts |= {f"{name}/items": 1.0, f"{name}/judged": float(item.scores is not None)}
            if item.scores is not None:
                counts |= verdict_counts(name, self._pairs(item))
                counts |= {f"{name}/{key}": value for key, value in self._first(item).items()}
                counts |= {f"{name}/{key}": value for key, value in self._gap(item, twins).items()}
        return Tally(problem=item.told("idx") or item.labeled.trace.problem_id, counts=counts)

    def _pairs(self, item: Item) -> list[tuple[bool, bool]]:
        labels = item.labeled.labels
        return [(s > self.threshold.tau, x.good) for s, x in zip(item.values, labels, strict=True) if x is not None]

    def _first(self, item: Item) -> dict[str, float]:
        at = _first_wrong(item)
        return {} if at is None else {"first": 1.0, "first_found": float(item.values[at] <= self.threshold.tau)}

    def _gap(self, item: Item, twins: Mapping[str, Item]) -> dict[str, float]:
        twin = twins.get(item.told("idx"))
        if twin is None or twin.scores is None or _code(item) == RIGHT:
            return {}
        return {"twins": 1.0, "gap": abs(self._called_right(item) - self._called_right(twin))}

    def _called_right(self, item: Item) -> float:
        return sum(value > self.threshold.tau for value in item.values) / len(item.values)

    def _differences(self, present: Sequence[str], items: int) -> tuple[str, ...]:
        missing = [f"category {code} is missing" for code in CODES.values() if code not in present]
        count = [] if items == ITEMS else [f"{items:,} items, published are {ITEMS:,}"]
        tau = [] if self.threshold.tau == 0.5 else ["the published threshold is 0.5"]
        return (*missing, *count, *tau)


def _code(item: Item) -> str:
    kind = item.told("error_class")
    if kind != RIGHT and kind not in CODES:
        raise DataError("PRMBench has no such category", got=kind, mend=f"categories: {', '.join((*CODES, RIGHT))}")
    return CODES.get(kind, RIGHT)


def _first_wrong(item: Item) -> int | None:
    return next((i for i, label in enumerate(item.labeled.labels) if label is not None and not label.good), None)


def _steps(counted: Counted, name: str) -> int:
    return counted.items(*truths(name))


def _score(counted: Counted, name: str) -> Floats:
    """PRMScore in the sample and each draw."""
    verdicts = Verdicts.of(counted, name)
    return verdicts.f1 if name == NO_ERRORS else (verdicts.f1 + verdicts.f1_negative) / 2


def _scores(counted: Counted, name: str) -> tuple[Measure, ...]:
    v, kinds = Verdicts.of(counted, name), truths(name)
    score = counted.measure("PRMScore", _score(counted, name), kinds, undefined="a class of steps is missing")
    f1 = counted.measure("F1", v.f1, kinds, undefined="no right step, and none called so")
    negative = counted.measure("F1 of errors", v.f1_negative, kinds, undefined="no wrong step, and none called so")
    if name == NO_ERRORS:
        score = replace(score, reason=score.reason or "F1 alone, as published: there is no wrong step")
        reason = "multi-solutions hold no wrong step"
        negative = Measure(name=negative.name, value=None, items=negative.items, reason=reason)
    return score, f1, negative


def _dimensions(counted: Counted) -> list[Group]:
    groups = []
    for name, codes in DIMENSIONS.items():
        missing = [code for code in codes if not _steps(counted, code)]
        mean_D = mean(_score(counted, code) for code in codes)
        undefined = f"without {', '.join(missing)}" if missing else "a category has no PRMScore"
        kinds = tuple(kind for code in codes for kind in truths(code))
        groups.append(Group(name=name, measures=(counted.measure("PRMScore", mean_D, kinds, undefined=undefined),)))
    return groups


def _details(counted: Counted, name: str) -> tuple[Measure, ...]:
    rows = (
        ("right steps", "tp", "positive", "no right step"),
        ("wrong steps", "tn", "negative", "no wrong step"),
        ("first error", "first_found", "first", "no wrong step"),
        ("gap to twin", "gap", "twins", "no unmodified twin was read"),
        ("judged", "judged", "items", "no item"),
    )
    return tuple(
        counted.measure(
            what, share(counted[f"{name}/{got}"], counted[f"{name}/{of}"]), (f"{name}/{of}",), undefined=lacks
        )
        for what, got, of, lacks in rows
    )


def _ranking(items: Sequence[Item], seed: int) -> tuple[Measure, ...]:
    if not items:
        return (Measure(name="AUROC", value=None, reason="no item has scores"),)
    return (ranking(items, seed=seed, to_first_error=False),)
