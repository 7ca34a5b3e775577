"""Runs several searches on the same problems under the same seeds, and says which are worth their price."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from stepward.errors import ConfigError
from stepward.evaluation.compare import Axis, Comparison, compare
from stepward.pipeline.findings import provenance
from stepward.pipeline.parts import PolicyChoice, start_cold, workbench
from stepward.pipeline.searches.bench import Bench, Judged
from stepward.pipeline.searches.page import Compared, Proxy, over_optimisation, tree_view
from stepward.pipeline.stages.score import model_of
from stepward.pipeline.workshop import Chunks, Workshop
from stepward.protocols import PolicyEngine, Search, SearchResult, Segmenter, StepScorerEngine, Verifier
from stepward.reports import model as page
from stepward.reports.html import write
from stepward.reports.tables import csv_text, latex, markdown
from stepward.reward_models.public.load import open_remembering
from stepward.reward_models.wrappers import BatchedScorer
from stepward.search.best_of_n import BestOfN
from stepward.search.seeding import with_seed
from stepward.segment.newline import Newline
from stepward.types import Json, Problem, Spend
from stepward.verifiers.routed import RoutedVerifier

FIGURES: tuple[Axis, ...] = ("flops", "policy_tokens")


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A search with its reward model."""

    search: Search
    model: str = ""
    """A stage that made a reward model, or a model folder; empty for searches that score nothing."""


@dataclass(frozen=True, kw_only=True)
class CompareSearches:
    """Every arm on every problem of `source` that has a reference answer, once per seed."""

    source: str
    arms: dict[str, Arm]
    policy: PolicyChoice
    seeds: tuple[int, ...] = (0,)
    against: str = ""
    """The arm whose accuracy is taken from every other's; empty for the first."""
    pool: str = ""
    """An arm that draws whole traces: its pass@1 and pass@N are the ends of the gap that searches close."""
    segmenter: Segmenter = field(default_factory=Newline)
    verifier: Verifier = field(default_factory=RoutedVerifier)
    trees: int = 2
    """Problems whose tree is shown, for each arm that grows one."""
    chunk: int = 16
    """Problems searched together."""

    def __post_init__(self) -> None:
        if not self.arms or not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ConfigError("a comparison needs arms and different seeds", got=(list(self.arms), self.seeds))
        if any("/" in name for name in self.arms):
            raise ConfigError("the name of an arm holds no slash", got=list(self.arms))
        for name in (self.against, self.pool):
            if name and name not in self.arms:
                raise ConfigError("against and pool name an arm", got=name, mend=f"arms: {', '.join(self.arms)}")

    def run(self, shop: Workshop) -> Json:
        """Search what is not searched yet, judge the answers, and keep `comparison.json`."""
        engine = self.policy.load()
        scorers = {
            name: open_remembering(model_of(shop, name)) for name in {a.model for a in self.arms.values()} - {""}
        }
        problems = {key: p for key, p in shop.problems(self.source).items() if p.answer is not None}

        def search(part: Sequence[tuple[str, Problem]]) -> list[tuple[str, SearchResult, Spend]]:
            return [
                (f"{name}/{seed}/{result.problem_id}", result, result.spend)
                for name in self.arms
                for seed in self.seeds
                for result in asyncio.run(self._solve([p for _, p in part], name, seed, engine, scorers))
            ]

        shop.work(problems, Chunks(what="results", size=self.chunk, unit="problems"), search)
        results = shop.load("results", SearchResult, shop.stage)
        judged = asyncio.run(Bench(verifier=self.verifier, problems=problems).judge(results, self.pool))
        return self._keep(shop, problems, results, judged)

    async def _solve(
        self,
        problems: Sequence[Problem],
        name: str,
        seed: int,
        engine: PolicyEngine,
        scorers: Mapping[str, StepScorerEngine],
    ) -> list[SearchResult]:
        arm = self.arms[name]
        start_cold(engine, *scorers.values())  # no arm goes on from prefixes that another paid for
        resources = workbench(engine, self.segmenter, self.verifier)
        if arm.model:
            resources = replace(resources, scorer=BatchedScorer(engine=scorers[arm.model], max_batch=256))
        search = with_seed(arm.search, seed)
        return list(await asyncio.gather(*(search.solve(problem, resources) for problem in problems)))

    def _keep(
        self, shop: Workshop, problems: Mapping[str, Problem], results: Mapping[str, SearchResult], judged: Judged
    ) -> Json:
        found = compare(list(judged.attempts.values()), seed=shop.seed)
        against = self.against or next(iter(self.arms))
        compared = Compared(
            arms=found.arms,
            against=against,
            differences={
                a.arm: found.difference(a.arm, against, seed=shop.seed) for a in found.arms if a.arm != against
            },
            gaps={arm.arm: found.gap_closed(arm.arm, judged.pool) for arm in found.arms} if judged.pool else {},
        )
        shop.run.write_json(f"{shop.stage}/comparison.json", {**compared.record(), "problems": list(found.problem_ids)})
        for suffix, text in (("md", markdown), ("csv", csv_text), ("tex", latex)):
            shop.run.write_text(f"{shop.stage}/comparison.{suffix}", text(compared.table()))
        path = shop.run.path(f"{shop.stage}/report.html")
        write(self._report(shop, compared, self._trees(problems, results, judged), self._proxies(results, found)), path)
        return {"headline": " ".join(compared.summary()), "problems": len(found.problem_ids), "report": str(path)}

    def _report(
        self, shop: Workshop, compared: Compared, trees: Sequence[page.TreeView], proxies: Sequence[Proxy]
    ) -> page.Report:
        costs = page.Section(title="Accuracy and cost", blocks=tuple(compared.figure(axis) for axis in FIGURES))
        curve = page.Section(title="Best of n as n grows", blocks=(over_optimisation(proxies),))
        return page.Report(
            title="Searches compared",
            headline=compared.table(),
            summary=compared.summary(),
            sections=(costs, *((curve,) if len(proxies) > 1 else ())),
            trees=tuple(trees),
            provenance=provenance(shop),
        )

    def _trees(
        self, problems: Mapping[str, Problem], results: Mapping[str, SearchResult], judged: Judged
    ) -> list[page.TreeView]:
        """The first problems of each step-wise arm under the first seed."""
        shown: dict[str, list[page.TreeView]] = {}
        for key, result in results.items():
            arm, seed, _ = key.split("/", 2)
            if result.nodes and seed == str(self.seeds[0]) and len(shown.setdefault(arm, [])) < self.trees:
                right = judged.attempts[key].correct
                shown[arm].append(tree_view(problems[result.problem_id], arm, result, right))
        return [view for views in shown.values() for view in views]

    def _proxies(self, results: Mapping[str, SearchResult], found: Comparison) -> list[Proxy]:
        """For best-of-n: its n, the mean score of what it chose, and how often that is right."""
        accuracy = {arm.arm: arm.accuracy.value for arm in found.arms}
        rows = []
        for name, arm in self.arms.items():
            if isinstance(arm.search, BestOfN):
                chosen = [
                    r.scores[r.chosen]
                    for key, r in results.items()
                    if key.startswith(f"{name}/") and r.chosen is not None
                ]
                scores = [score for score in chosen if score is not None]
                if scores:
                    rows.append((name, arm.search.n, sum(scores) / len(scores), accuracy[name]))
        return rows
