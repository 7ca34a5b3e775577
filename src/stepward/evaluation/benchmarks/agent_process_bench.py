"""AgentProcessBench: every assistant message of a tool-using agent is rated +1, 0 (neutral) or -1 by people.

    step accuracy     share of rated messages whose three-way rating is named exactly, pooled over messages (micro)
    first error       share of trajectories whose first -1, or its absence, is named exactly

A score becomes a rating by two thresholds: below tau it is -1, from `good_from` up +1, between them 0. By default
both are one number, so a classifier never says neutral and misses every neutral message: that is stated, not hidden.
Under another name stands the two-way accuracy in which a neutral message counts as right. Observations carry no
rating and are not judged. A critic names first errors only and has no step accuracy.

The published average pools the four sets (HotpotQA, GAIA, BFCL, tau2; 250 trajectories each). Ratings after a first
-1 are kept: an agent may recover. Degenerate case: a trajectory without a rated message is refused. Paper: arXiv
2603.14465.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from stepward.errors import ConfigError, DataError
from stepward.evaluation.benchmarks.counting import Counted, Tally, share
from stepward.evaluation.benchmarks.items import Call, Item, majority, reads_of
from stepward.evaluation.benchmarks.result import BenchmarkResult, Group, Headline, Measure
from stepward.evaluation.benchmarks.thresholds import FIXED, Threshold

ALL = "all, pooled"
ITEMS = 1000


@dataclass(frozen=True, kw_only=True)
class AgentProcessBenchProtocol:
    """The protocol, and how a score becomes one of three ratings."""

    threshold: Threshold = field(default=FIXED)
    good_from: float | None = None
    """The lowest score that is rated +1; None for the threshold itself, which leaves no neutral band."""
    READS: ClassVar[str] = "agent_process_bench"

    def __post_init__(self) -> None:
        if self.good_from is not None and self.good_from < self.threshold.tau:
            raise ConfigError("good_from lies at the threshold or above", got=(self.threshold.tau, self.good_from))

    def evaluate(self, items: Sequence[Item], *, seed: int = 0) -> BenchmarkResult:
        """Both accuracies of each set, and pooled."""
        reads = reads_of(items)
        self.threshold.refuse_test(item.problem for item in items)
        counted = Counted.of([self._tally(item) for item in items], seed=seed)
        sets = sorted({_set(item) for item in items})
        why_not = () if len(items) == ITEMS else (f"{len(items):,} trajectories, published are {ITEMS:,}",)
        return BenchmarkResult(
            benchmark="AgentProcessBench",
            protocol="critic, majority of votes" if reads == "critic" else f"classifier, {self._band()}",
            groups=tuple(Group(name=name, measures=_measures(counted, name, reads)) for name in (*sets, ALL)),
            headline=Headline(ALL, "first error" if reads == "critic" else "step accuracy"),
            items=len(items),
            problems=counted.problems,
            silent=sum(self._first(item, _rated(item)).silent for item in items),
            threshold=self.threshold if reads == "classifier" else None,
            comparable=not why_not,
            why_not=why_not,
            seed=seed,
        )

    def rating(self, score: float) -> int:
        """-1, 0 or +1."""
        if score < self.threshold.tau:
            return -1
        return 1 if self.good_from is None or score >= self.good_from else 0

    def _band(self) -> str:
        if self.good_from in (None, self.threshold.tau):
            return "-1 below tau, else +1: neutral is never called"
        return f"-1 below tau, +1 from {self.good_from:g}, else neutral"

    def _tally(self, item: Item) -> Tally:
        rated = _rated(item)
        actual = next((index for index, rating in rated if rating < 0), None)
        got = {"traces": 1.0, "first": float(self._first(item, rated).matches(actual))}
        if item.scores is not None:
            said = [(self.rating(item.values[index]), rating) for index, rating in rated]
            got["steps"] = len(said)
            got["exact"] = sum(a == b for a, b in said)
            got["two_way"] = sum((a < 0) == (b < 0) for a, b in said)
        counts = {f"{group}/{key}": float(value) for group in (ALL, _set(item)) for key, value in got.items()}
        return Tally(problem=item.labeled.trace.problem_id, counts=counts)

    def _first(self, item: Item, rated: Sequence[tuple[int, int]]) -> Call:
        if item.votes:
            return majority(item.votes)
        below = (index for index, _ in rated if item.values[index] < self.threshold.tau)
        return Call(index=next(below, None))


def _set(item: Item) -> str:
    return item.problem.domain or "untold"


def _rated(item: Item) -> list[tuple[int, int]]:
    """Step and rating of each rated message; `DataError` where there is none."""
    ratings = item.labeled.trace.meta.get("ratings")
    found = list(ratings) if isinstance(ratings, list | tuple) else []
    rated = [(index, rating) for index, rating in enumerate(found) if isinstance(rating, int)]
    if not rated or len(found) != len(item.labeled.trace):
        raise DataError(
            f"trace {item.labeled.trace.id} has no ratings of its messages",
            got=found[:5],
            mend="read the file with the reader agent_process_bench",
        )
    return rated


def _measures(counted: Counted, group: str, reads: str) -> tuple[Measure, ...]:
    lacks = "a critic names first errors only" if reads == "critic" else "no rated message"
    rows = (
        ("step accuracy", "exact", "steps"),
        ("first error", "first", "traces"),
        ("step accuracy, neutral as right (two-way)", "two_way", "steps"),
    )
    return tuple(
        counted.measure(
            name, share(counted[f"{group}/{key}"], counted[f"{group}/{of}"]), (f"{group}/{of}",), undefined=lacks
        )
        for name, key, of in rows
    )
