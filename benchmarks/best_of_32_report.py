"""Seven public scorers on 351 GSM8K test problems with 32 solutions each, from their stored scores: no model runs.

    python benchmarks/best_of_32_report.py [FOLDER]

Prints, and with FOLDER writes as page, tables and figures: accuracy of best-of-n for every scorer, every reducer and
every n (exact over all subsets) beside one sample, majority and the oracle, each with an interval over problems; how
well each aggregate tells right from wrong solutions (AUROC, pooled and within a problem); how often the last step is
the lowest (outcome drift) beside chance; how aggregates go with length where correctness is the same; and how often an
aggregate rises when a step is deleted and all other scores stay (the mechanical null). The best reducer of each scorer
is named after it was seen on these very problems: it is described, not recommended. Needs the folder STEPWARD_DATA;
about a minute on two cores.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stepward.datasets.best_of_n import BestOfN
from stepward.datasets.development import development_folder
from stepward.datasets.reading import Example, read
from stepward.evaluation.pricing import Rates, UnitCost
from stepward.evaluation.robustness.contract import Attempt
from stepward.evaluation.robustness.frozen import frozen_deletions, stored_trace
from stepward.evaluation.robustness.habits import Scored, biases, outcome_drift
from stepward.metrics.bootstrap import ClusteredSteps, Interval, bootstrap_auroc, bootstrap_mean
from stepward.metrics.ranking import auroc
from stepward.pipeline.costs import beside_cost
from stepward.pipeline.findings import estimate, method_title, selection_figure
from stepward.reduce import REDUCERS
from stepward.reports import model as page
from stepward.reports.exports import write_exports
from stepward.reports.html import write
from stepward.reports.tables import markdown
from stepward.search.replay import CurvePoint, Method, Pool, reduced, selection_curves, selection_difference
from stepward.types import Spend
from stepward.verifiers.canonical import canonical_answer

FILE = "best_of_32/gsm8k_351x32.jsonl.gz"
NS = (1, 2, 4, 8, 16, 32)
SEED = 0
EXPOSED = ("product", "alpha:0.5", "geometric_mean", "mean", "min", "soft_min", "last")
"""Reducers under deletion."""
LONG = ("min", "product", "last")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """The file, by problem."""

    examples: tuple[Example, ...]
    scorers: tuple[str, ...]

    @classmethod
    def load(cls, path: Path) -> Stored:
        examples = read(BestOfN(), path).items
        return cls(examples=examples, scorers=tuple(sorted(examples[0].scores)))

    def pools(self, hows: Sequence[str]) -> list[Pool]:
        groups: dict[str, list[Example]] = {}
        for example in self.examples:
            groups.setdefault(example.problem.id, []).append(example)
        return [self._pool(problem, own, hows) for problem, own in groups.items()]

    def _pool(self, problem: str, own: Sequence[Example], hows: Sequence[str]) -> Pool:
        steps = {name: [example.scores[name].values for example in own] for name in self.scorers}
        return Pool(
            problem_id=problem,
            answers=tuple(canonical_answer(e.labeled.trace.answer or "") for e in own),
            correct=tuple(bool(e.labeled.verdict and e.labeled.verdict.correct) for e in own),
            scores={f"{name}/{how}": reduced(steps[name], how) for name in self.scorers for how in hows},
        )

    def scored(self, name: str) -> list[Scored]:
        """Every solution with the scores by `name`."""
        return [(Attempt(problem=e.problem, labeled=e.labeled), e.scores[name]) for e in self.examples]

    def writing(self) -> UnitCost:
        """Of one solution."""
        return UnitCost.of(sum((e.labeled.trace.spend for e in self.examples), Spend()), len(self.examples))


def sweep(stored: Stored, pools: Sequence[Pool]) -> tuple[page.Table, list[CurvePoint]]:
    """Every scorer, every reducer, every n."""
    methods = [Method(kind=kind) for kind in ("first", "majority", "oracle")]
    methods += [Method(kind="best", score=name) for name in pools[0].scores]
    curves = list(selection_curves(pools, ns=NS, methods=methods, seed=SEED))
    by_method: dict[str, dict[int, Interval]] = {}
    for point in curves:
        by_method.setdefault(point.method.name, {})[point.n] = point.interval
    columns = ("method", *(f"n = {n}" for n in NS))
    rows: tuple[tuple[page.Cell, ...], ...] = tuple(
        (method_title(name), *(estimate(row[n]) for n in NS)) for name, row in by_method.items()
    )
    table = page.Table(title="Accuracy by scorer, reducer and n", columns=columns, rows=rows)
    costs = [stored.writing().times(1 if name == "first" else max(NS)) for name in by_method]
    return beside_cost(table, costs, Rates(), f"problems at n = {max(NS)}, scoring not metered"), curves


def outcomes(pools: Sequence[Pool], scorers: Sequence[str], curves: Sequence[CurvePoint]) -> page.Table:
    """By scorer, its usual reducers against the verdict, and the reducer that happened to choose best at 32."""
    at_32 = {p.method.score: p.interval for p in curves if p.n == max(NS) and p.method.kind == "best"}
    majority = Method(kind="majority")
    rows: list[tuple[page.Cell, ...]] = []
    for name in scorers:
        best = max((key for key in at_32 if key.startswith(f"{name}/")), key=lambda key: at_32[key].value)
        for key in dict.fromkeys((f"{name}/min", f"{name}/last", best)):
            gain = selection_difference(pools, n=max(NS), methods=(Method(kind="best", score=key), majority), seed=SEED)
            mark = "best on these problems" if key == best else ""
            cells = (_pooled(pools, key), _within(pools, key), at_32[key], gain)
            rows.append((name, key.rpartition("/")[2], *map(estimate, cells), mark))
    figures = ("AUROC, pooled", "AUROC, within a problem", "best of 32", "less majority, paired")
    note = f"{len(pools)} problems. Intervals: 95%, bootstrap over problems, seed {SEED}."
    columns = ("scorer", "reducer", *figures, "")
    return page.Table(title="Right against wrong solutions", columns=columns, rows=tuple(rows), note=note)


def _pooled(pools: Sequence[Pool], key: str) -> Interval:
    return bootstrap_auroc(
        ClusteredSteps(
            scores_S=np.concatenate([np.array(pool.scores[key]) for pool in pools]),
            good_S=np.concatenate([pool.correct for pool in pools]),
            problem_S=[pool.problem_id for pool in pools for _ in pool.correct],
        ),
        seed=SEED,
    )


def _within(pools: Sequence[Pool], key: str) -> Interval:
    """Mean over the problems that have right and wrong solutions."""
    mixed = [pool for pool in pools if 0 < sum(pool.correct) < len(pool)]
    return bootstrap_mean([auroc(np.array(p.scores[key]), np.array(p.correct)) for p in mixed], seed=SEED)


def drift(stored: Stored) -> page.Table:
    """How often a scorer waits for the answer."""
    rows: list[tuple[page.Cell, ...]] = []
    for name in stored.scorers:
        found = outcome_drift(stored.scored(name), seed=SEED)
        rows.append((name, found.traces, estimate(found.last_is_lowest), estimate(found.chance)))
    columns = ("scorer", "traces", "last step is strictly the lowest", "by chance")
    return page.Table(title="Outcome drift", columns=columns, rows=tuple(rows))


def lengths(stored: Stored) -> page.Table:
    """Aggregates against the number of steps, right and wrong solutions apart."""
    rows: list[tuple[page.Cell, ...]] = []
    for name in stored.scorers:
        for found in biases(stored.scored(name), LONG, ("steps",), seed=SEED):
            verdict = "right" if found.right else "wrong"
            cells = (estimate(found.correlation), estimate(found.within))
            rows.append((name, found.how, verdict, found.traces, *cells))
    columns = ("scorer", "reducer", "solutions", "traces", "rank correlation with steps", "within a problem")
    return page.Table(title="Length bias", columns=columns, rows=tuple(rows))


def deletions(stored: Stored) -> page.Table:
    """The mechanical null of every scorer and reducer."""
    rows: list[tuple[page.Cell, ...]] = []
    plain = [stored_trace(e.problem, e.labeled.trace, e.scores[stored.scorers[0]]) for e in stored.examples]
    for name in stored.scorers:
        pairs = zip(plain, stored.examples, strict=True)
        traces = [replace(trace, scores=example.scores[name].values) for trace, example in pairs]
        for found in frozen_deletions(traces, EXPOSED, seed=SEED):
            cells = (found.rises, found.rises_necessary, found.rises_inert, found.gap, found.flips)
            rows.append((name, found.how, found.deletions, *map(estimate, cells)))
    columns = ("scorer", "reducer", "deletions", "rises", "necessary", "inert", "gap", "flip at 32")
    note = "All other scores stay as they were: arithmetic of the reducer, not judgement of the scorer."
    return page.Table(title="Deletion of one step, scores frozen", columns=columns, rows=tuple(rows), note=note)


def figure(curves: Sequence[CurvePoint], problems: int) -> page.Figure:
    """By minimum, which no one chose on these problems."""
    kept = [p for p in curves if p.method.kind != "best" or p.method.score.endswith("/min")]
    return selection_figure("Best of n by the lowest step", kept, problems)


def main() -> None:
    """Print every table; write them where a folder is named."""
    started = time.perf_counter()
    stored = Stored.load(development_folder() / FILE)
    pools = stored.pools(sorted(REDUCERS))
    table, curves = sweep(stored, pools)
    judged = outcomes(pools, stored.scorers, curves)
    habits, deleted = (drift(stored), lengths(stored)), deletions(stored)
    for each in (table, judged, *habits, deleted):
        print(markdown(each))
    print(f"{len(pools)} problems, {len(stored.examples)} solutions, {time.perf_counter() - started:.0f} s")
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        sections = (
            page.Section(title="Selection", blocks=(figure(curves, len(pools)), table)),
            page.Section(title="Habits", blocks=habits),
            page.Section(title="Deletion", blocks=(deleted,)),
        )
        report = page.Report(title="Seven public scorers, best of 32", headline=judged, sections=sections)
        write_exports(report, folder)
        print(write(report, folder / "report.html"))


if __name__ == "__main__":
    main()
