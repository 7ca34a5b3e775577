"""BIG-Bench Mistake: the first logical mistake in a chain of thought, if there is one.

Per task, exact matches among traces with a mistake and "none" among traces without, separately, because some tasks
hold hardly any clean trace; their pooled accuracy; and the plain mean over tasks. Indexes are 0-based, null for none.
The answer of a trace may be right in spite of a mistake: what counts is the reasoning.

The first step of these traces repeats the task and is never wrong, so labels are not checked for a missing step 0.
Degenerate case: a task without one kind of trace has no accuracy of that kind. Paper: arXiv 2311.08516.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from stepward.evaluation.benchmarks.counting import Counted, mean, share
from stepward.evaluation.benchmarks.first_errors import hit_measures, hit_tally, ranking
from stepward.evaluation.benchmarks.items import Item, reads_of
from stepward.evaluation.benchmarks.result import BenchmarkResult, Group, Headline, Measure
from stepward.evaluation.benchmarks.thresholds import FIXED, Threshold
from stepward.metrics.checks import Floats
from stepward.types import Json

TASKS = ("dyck_languages", "logical_deduction", "multistep_arithmetic", "tracking_shuffled_objects", "word_sorting")
MEAN = "mean of tasks"


@dataclass(frozen=True, kw_only=True)
class BigBenchMistakeProtocol:
    """The protocol. The task is the problem's domain, which the reader takes from the file's name."""

    threshold: Threshold = field(default=FIXED)
    READS: ClassVar[Json] = {"use": "big_bench_mistake", "domain": "{file}"}

    def evaluate(self, items: Sequence[Item], *, seed: int = 0) -> BenchmarkResult:
        """Accuracies of each task, and their mean."""
        reads, tau = reads_of(items), self.threshold.tau
        self.threshold.refuse_test(item.problem for item in items)
        tasks: dict[str, list[Item]] = {}
        for item in items:
            tasks.setdefault(item.problem.domain or "untold", []).append(item)
        tallies = [hit_tally(i, tau, group=task, stratum=task) for task, own in tasks.items() for i in own]
        counted = Counted.of(tallies, seed=seed)
        why_not = tuple(f"task {task} is missing" for task in TASKS if task not in tasks)
        groups = [Group(name=task, measures=_measures(counted, task, own, seed)) for task, own in tasks.items()]
        return BenchmarkResult(
            benchmark="BIG-Bench Mistake",
            protocol="critic, majority of votes" if reads == "critic" else "classifier, first step below tau",
            groups=(*groups, Group(name=MEAN, measures=(_mean(counted, list(tasks)),))),
            headline=Headline(MEAN, "accuracy"),
            items=len(items),
            problems=counted.problems,
            silent=sum(item.call(tau).silent for item in items),
            threshold=self.threshold if reads == "classifier" else None,
            comparable=not why_not,
            why_not=why_not,
            seed=seed,
        )


def _measures(counted: Counted, task: str, own: Sequence[Item], seed: int) -> tuple[Measure, ...]:
    found, passed, _ = hit_measures(counted, task)
    exact = counted.measure("accuracy", _accuracy(counted, task), (f"{task}/n",))
    scored = all(item.scores is not None for item in own)
    return (found, passed, exact, *((ranking(own, seed=seed),) if scored else ()))


def _accuracy(counted: Counted, task: str) -> Floats:
    """Exact calls among all traces of a task."""
    hits = counted[f"{task}/found"] + counted[f"{task}/passed"]
    return share(hits, counted[f"{task}/n"])


def _mean(counted: Counted, tasks: Sequence[str]) -> Measure:
    mean_D = mean(_accuracy(counted, task) for task in tasks)
    return counted.measure("accuracy", mean_D, tuple(f"{task}/n" for task in tasks))
