"""Puts labels on the traces of a source, problem by problem, as a job that may be killed at any time.

RUN/labels/ledger.sqlite    what became of every problem: labels and cost, or why not
RUN/labels/labels.jsonl     the labels, in the order of the source, once every problem is dealt with
RUN/labels/failures.jsonl   problems without labels: error, message, attempts, when
RUN/labels/card.json, .md   what the set is made of, and warnings
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import ClassVar, cast

from stepward.config import build
from stepward.datasets.reading import Example, Reader, read
from stepward.errors import ConfigError, LabelError
from stepward.pipeline.jobs.job import Team, Watch, check, team, work_off
from stepward.pipeline.jobs.pace import Pace
from stepward.pipeline.labels.books import LabelBooks, by_problem
from stepward.pipeline.labels.labelling import Labelling, Retries, ScorerChoice
from stepward.pipeline.parts import PolicyChoice
from stepward.pipeline.stages.read import resolve
from stepward.pipeline.workshop import Workshop
from stepward.protocols import Harvester, Labeler, Segmenter, Verifier
from stepward.segment.newline import Newline
from stepward.storage.ledger import Ledger
from stepward.types import Json, Problem
from stepward.verifiers.routed import RoutedVerifier

MENDED = 3
"""Times that damaged rows are made again before the disk is held to be broken."""


@dataclass(frozen=True, kw_only=True)
class LabelTraces:
    """Labels by `labeler` for every trace of `source`."""

    CONDUCT: ClassVar[tuple[str, ...]] = (
        *("benchmark_format", "benchmarks", "concurrency", "most_failed", "retries", "workers"),
    )
    """Settings that move no label: a run may be resumed with others."""

    source: str
    labeler: Labeler
    policy: PolicyChoice | None = None
    """The completer or the judge, for labelers that need one."""
    scorer: ScorerChoice | None = None
    """The reward model, for labelers that read scores."""
    verifier: Verifier = field(default_factory=RoutedVerifier)
    segmenter: Segmenter = field(default_factory=Newline)
    harvest: bool = False
    """Keep the traces that the labeler found on its way, with their labels, behind those of the source."""
    workers: int = 1
    """1 works in this process; more are that many processes, each with models of its own."""
    concurrency: int = 32
    """Problems in flight at a time in each worker: their calls go to the model together."""
    retries: Retries = Retries()
    most_failed: float = 0.5
    """Share of the problems that may fail; above it the stage is not finished: run again, it tries them again."""
    benchmarks: tuple[str, ...] = ()
    """Files of problems that must not stand in the set: the card counts those that do."""
    benchmark_format: Json = "problems"

    def __post_init__(self) -> None:
        if self.workers < 1 or self.concurrency < 1:
            raise ConfigError("workers and concurrency must be at least 1", got=(self.workers, self.concurrency))
        if self.harvest and not isinstance(self.labeler, Harvester):
            raise ConfigError("harvest: this labeler brings no traces of its own", got=type(self.labeler).__name__)
        if not 0 <= self.most_failed <= 1:
            raise ConfigError("most_failed must lie in [0, 1]", got=self.most_failed)

    def run(self, shop: Workshop) -> Json:
        """Label what is not labelled yet, then write labels, failures and card."""
        references = {path: self._benchmark(path) for path in self.benchmarks}
        attempts = by_problem(shop.problems(self.source), shop.traces(self.source))
        with (
            closing(team(self._trade(shop), workers=self.workers, size=self.concurrency)) as hands,
            Ledger(shop.run.path(f"{shop.stage}/ledger.sqlite"), hands.identity) as ledger,
        ):
            books = LabelBooks(shop=shop, attempts=attempts, made_by=hands.identity, ledger=ledger)
            try:
                self._work(books, hands)
            finally:
                books.write_failures()
            books.check_failures(self.most_failed)
            books.write_labels()
            books.pay()
            return books.report(references)

    def _trade(self, shop: Workshop) -> Labelling:
        scorer = self.scorer
        if scorer is not None:
            from stepward.pipeline.stages.score import model_of

            scorer = replace(scorer, path=str(model_of(shop, scorer.path)))
        return Labelling(
            labeler=self.labeler,
            verifier=self.verifier,
            segmenter=self.segmenter,
            policy=self.policy,
            scorer=scorer,
            retries=self.retries,
            harvest=self.harvest,
        )

    def _work(self, books: LabelBooks, hands: Team) -> None:
        """Work everything off, and once more what turned out to be damaged."""
        shop, pace = books.shop, Pace(books.shop.progress, books.shop.stage)
        for _ in range(MENDED):
            pace.begin(len(books.units))
            work_off(hands, books.units, books.ledger, Watch(stopping=shop.stopping, moved=pace.moved))
            if not check(books.ledger, books.units):
                return
        raise LabelError(f"rows of {books.ledger.path} were damaged {MENDED} times over", mend="check the disk")

    def _benchmark(self, path: str) -> list[Problem]:
        reader = cast("Reader[Example | Problem]", build("dataset", self.benchmark_format, "benchmark_format"))
        found = read(reader, resolve(path)).items
        return [each.problem if isinstance(each, Example) else each for each in found]
