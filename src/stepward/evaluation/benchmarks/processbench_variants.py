"""Numbers that others publish as ProcessBench F1 and that do not compare with it, under names of their own.

    pooled F1                 one F1 over the items of all splits, so that large splits weigh more
    sample-weighted F1        mean of the splits' F1 weighted by their items (a fork of the script)
    oracle F1                 mean of the splits' F1, each at the best threshold on the split itself (ImplicitPRM takes
                              the best of 10,000 on the test data, one ActPRM script does the like)
    fork's "Precision"        error accuracy, printed under that name by the fork
    fork's "Recall"           correct accuracy, likewise
    solution F1 (Olympiad + Omni)   F1 of "holds an error" per solution of two splits, wherever it is (ThinkPRM)

Every result is marked not comparable. Degenerate cases as in `processbench`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from stepward.evaluation.benchmarks.counting import Counted, Tally, Verdicts, share, truths, verdict_counts
from stepward.evaluation.benchmarks.first_errors import CHOSEN_HERE, f1_draws, hit_tally, oracle
from stepward.evaluation.benchmarks.items import Item
from stepward.evaluation.benchmarks.processbench import by_split, checked, silent
from stepward.evaluation.benchmarks.result import BenchmarkResult, Group, Headline, Measure
from stepward.evaluation.benchmarks.thresholds import FIXED, Threshold

POOLED = "all splits pooled"
WHERE = "other rules"
HARD = ("olympiadbench", "omnimath")


@dataclass(frozen=True, kw_only=True)
class ProcessBenchVariants:
    """The numbers by other rules, all of them not comparable with ProcessBench."""

    threshold: Threshold = field(default=FIXED)
    check_base: bool = True
    READS: ClassVar[str] = "processbench"

    def evaluate(self, items: Sequence[Item], *, seed: int = 0) -> BenchmarkResult:
        """Each variant."""
        reads = checked(items, self.threshold, check_base=self.check_base)
        splits, tau = by_split(items), self.threshold.tau
        tallies = [hit_tally(i, tau, group=name, stratum=name) for name, own in splits.items() for i in own]
        tallies += [hit_tally(i, tau, group=POOLED, stratum=name) for name, own in splits.items() for i in own]
        tallies += [_solution(i, tau, name) for name in HARD for i in splits.get(name, ())]
        counted = Counted.of(tallies, seed=seed)
        measures = [*_averages(counted, splits), *_fork(counted), _solution_f1(counted)]
        if reads == "classifier":
            measures.append(_oracle(splits))
        return BenchmarkResult(
            benchmark="ProcessBench by other rules",
            protocol="critic, majority of votes" if reads == "critic" else "classifier, first step below tau",
            groups=(Group(name=WHERE, measures=tuple(measures)),),
            headline=Headline(WHERE, "pooled F1"),
            items=len(items),
            problems=counted.problems,
            silent=silent(items, self.threshold),
            threshold=self.threshold if reads == "classifier" else None,
            comparable=False,
            why_not=("averages, thresholds or questions other than the benchmark's",),
            seed=seed,
        )


def _averages(counted: Counted, splits: dict[str, list[Item]]) -> list[Measure]:
    total = sum(map(len, splits.values()))
    lacks, kinds = "one kind of item is missing", (f"{POOLED}/errors", f"{POOLED}/clean")
    weighted = sum((f1_draws(counted, name) * len(own) / total for name, own in splits.items()), np.zeros(1))
    return [
        counted.measure("pooled F1", f1_draws(counted, POOLED), kinds, undefined=lacks),
        counted.measure("sample-weighted F1", weighted, kinds, undefined=f"in a split {lacks}"),
    ]


def _fork(counted: Counted) -> list[Measure]:
    rows = (("Precision", "found", "errors", "error accuracy"), ("Recall", "passed", "clean", "correct accuracy"))
    measures = []
    for name, got, of, meaning in rows:
        share_D = share(counted[f"{POOLED}/{got}"], counted[f"{POOLED}/{of}"])
        found = counted.measure(f'fork\'s "{name}"', share_D, (f"{POOLED}/{of}",))
        measures.append(replace(found, reason=found.reason or f"this is {meaning}, pooled"))
    return measures


def _solution(item: Item, tau: float, split: str) -> Tally:
    call, holds_error = item.call(tau), item.actual is not None
    said = not holds_error if call.silent else call.index is not None  # silence is wrong whatever the truth is
    counts = verdict_counts("solution", [(said, holds_error)])
    return Tally(problem=item.labeled.trace.problem_id, counts=counts, stratum=split)


def _solution_f1(counted: Counted) -> Measure:
    lacks = "no item of these two splits with an error"
    f1_D = Verdicts.of(counted, "solution").f1
    return counted.measure("solution F1 (Olympiad + Omni)", f1_D, truths("solution"), undefined=lacks)


def _oracle(splits: dict[str, list[Item]]) -> Measure:
    found = [oracle(own) for own in splits.values()]
    lacking = next((each.reason for each in found if each.value is None), "")
    total = sum(map(len, splits.values()))
    if lacking:
        return Measure(name="oracle F1", value=None, items=total, reason=lacking)
    mean = sum(each.value or 0.0 for each in found) / len(found)
    return Measure(name="oracle F1", value=mean, items=total, reason=CHOSEN_HERE)
