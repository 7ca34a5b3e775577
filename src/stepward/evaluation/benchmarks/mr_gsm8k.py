"""MR-GSM8K: 3,000 solutions to GSM8K questions and two variations of each, marked by the MR-Score.

Groups are the kinds of question (original, POT, reversed) and all of them; the quoted number is over all. The first
error step is 1-based in the file, 0-based here. Formula and the judge of reasons: `mr_score`.
Degenerate case: as there. Paper: arXiv 2312.17080.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from stepward.evaluation.benchmarks.counting import Counted
from stepward.evaluation.benchmarks.index_base import check_clean_items, check_first_steps
from stepward.evaluation.benchmarks.items import Item, reads_of
from stepward.evaluation.benchmarks.mr_score import is_wrong, mr_measures, mr_tally, placed_errors, unplaced_note
from stepward.evaluation.benchmarks.result import BenchmarkResult, Group, Headline
from stepward.evaluation.benchmarks.thresholds import FIXED, Threshold
from stepward.types import Json

RIGHT, WRONG = 1427, 1573
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class MrGsm8kProtocol:
    """The protocol."""

    threshold: Threshold = field(default=FIXED)
    check_base: bool = True
    READS: ClassVar[Json] = {"use": "mr_gsm8k", "unplaced": "keep"}

    def evaluate(self, items: Sequence[Item], *, seed: int = 0) -> BenchmarkResult:
        """MR-Score and its parts, by kind of question and over all."""
        reads, tau = reads_of(items), self.threshold.tau
        self.threshold.refuse_test(item.problem for item in items)
        if self.check_base:
            check_first_steps(placed_errors(items), "MR-GSM8K")
            check_clean_items(placed_errors(items), "MR-GSM8K")
        kinds = sorted({item.told("question_type") or "untold" for item in items})
        tallies = [mr_tally(i, tau, group=kind) for kind in kinds for i in items if _kind(i) == kind]
        counted = Counted.of([*tallies, *(mr_tally(i, tau, group=ALL) for i in items)], seed=seed)
        why_not = self._differences(items)
        return BenchmarkResult(
            benchmark="MR-GSM8K",
            protocol="critic, majority of votes" if reads == "critic" else "classifier, first step below tau",
            groups=tuple(Group(name=name, measures=mr_measures(counted, name)) for name in (*kinds, ALL)),
            headline=Headline(ALL, "MR-Score"),
            items=len(items),
            problems=len({item.labeled.trace.problem_id for item in items}),
            silent=sum(item.call(tau).silent for item in items),
            threshold=self.threshold if reads == "classifier" else None,
            comparable=not why_not,
            why_not=why_not,
            notes=unplaced_note(items),
            seed=seed,
        )

    def _differences(self, items: Sequence[Item]) -> tuple[str, ...]:
        wrong = sum(map(is_wrong, items))
        got = (len(items) - wrong, wrong)
        return () if got == (RIGHT, WRONG) else (f"{got} right and wrong solutions, published are {(RIGHT, WRONG)}",)


def _kind(item: Item) -> str:
    return item.told("question_type") or "untold"
