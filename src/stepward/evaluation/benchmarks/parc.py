"""PARC: maths solutions whose every step is marked right, wrong in itself, or resting on an earlier error.

A step that is right in itself but builds on an error is an accumulated error: *valid* in itself, wrong as a *prefix*;
the reader's `target` says which of the two its label tells. Either way its kind stands in the label's note, so the
share of steps called as the label says is given per kind (right, accumulated, and each native kind of error), with
the plain mean over kinds, the MCC over all steps, and the first error.

Step numbers are 1-based in the file, premise 0 is the question. No protocol was verified against the authors' script,
so the numbers are ours and not comparable. Degenerate case: a kind that is missing has no row; MCC is 0 by convention
where every call is alike. Paper: arXiv 2502.02362.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from stepward.evaluation.benchmarks.counting import Counted, Tally, Verdicts, mean, share, truths, verdict_counts
from stepward.evaluation.benchmarks.first_errors import first_errors, hit_measures, hit_tally, ranking
from stepward.evaluation.benchmarks.index_base import check_first_steps
from stepward.evaluation.benchmarks.items import Item, reads_of
from stepward.evaluation.benchmarks.mr_score import mcc_measure
from stepward.evaluation.benchmarks.result import BenchmarkResult, Group, Headline, Measure
from stepward.evaluation.benchmarks.thresholds import FIXED, Threshold
from stepward.types import StepLabel

ALL, STEPS = "all", "steps"
RIGHT = "right"
FEWEST = 20
"""Steps of a kind below which it is left out of the mean over kinds, and said so."""


@dataclass(frozen=True, kw_only=True)
class ParcProtocol:
    """Our protocol for these files. Needs scores: `DataError` for a critic's votes."""

    threshold: Threshold = field(default=FIXED)
    check_base: bool = True
    READS: ClassVar[str] = "parc"

    def evaluate(self, items: Sequence[Item], *, seed: int = 0) -> BenchmarkResult:
        """Accuracy by kind of step, and the first error."""
        reads_of(items)
        tau = self.threshold.tau
        self.threshold.refuse_test(item.problem for item in items)
        if self.check_base:
            check_first_steps(first_errors(items), "PARC")
        tallies = [tally for i in items for tally in (hit_tally(i, tau, group=ALL), _tally(i, tau))]
        counted = Counted.of(tallies, seed=seed)
        kinds = sorted({_kind(label) for item in items for label in item.labeled.labels if label is not None})
        common = [kind for kind in kinds if counted.items(f"{kind}/n") >= FEWEST] or kinds
        rare = [f"{kind} ({counted.items(f'{kind}/n')} steps)" for kind in kinds if kind not in common]
        target = items[0].labeled.target
        return BenchmarkResult(
            benchmark="PARC",
            protocol=f"step is right where score >= {tau:g}; labels target {target}",
            groups=(
                *(Group(name=kind, measures=(_accuracy(counted, kind),)) for kind in kinds),
                Group(name="mean of kinds", measures=(_mean(counted, common),)),
                Group(name=STEPS, measures=_steps(counted, items, seed)),
                Group(name="first error", measures=hit_measures(counted, ALL)),
            ),
            headline=Headline("mean of kinds", "accuracy"),
            items=len(items),
            problems=counted.problems,
            threshold=self.threshold,
            comparable=False,
            why_not=("no published protocol for these files was verified",),
            notes=(f"too rare for the mean of kinds: {', '.join(rare)}",) if rare else (),
            seed=seed,
        )


def _kind(label: StepLabel) -> str:
    """The first kind of error that the label names."""
    return label.note.partition(",")[0].strip() or (RIGHT if label.good else "untold")


def _tally(item: Item, tau: float) -> Tally:
    counts: dict[str, float] = {}
    pairs = []
    for score, label in zip(item.values, item.labeled.labels, strict=True):
        if label is not None:
            called, kind = score >= tau, _kind(label)
            pairs.append((called, label.good))
            counts[f"{kind}/n"] = counts.get(f"{kind}/n", 0.0) + 1.0
            counts[f"{kind}/hit"] = counts.get(f"{kind}/hit", 0.0) + float(called == label.good)
    return Tally(problem=item.labeled.trace.problem_id, counts=counts | verdict_counts(STEPS, pairs))


def _accuracy(counted: Counted, kind: str) -> Measure:
    return counted.measure("accuracy", share(counted[f"{kind}/hit"], counted[f"{kind}/n"]), (f"{kind}/n",))


def _mean(counted: Counted, kinds: Sequence[str]) -> Measure:
    mean_D = mean(share(counted[f"{kind}/hit"], counted[f"{kind}/n"]) for kind in kinds)
    return counted.measure("accuracy", mean_D, tuple(f"{kind}/n" for kind in kinds))


def _steps(counted: Counted, items: Sequence[Item], seed: int) -> tuple[Measure, ...]:
    f1_D = Verdicts.of(counted, STEPS).f1_negative
    return (
        mcc_measure(counted, STEPS, undefined="every step is right, or every one is wrong"),
        counted.measure("F1 of errors", f1_D, truths(STEPS), undefined="no wrong step, and none called so"),
        ranking(items, seed=seed, to_first_error=False),
    )
