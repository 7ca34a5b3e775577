"""MR-Ben: solutions in seven subjects, marked by the MR-Score; the quoted number is the plain mean over subjects.

In coding the step is only a hint, the text of a line: there a right reason of a solution called wrong counts for both
step and reason, and nothing else for either. So it does in the published script, but for nine rows whose line is blank:
it counts those as found by any critic that names no number. Elsewhere the first error step is 1-based in the file and
counts "Step k" headers (see the reader). Wrong solutions whose error cannot be placed stay, with a note: nobody names
their step, where a critic of the published script could.
Degenerate case: as in `mr_score`. Paper: arXiv 2406.13975.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from stepward.evaluation.benchmarks.counting import Counted
from stepward.evaluation.benchmarks.index_base import check_clean_items, check_first_steps
from stepward.evaluation.benchmarks.items import Item, reads_of
from stepward.evaluation.benchmarks.mr_score import mr_mean, mr_measures, mr_tally, placed_errors, unplaced_note
from stepward.evaluation.benchmarks.result import BenchmarkResult, Group, Headline
from stepward.evaluation.benchmarks.thresholds import FIXED, Threshold
from stepward.types import Json

SUBJECTS = ("biology", "math", "physics", "medicine", "coding", "chemistry", "logic")
ITEMS = 5975
MEAN = "mean of subjects"


@dataclass(frozen=True, kw_only=True)
class MrBenProtocol:
    """The protocol. The subject is the problem's domain."""

    threshold: Threshold = field(default=FIXED)
    check_base: bool = True
    READS: ClassVar[Json] = {"use": "mr_ben", "unplaced": "keep"}

    def evaluate(self, items: Sequence[Item], *, seed: int = 0) -> BenchmarkResult:
        """MR-Score of each subject and their mean."""
        reads, tau = reads_of(items), self.threshold.tau
        self.threshold.refuse_test(item.problem for item in items)
        if self.check_base:
            check_first_steps(placed_errors(items), "MR-Ben")
            check_clean_items(placed_errors(items), "MR-Ben")
        subjects = sorted({subject_of(item) for item in items})
        tallies = [mr_tally(i, tau, group=subject_of(i), by_reason=subject_of(i) == "coding") for i in items]
        counted = Counted.of(tallies, seed=seed)
        groups = [Group(name=subject, measures=mr_measures(counted, subject)) for subject in subjects]
        why_not = _differences(subjects, len(items))
        return BenchmarkResult(
            benchmark="MR-Ben",
            protocol="critic, majority of votes" if reads == "critic" else "classifier, first step below tau",
            groups=(*groups, Group(name=MEAN, measures=mr_mean(counted, subjects))),
            headline=Headline(MEAN, "MR-Score"),
            items=len(items),
            problems=counted.problems,
            silent=sum(item.call(tau).silent for item in items),
            threshold=self.threshold if reads == "classifier" else None,
            comparable=not why_not,
            why_not=why_not,
            notes=unplaced_note(items),
            seed=seed,
        )


def subject_of(item: Item) -> str:
    """The benchmark's name for the subject of a problem, such as math for college_math."""
    told = item.problem.domain.strip().lower()
    return next((subject for subject in SUBJECTS if subject in told), told or "untold")


def _differences(subjects: Sequence[str], items: int) -> tuple[str, ...]:
    missing = [f"subject {each} is missing" for each in SUBJECTS if each not in subjects]
    other = [f"subject {each!r} is not one of the benchmark" for each in subjects if each not in SUBJECTS]
    count = [] if items == ITEMS else [f"{items:,} solutions, published are {ITEMS:,}"]
    return (*missing, *other, *count)
