"""Verify-then-Generate: pupils' wrong solutions in which teachers marked the first wrong step.

Every solution is wrong, so there is no accuracy on right ones and no F1, and a scorer that calls early steps wrong is
not punished for it: read `within one step` and `called clean` beside the exact matches. Groups are the teachers'
error categories and all solutions. Indexes are 0-based; several teachers marked some solutions, each mark is an item,
and intervals resample problems.

Degenerate case: none; with one class AUROC is up to the first error, where both kinds of steps stand. No protocol for
this file alone was verified, so the numbers are ours and not comparable. Paper: arXiv 2407.09136.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from stepward.errors import DataError
from stepward.evaluation.benchmarks.counting import Counted, Tally, share
from stepward.evaluation.benchmarks.first_errors import first_errors, near, ranking
from stepward.evaluation.benchmarks.index_base import check_first_steps
from stepward.evaluation.benchmarks.items import Item, reads_of
from stepward.evaluation.benchmarks.result import BenchmarkResult, Group, Headline, Measure
from stepward.evaluation.benchmarks.thresholds import FIXED, Threshold

ALL = "all"
PARTS = {"exact": "first error found", "near": "within one step", "early": "called early", "clean": "called clean"}


@dataclass(frozen=True, kw_only=True)
class VerifyThenGenerateProtocol:
    """Our protocol for this file. `evaluate` raises `DataError` for a solution without an error."""

    threshold: Threshold = field(default=FIXED)
    check_base: bool = True
    READS: ClassVar[str] = "verify_then_generate"

    def evaluate(self, items: Sequence[Item], *, seed: int = 0) -> BenchmarkResult:
        """How often the teacher's step is named, by category and over all."""
        reads, tau = reads_of(items), self.threshold.tau
        self.threshold.refuse_test(item.problem for item in items)
        if self.check_base:
            check_first_steps(first_errors(items), "Verify-then-Generate")
        counted = Counted.of([_tally(item, tau) for item in items], seed=seed)
        names = (*sorted({_category(item) for item in items}), ALL)
        scored = all(item.scores is not None for item in items)
        ranked = (Group(name="steps", measures=(ranking(items, seed=seed),)),) if scored else ()
        return BenchmarkResult(
            benchmark="Verify-then-Generate",
            protocol="critic, majority of votes" if reads == "critic" else "classifier, first step below tau",
            groups=(*(Group(name=name, measures=_measures(counted, name)) for name in names), *ranked),
            headline=Headline(ALL, PARTS["exact"]),
            items=len(items),
            problems=counted.problems,
            silent=sum(item.call(tau).silent for item in items),
            threshold=self.threshold if reads == "classifier" else None,
            comparable=False,
            why_not=("no published protocol for this file was verified",),
            seed=seed,
        )


def _category(item: Item) -> str:
    return item.told("error_category") or "untold"


def _tally(item: Item, tau: float) -> Tally:
    actual, call = item.actual, item.call(tau)
    if actual is None:
        raise DataError(f"trace {item.labeled.trace.id} holds no error, and every one of this file does")
    got = {
        "n": 1.0,
        "exact": float(call.matches(actual)),
        "near": float(near(item, tau, 1)),
        "early": float(call.index is not None and call.index < actual),
        "clean": float(call.matches(None)),
    }
    counts = {f"{group}/{key}": value for group in (ALL, _category(item)) for key, value in got.items()}
    return Tally(problem=item.labeled.trace.problem_id, counts=counts)


def _measures(counted: Counted, group: str) -> tuple[Measure, ...]:
    of = f"{group}/n"
    return tuple(
        counted.measure(name, share(counted[f"{group}/{key}"], counted[of]), (of,)) for key, name in PARTS.items()
    )
