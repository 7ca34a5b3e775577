"""Verify-then-Generate: pupils' wrong solutions in which teachers marked the first wrong step.

Every pupil's solution is wrong, so a scorer that calls early steps wrong is not punished for it: read `within one
step` and `called clean` beside the exact matches. Groups are the teachers' error categories and all solutions. The
authors' script adds as many right ones, what each pupil came to after the dialogue; with these (the reader's
`corrected`) stand its numbers over both kinds:

    step or none    exact matches of the step, or of "none": the micro F1 of its classes
    F1 of wrong, F1 of right, macro F1   of the verdict on the solution

Indexes are 0-based; several teachers marked some solutions, each mark is an item, and intervals resample problems.

Degenerate case: none; with one class AUROC is up to the first error of the pupils' solutions, where both kinds of
steps stand. Published figures are of prompts with and without a reference solution, and which of the script's averages
they are was not verified, so nothing here is comparable. Paper: arXiv 2407.09136.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from stepward.errors import DataError
from stepward.evaluation.benchmarks.counting import Counted, Tally, Verdicts, share, truths, verdict_counts
from stepward.evaluation.benchmarks.first_errors import first_errors, near, ranking
from stepward.evaluation.benchmarks.index_base import check_first_steps
from stepward.evaluation.benchmarks.items import Item, reads_of
from stepward.evaluation.benchmarks.result import BenchmarkResult, Group, Headline, Measure
from stepward.evaluation.benchmarks.thresholds import FIXED, Threshold
from stepward.types import Json

ALL, BOTH = "all", "with corrected solutions"
PARTS = {"exact": "first error found", "near": "within one step", "early": "called early", "clean": "called clean"}


@dataclass(frozen=True, kw_only=True)
class VerifyThenGenerateProtocol:
    """The protocol. `evaluate` raises `DataError` where no solution holds an error."""

    threshold: Threshold = field(default=FIXED)
    check_base: bool = True
    READS: ClassVar[Json] = {"use": "verify_then_generate", "corrected": True}

    def evaluate(self, items: Sequence[Item], *, seed: int = 0) -> BenchmarkResult:
        """How often the teacher's step is named, by category and over all."""
        reads, tau = reads_of(items), self.threshold.tau
        self.threshold.refuse_test(item.problem for item in items)
        wrong = [item for item in items if item.actual is not None]
        if not wrong:
            raise DataError(
                "no solution holds an error, and every pupil's of this file does", got=f"{len(items)} items"
            )
        if self.check_base:
            check_first_steps(first_errors(wrong), "Verify-then-Generate")
        counted = Counted.of([_tally(item, tau) for item in items], seed=seed)
        names = (*sorted({_category(item) for item in wrong}), ALL)
        both = (Group(name=BOTH, measures=_both(counted)),) if len(wrong) < len(items) else ()
        scored = all(item.scores is not None for item in items)
        ranked = (Group(name="steps", measures=(ranking(wrong, seed=seed),)),) if scored else ()
        return BenchmarkResult(
            benchmark="Verify-then-Generate",
            protocol="critic, majority of votes" if reads == "critic" else "classifier, first step below tau",
            groups=(*(Group(name=name, measures=_measures(counted, name)) for name in names), *both, *ranked),
            headline=Headline(ALL, PARTS["exact"]),
            items=len(items),
            problems=counted.problems,
            silent=sum(item.call(tau).silent for item in items),
            threshold=self.threshold if reads == "classifier" else None,
            comparable=False,
            why_not=("which of the script's averages is published, and of which prompts, was not verified",),
            seed=seed,
        )


def _category(item: Item) -> str:
    return item.told("error_category") or "untold"


def _tally(item: Item, tau: float) -> Tally:
    actual, call = item.actual, item.call(tau)
    wrong = actual is not None
    said_wrong = not wrong if call.silent else call.index is not None  # silence is wrong whatever the truth is
    counts = {f"{BOTH}/n": 1.0, f"{BOTH}/exact": float(call.matches(actual))}
    counts |= verdict_counts(BOTH, [(said_wrong, wrong)])
    if actual is not None:
        got = {
            "n": 1.0,
            "exact": float(call.matches(actual)),
            "near": float(near(item, tau, 1)),
            "early": float(call.index is not None and call.index < actual),
            "clean": float(call.matches(None)),
        }
        counts |= {f"{group}/{key}": value for group in (ALL, _category(item)) for key, value in got.items()}
    return Tally(problem=item.labeled.trace.problem_id, counts=counts)


def _both(counted: Counted) -> tuple[Measure, ...]:
    verdicts, kinds = Verdicts.of(counted, BOTH), truths(BOTH)
    exact_D = share(counted[f"{BOTH}/exact"], counted[f"{BOTH}/n"])
    macro_D = (verdicts.f1 + verdicts.f1_negative) / 2
    rows = (("F1 of wrong", verdicts.f1), ("F1 of right", verdicts.f1_negative), ("macro F1", macro_D))
    return (
        counted.measure("step or none", exact_D, (f"{BOTH}/n",)),
        *(counted.measure(name, values_D, kinds) for name, values_D in rows),
    )


def _measures(counted: Counted, group: str) -> tuple[Measure, ...]:
    of = f"{group}/n"
    return tuple(
        counted.measure(name, share(counted[f"{group}/{key}"], counted[of]), (of,)) for key, name in PARTS.items()
    )
