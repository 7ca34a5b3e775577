"""Trains on each domain, judges on each domain: the cross-domain matrix of a frozen backbone, published.

RUN/STAGE/matrix.json        the record (`stepward.evaluation.transfer`)
RUN/STAGE/router.json        where the router sent the judged problems
RUN/STAGE/report.html        one page
RUN/STAGE/figures, tables    SVG; CSV, markdown, LaTeX
RUN/STAGE/features           features of every step; a run that was stopped goes on from them

The backbone reads each trace once; all heads of all rows are fitted on what it said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from stepward.codec import to_json
from stepward.config import build
from stepward.datasets.splits import normal_text
from stepward.errors import ConfigError, LabelError
from stepward.evaluation.pricing import Rates, UnitCost
from stepward.evaluation.transfer import Contender, Draws, JudgedDomain, transfer_matrix
from stepward.evaluation.transfer_sides import SIDES, DealSides, DomainPairs, Side
from stepward.pipeline.contenders import Lines
from stepward.pipeline.findings import provenance
from stepward.pipeline.parts import model_folder
from stepward.pipeline.stages.score import model_of
from stepward.pipeline.transfer import DomainReading, TransferPage, headline
from stepward.pipeline.transfer_parts import (
    Parts,
    Told,
    ask,
    cost_of_a_trace,
    joined,
    notes_of,
    read_features,
    story_of,
    to_first_error,
)
from stepward.pipeline.workshop import Chunks, Workshop
from stepward.reports.exports import write_exports
from stepward.reports.html import write
from stepward.reward_models.backbone import Backbone, Precision
from stepward.reward_models.public.load import Opening, open_scorer
from stepward.reward_models.readout import Readout
from stepward.training.domain_features import Chosen, DomainPart, Reading, Take
from stepward.training.domain_heads import DomainHeads, FitDomainHeads
from stepward.training.experts import FitExperts
from stepward.training.intake import Pair
from stepward.training.objectives.contract import Objective
from stepward.training.spec import HeadFit, TrainSpec
from stepward.types import Json, Spend, content_key


@dataclass(frozen=True, kw_only=True)
class DomainSource:
    """Where a domain's labelled traces come from, and what they are for."""

    source: str
    """A stage that labelled or read traces."""
    judged: str = ""
    """A stage whose traces are judged; those of `source` then teach and calibrate alone."""
    only: tuple[str, ...] = ()
    """Keep problems of these domains, for a source that holds several."""
    teaches: bool = True
    """False for what must not teach, such as a benchmark: all of it is judged."""
    human: bool = True
    """False for labels that no person gave or checked: an expert and a column of their own, and no part of the single
    model, the router or the means."""
    tokens: int | None = None
    """Read whole problems up to so many tokens."""
    per_problem: int | None = None
    """Read at most so many traces of a problem."""
    longest: int | None = None
    """Leave out traces of more tokens; None reads each, in parts where it is over the window."""

    def take(self) -> Take:
        """The caps; `ConfigError` where one is below 1."""
        return Take(tokens=self.tokens, per_problem=self.per_problem, longest=self.longest)


@dataclass(frozen=True, kw_only=True)
class FurtherModel:
    """A reward model that is judged beside the heads, as it is."""

    model: str
    """A stage that made a model, or a model's folder."""
    traces: int | None = None
    """Judge the first so many traces of each domain; then its cells are no part of a comparison."""


@dataclass(frozen=True, kw_only=True)
class CrossDomain:
    """The matrix of `domains` on `backbone`."""

    domains: dict[str, DomainSource]
    backbone: str
    """A model folder, or one of the short names quickstart and smollm2."""
    withheld: tuple[str, ...] = ()
    """Stages whose problems are judged where they occur and never teach, such as a test set."""
    labels: Literal["to_first_error", "as_read"] = "to_first_error"
    """to_first_error: labels behind the first error are dropped; up to it validity and prefix correctness are the same,
    so data sets of either kind join. as_read: everything counts, and all must have one target."""
    sides: DealSides = DealSides()
    precision: Precision = "float32"
    readout: Readout = Readout(pool="mean")
    window: int | None = None
    """Tokens above which a trace is read in parts: each step behind the problem and what fits of earlier steps."""
    objective: Json = "bce"
    head_fit: HeadFit = HeadFit()
    experts: FitExperts = FitExperts()
    """What a domain needs for an expert."""
    further: dict[str, FurtherModel] = field(default_factory=dict)
    """By name shown."""
    features: str = ""
    """A folder for features that several runs share; empty for one of the stage's own."""
    rates: Rates = field(default_factory=Rates)
    draws: int = 2000
    title: str = "Across domains"

    def __post_init__(self) -> None:
        if len(self.domains) < 2:
            raise ConfigError("a cross-domain matrix needs at least two domains", got=list(self.domains))
        build("objective", self.objective, "objective")
        for one in self.domains.values():
            one.take()

    def run(self, shop: Workshop) -> Json:
        """Read, teach, judge and write everything."""
        reading = Reading(
            folder=model_folder(self.backbone),
            features=Path(self.features) if self.features else shop.folder("features"),
            readout=self.readout,
            precision=self.precision,
            window=self.window,
        )
        chosen = self._choose(shop, reading)
        backbone = reading.open()
        read = self._read(shop, reading, backbone, chosen)
        sides, left = self._sides(shop, reading, backbone, chosen)
        heads = self._heads(shop, sides)
        lineup = Lines(
            heads=heads, teach=sides["teach"], judge=sides["judge"], cost=cost_of_a_trace(chosen, sides["judge"], read)
        ).lineup()
        further = tuple(self._further(shop, at, sides["judge"]) for at in range(len(self.further)))
        columns = [self._column(name, part) for name, part in sides["judge"].items()]
        matrix = transfer_matrix(
            columns,
            (*lineup.contenders, *further),
            lineup.questions,
            Draws(seed=shop.seed, draws=self.draws),
        )
        shop.run.write_json(f"{shop.stage}/matrix.json", to_json(matrix))
        shop.run.write_json(f"{shop.stage}/router.json", [to_json(each) for each in lineup.routed])
        shown = TransferPage(
            matrix=matrix,
            stories=tuple(story_of(name, sides, read[name], left[name]) for name in self.domains),
            lineup=lineup,
            notes=notes_of(heads, read),
            rates=self.rates,
        )
        report = shown.report(self.title, provenance(shop))
        write(report, shop.run.path(f"{shop.stage}/report.html"))
        exported = write_exports(report, shop.folder("."))
        return {"headline": headline(matrix), "report": f"{shop.stage}/report.html", "files": len(exported)}

    def _choose(self, shop: Workshop, reading: Reading) -> dict[str, tuple[Chosen, Chosen]]:
        """By domain, what is read of its source, and of what it keeps for judging."""
        codec = reading.codec()
        found = {}
        for name, one in self.domains.items():
            shop.check_stop()
            take = one.take()
            own = reading.choose(codec, self._pairs(shop, name, one.source), take)
            kept = reading.choose(codec, self._pairs(shop, name, one.judged), take) if one.judged else Chosen()
            if not own.pairs + kept.pairs:
                raise LabelError(f"domain {name!r} has no trace that can be judged", got=dict(own.left_out))
            found[name] = (own, kept)
        targets = {each.target for both in found.values() for part in both for _, each in part.pairs}
        if len(targets) > 1:
            raise LabelError(
                "labels of different targets cannot teach one head",
                got=sorted(map(str, targets)),
                mend="labels: to_first_error, or relabel one of the data sets",
            )
        return found

    def _pairs(self, shop: Workshop, name: str, stage: str) -> list[Pair]:
        problems = shop.problems(stage)
        pairs = [(problems[each.trace.problem_id], each) for each in shop.labels(stage).values()]
        only = self.domains[name].only
        pairs = [pair for pair in pairs if not only or pair[0].domain in only]
        if not pairs:
            raise LabelError(
                f"domain {name!r} has no traces", got=list(only) or stage, mend="check its source and only"
            )
        return (
            pairs if self.labels == "as_read" else [(problem, to_first_error(problem, each)) for problem, each in pairs]
        )

    def _read(
        self, shop: Workshop, reading: Reading, backbone: Backbone, chosen: Mapping[str, tuple[Chosen, Chosen]]
    ) -> dict[str, DomainReading]:
        """Compute the features that are not there yet; what that cost, by domain."""

        def read(part: Sequence[tuple[str, Chosen]]) -> list[tuple[str, DomainReading, Spend]]:
            return [(name, *read_features(shop, reading, backbone, each)) for name, each in part]

        both = {name: joined(*pair) for name, pair in chosen.items()}
        shop.work(both, Chunks(what="readings", size=1, unit="domains"), read)
        return shop.load("readings", DomainReading, shop.stage)

    def _sides(
        self, shop: Workshop, reading: Reading, backbone: Backbone, chosen: Mapping[str, tuple[Chosen, Chosen]]
    ) -> tuple[dict[Side, Parts], dict[str, dict[str, int]]]:
        withheld = [problem for stage in self.withheld for problem in shop.problems(stage).values()]
        dealt = self.sides.deal(
            [
                DomainPairs(name=name, pairs=own.pairs, judged=kept.pairs, teaches=self.domains[name].teaches)
                for name, (own, kept) in chosen.items()
            ],
            withheld,
        )
        sides: dict[Side, Parts] = {side: {} for side in SIDES}
        left: dict[str, dict[str, int]] = {}
        for name, pair in chosen.items():
            whole = reading.read(backbone, joined(*pair))
            place = {id(each): index for index, each in enumerate(whole.pairs)}
            for side, pairs in dealt[name].sides.items():
                if pairs or side == "judge":
                    sides[side][name] = whole.where([place[id(each)] for each in pairs])
            left[name] = dict(sum((Counter(each.left_out) for each in pair), Counter(dealt[name].left_out)))
        return sides, left

    def _heads(self, shop: Workshop, sides: Mapping[Side, Parts]) -> DomainHeads:
        spec = TrainSpec(
            mode="frozen",
            precision=self.precision,
            readout=self.readout,
            objective=cast("Objective", build("objective", self.objective, "objective")),
            head_fit=self.head_fit,
            seed=shop.seed,
        )
        teach = sides["teach"]
        together = [name for name in teach if self.domains[name].human]
        shop.progress.begin(f"{shop.stage}: heads", 1 + len(teach), "heads")
        done = iter(range(2 + len(teach)))

        def told(name: str) -> None:
            shop.check_stop()
            shop.progress.advance(next(done), Spend(), name)

        return FitDomainHeads(spec=spec, experts=self.experts).fit(teach, sides["calibrate"], together, told)

    def _column(self, name: str, part: DomainPart) -> JudgedDomain:
        return JudgedDomain(
            name=name,
            labeled=tuple(labeled for _, labeled in part.pairs),
            problems=tuple(content_key(normal_text(problem.text)) for problem, _ in part.pairs),
            human=self.domains[name].human,
            teaches=self.domains[name].teaches,
        )

    def _further(self, shop: Workshop, at: int, judge: Parts) -> Contender:
        """The row of a model of its own, on the traces that it is asked for."""
        name, one = list(self.further.items())[at]
        engine = open_scorer(model_of(shop, one.model), Opening())
        pairs = {
            f"{domain}/{index}": (problem, labeled.trace)
            for domain, part in judge.items()
            for index, (problem, labeled) in enumerate(part.pairs[: one.traces])
        }
        what = f"further-{at}"  # a name may hold what no file's name can
        shop.work(pairs, Chunks(what=what, size=16, unit="traces"), lambda part: ask(engine, part))
        told = shop.load(what, Told, shop.stage)
        scores = {
            domain: [told[key].scores if (key := f"{domain}/{k}") in told else None for k in range(len(part.pairs))]
            for domain, part in judge.items()
        }
        spends = [each.scores.spend for each in told.values() if each.scores is not None]
        return Contender(name=name, role="further", scores=scores, cost=UnitCost.of(sum(spends, Spend()), len(spends)))
