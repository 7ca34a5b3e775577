"""PRM800K step metrics: -1 against {0, +1} on the human ratings of the labelled path.

    AUROC          of right steps over wrong ones: pooled, and inside each solution and then averaged; the labelled path
                   ends at the first -1
    AP of errors   average precision with the error as the positive class; its chance level is the share of errors
    F1 of errors   at tau
    first error    exact matches, with and without an error

A neutral rating (0) is a right step that does not help. What it counts as is the reader's choice, `neutral` ("good"
as the authors do, "bad" as TRL's example converter does, "drop"), and the result repeats what was found. There is no
one set of test traces by this name, so figures compare on the same rows only. Degenerate cases: one class has no
AUROC and says so; constant scores rank nothing, 0.5 by convention.
Paper: arXiv 2305.20050.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from stepward.errors import LabelError
from stepward.evaluation.benchmarks.counting import (
    Counted,
    Tally,
    Verdicts,
    from_interval,
    share,
    truths,
    verdict_counts,
)
from stepward.evaluation.benchmarks.first_errors import all_alike, first_errors, hit_measures, hit_tally, ranking
from stepward.evaluation.benchmarks.index_base import check_first_steps
from stepward.evaluation.benchmarks.items import Item, reads_of
from stepward.evaluation.benchmarks.result import BenchmarkResult, Group, Headline, Measure
from stepward.evaluation.benchmarks.thresholds import FIXED, Threshold
from stepward.evaluation.steps import Judged, flatten
from stepward.metrics.bootstrap import Interval, bootstrap_share
from stepward.metrics.ranking import auroc
from stepward.metrics.step_intervals import bootstrap_average_precision

STEPS, TRACES = "steps", "traces"
NO_ONE_SET = "no one set of traces is published under this name: compare scorers on the same rows"


@dataclass(frozen=True, kw_only=True)
class Prm800kProtocol:
    """Step metrics. Needs scores: `DataError` for a critic's votes."""

    threshold: Threshold = field(default=FIXED)
    check_base: bool = True
    READS: ClassVar[str] = "prm800k"

    def evaluate(self, items: Sequence[Item], *, seed: int = 0) -> BenchmarkResult:
        """Every step metric with its interval."""
        reads_of(items)
        tau = self.threshold.tau
        self.threshold.refuse_test(item.problem for item in items)
        if self.check_base:
            check_first_steps(first_errors(items), "PRM800K")
        counted = Counted.of([t for i in items for t in (hit_tally(i, tau, group=TRACES), _tally(i, tau))], seed=seed)
        neutral = neutral_mapping(items)
        other = tuple(f"{count} neutral steps are {what}" for what, count in neutral.items() if what != "good")
        return BenchmarkResult(
            benchmark="PRM800K step metrics",
            protocol="classifier, step is wrong where score < tau",
            groups=(
                Group(name=STEPS, measures=_step_measures(counted, items, seed)),
                Group(name=TRACES, measures=hit_measures(counted, TRACES)),
            ),
            headline=Headline(STEPS, "AUROC"),
            items=len(items),
            problems=counted.problems,
            threshold=self.threshold,
            comparable=False,
            why_not=(NO_ONE_SET, *other),
            notes=tuple(f"{count} neutral steps count as {what}" for what, count in neutral.items()),
            seed=seed,
        )


def neutral_mapping(items: Sequence[Item]) -> dict[str, int]:
    """How many steps rated 0 are labelled good, bad, soft or not at all; empty where the file tells no rating."""
    found: Counter[str] = Counter()
    for item in items:
        ratings = item.labeled.trace.meta.get("ratings")
        for label, rating in zip(item.labeled.labels, ratings if isinstance(ratings, list) else (), strict=False):
            if rating == 0:
                value = None if label is None else label.value
                found[{None: "unlabelled", 1.0: "good", 0.0: "bad"}.get(value, "soft")] += 1
    return dict(sorted(found.items()))


def _tally(item: Item, tau: float) -> Tally:
    labels = item.labeled.labels
    pairs = [(score >= tau, label.good) for score, label in zip(item.values, labels, strict=True) if label is not None]
    counts = {f"{STEPS}/n": float(len(pairs)), **verdict_counts(STEPS, pairs)}
    return Tally(problem=item.labeled.trace.problem_id, counts=counts)


def _step_measures(counted: Counted, items: Sequence[Item], seed: int) -> tuple[Measure, ...]:
    v, kinds = Verdicts.of(counted, STEPS), truths(STEPS)
    steps = counted.items(*kinds)
    row = flatten([Judged(labeled=item.labeled, scores=item.scores) for item in items if item.scores is not None])
    return (
        ranking(items, seed=seed, to_first_error=False),
        from_interval(
            "AUROC per solution", lambda: _per_solution(items, seed), items=steps, convention=all_alike(items)
        ),
        from_interval("AP of errors", lambda: bootstrap_average_precision(row, seed=seed), items=steps),
        counted.measure("F1 of errors", v.f1_negative, kinds, undefined="no wrong step, and none called so"),
        counted.measure("share of errors", share(v.tn_D + v.fp_D, counted[f"{STEPS}/n"]), (f"{STEPS}/n",)),
    )


def _per_solution(items: Sequence[Item], seed: int) -> Interval:
    """The mean AUROC of the solutions that hold both classes; `LabelError` where none does."""
    by_problem: dict[str, list[float]] = {}
    for item in items:
        kept = [(s, x.good) for s, x in zip(item.values, item.labeled.labels, strict=True) if x is not None]
        if {good for _, good in kept} == {True, False}:
            scores, good = zip(*kept, strict=True)
            by_problem.setdefault(item.labeled.trace.problem_id, []).append(auroc(scores, good))
    if not by_problem:
        raise LabelError("no solution holds right and wrong steps")
    found = by_problem.values()
    return bootstrap_share([sum(own) for own in found], [len(own) for own in found], seed=seed)
