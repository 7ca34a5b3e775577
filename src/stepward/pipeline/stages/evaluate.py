"""Evaluates scorers against labels and verdicts, and publishes it: page, figures, tables, failures, model card.

RUN/STAGE/evaluation.json    the record (`stepward.evaluation.evaluated`)
RUN/STAGE/judged.jsonl       what every trace got, for comparisons with other runs
RUN/STAGE/report.html        one page
RUN/STAGE/MODEL_CARD.md      of the first scorer
RUN/STAGE/figures, tables    SVG; CSV, markdown, LaTeX
RUN/STAGE/failures/NAME      failures.jsonl, annotate.jsonl, prm800k.jsonl of each scorer

The same records give the same bytes. Seconds are part of the records where a model was run here.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from stepward.codec import to_json
from stepward.errors import ConfigError
from stepward.evaluation.baselines import baseline_scores
from stepward.evaluation.evaluate import evaluate
from stepward.evaluation.evaluated import FILE, Kind, kind_in
from stepward.evaluation.failure_files import write_failures
from stepward.evaluation.failures import Failures, pick
from stepward.evaluation.judged_rows import ROWS, rows_text
from stepward.evaluation.labelers import full_name, labels_by, others_than
from stepward.evaluation.material import REDUCERS, Entrant, Material, Settings
from stepward.evaluation.pricing import Rates
from stepward.pipeline.evaluating import EvaluationPage, scorer_line, summary
from stepward.pipeline.findings import provenance
from stepward.pipeline.model_card import Taught, model_card
from stepward.pipeline.workshop import Workshop
from stepward.reduce import reducer
from stepward.reports.exports import EXPORTS, write_exports
from stepward.reports.html import write
from stepward.storage.files import make_folder
from stepward.types import Json, LabeledTrace, StepScores

if TYPE_CHECKING:
    from stepward.reward_models.checkpoint import Card


@dataclass(frozen=True, kw_only=True)
class ScoreSource:
    """Scores that a stage made or read."""

    stage: str
    what: str = "scores"
    """scores, or scores-NAME for scores that came with a file."""
    reduce: tuple[str, ...] = REDUCERS
    """How step scores become one number per trace; the first is the one that is compared."""
    before: str = ""
    """A stage with the same scorer's scores before calibration, which are then compared with these."""

    def __post_init__(self) -> None:
        if not self.reduce:
            raise ConfigError("reduce must name a reducer")
        for how in self.reduce:
            reducer(how)


@dataclass(frozen=True, kw_only=True)
class EvaluateScorers:
    """Every scorer of `scores`, and of the scores that came with the traces, against the labels of stage `labels`."""

    labels: str
    """The stage whose labels and verdicts are taken for true."""
    scores: dict[str, ScoreSource] = field(default_factory=dict)
    """By name shown; the first is the one that is evaluated."""
    stored: tuple[str, ...] | None = None
    """Names of scores that came with the traces, the first first; empty for all of them, None for none."""
    baselines: str = ""
    """A stage with labels to fit the trivial baselines on; best not the one that is judged."""
    model: str = ""
    """The stage or folder of the first scorer's model, for its card."""
    labeler: str = ""
    """Whose labels are taken for true, where traces have labels of several labelers."""
    name: str = ""
    """What the data is called; empty for the stage's name."""
    title: str = "Evaluation"
    ns: tuple[int, ...] = ()
    """Sizes to choose from; empty for powers of two up to the smallest pool."""
    threshold: float = 0.5
    rates: Rates = field(default_factory=Rates)
    failures: int = 6
    """Failures of each kind shown as worst, and as many at random."""
    shown: int = 40
    """Traces shown in full, drawn at random."""

    def __post_init__(self) -> None:
        if not self.scores and self.stored is None:
            raise ConfigError("an evaluation needs scores of a stage, or scores that came with the traces")
        if self.failures < 1 or self.shown < 0:
            raise ConfigError("failures must be at least 1, shown at least 0", got=(self.failures, self.shown))

    def run(self, shop: Workshop) -> Json:
        """Judge and write everything."""
        material = self._material(shop)
        outcome = evaluate(material, Settings(seed=shop.seed, threshold=self.threshold, ns=self.ns, rates=self.rates))
        record = outcome.record
        shop.run.write_json(f"{shop.stage}/{FILE}", to_json(record))
        shop.run.write_text(f"{shop.stage}/{ROWS}", rows_text(material))
        files = self._failures(shop, outcome.failures)
        first = outcome.failures[record.scorers[0].name]
        page = EvaluationPage(
            record=record,
            material=material,
            picked=pick(first, size=self.failures, seed=shop.seed),
            shown=self.shown,
        )
        taught = _taught(self._checkpoint(shop), material.taught_by)
        report = page.report(self.title, provenance(shop))
        write(report, shop.run.path(f"{shop.stage}/report.html"))
        for name in EXPORTS:
            shutil.rmtree(shop.folder(name), ignore_errors=True)  # a page written anew may have other tables
        exported = write_exports(report, shop.folder("."))
        shop.run.write_text(f"{shop.stage}/MODEL_CARD.md", model_card(record, report, taught))
        return {
            "headline": scorer_line(record.scorers[0]) if record.scorers[0].steps else " ".join(summary(record)[:2]),
            "report": f"{shop.stage}/report.html",
            "files": len(exported),
            "failures": files,
        }

    def _material(self, shop: Workshop) -> Material:
        labels = shop.labels(self.labels)
        own = labels_by(labels, self.labeler) if self.labeler else labels
        return Material(
            name=self.name or self.labels,
            problems=shop.problems(self.labels),
            labels=own,
            entrants={**self._scored(shop, set(labels) - set(own)), **self._trivial(shop, own)},
            taught_by=_taught_by(self._checkpoint(shop)),
            labeler=full_name(labels, self.labeler) if self.labeler else "",
            others=others_than(labels, self.labeler) if self.labeler else {},
        )

    def _scored(self, shop: Workshop, left_out: set[str]) -> dict[str, Entrant]:
        """Scorers by name: those of stages, then those that came with the traces; without the traces left out."""
        sources = dict(self.scores)
        for name in self._stored(shop):
            sources[name] = ScoreSource(stage=self.labels, what=f"scores-{name}")
        return {name: self._entrant(shop, source, left_out) for name, source in sources.items()}

    def _entrant(self, shop: Workshop, source: ScoreSource, left_out: set[str]) -> Entrant:
        before = ScoreSource(stage=source.before) if source.before else None
        return Entrant(
            role="stored" if source.what != "scores" else "scorer",
            kind=_kind(shop, source),
            scores=_scores(shop, source, left_out),
            reduce=source.reduce,
            before=None if before is None else _scores(shop, before, left_out),
        )

    def _trivial(self, shop: Workshop, labels: Mapping[str, LabeledTrace]) -> dict[str, Entrant]:
        """The baselines, fitted on the labels of their stage."""
        if not self.baselines:
            return {}
        taught = list(shop.labels(self.baselines).values())
        found = baseline_scores(taught, [each.trace for each in labels.values()])
        return {
            name: Entrant(role="baseline", scores=dict(zip(labels, scores, strict=True)))
            for name, scores in found.items()
        }

    def _stored(self, shop: Workshop) -> tuple[str, ...]:
        """Names of the scores that came with the traces and are asked for."""
        if self.stored is None:
            return ()
        folder = shop.run.folder / self.labels
        there = sorted(path.stem.removeprefix("scores-") for path in folder.glob("scores-*.jsonl"))
        there = [name for name in there if not name.endswith("-done")]
        missing = [name for name in self.stored if name not in there]
        if missing or not there:
            raise ConfigError(
                "the traces came without these scores" if missing else "the traces came without scores",
                got=missing or None,
                mend=f"they came with: {', '.join(there)}" if there else "name a model to score them with",
            )
        return self.stored or tuple(there)

    def _failures(self, shop: Workshop, failures: Mapping[str, Failures]) -> Json:
        """Write the failures of each scorer; rows by scorer and file."""
        written: dict[str, Json] = {}
        for name, found in failures.items():
            folder = shop.folder(f"failures/{_plain(name)}")
            make_folder(folder)
            written[name] = to_json(write_failures(folder, found, pick(found, size=self.failures, seed=shop.seed)))
        return written

    def _checkpoint(self, shop: Workshop) -> Path | None:
        """The folder of the first scorer's model; None without one, or for one that is not ours."""
        if not self.model:
            return None
        from stepward.pipeline.stages.score import model_of  # scores that came with a file need no torch
        from stepward.reward_models.checkpoint import CARD

        folder = model_of(shop, self.model)
        return folder if (folder / CARD).is_file() else None


def _taught_by(folder: Path | None) -> frozenset[str] | None:
    if folder is None:
        return None
    from stepward.reward_models.trained_on import read_trained_on

    return read_trained_on(folder)


def _taught(folder: Path | None, known: frozenset[str] | None) -> Taught | None:
    """What the checkpoint in `folder` says of itself."""
    if folder is None:
        return None
    from stepward.reward_models.checkpoint import read_card

    card = read_card(folder)
    return Taught(facts=_facts(card), training=card.training, problems=None if known is None else len(known))


def _facts(card: Card) -> dict[str, Json]:
    return {
        "kind": "process reward model" if card.kind == "prm" else "outcome reward model",
        "a score means": card.format.target,
        "format": card.format.name,
        "mode": card.mode,
        "backbone": f"{card.backbone}, revision {card.backbone_revision}",
        "precision": card.precision,
        "calibrated": "no" if card.calibrator is None else str(card.calibrator.get("calibrator", "yes")),
    }


def _scores(shop: Workshop, source: ScoreSource, left_out: set[str]) -> dict[str, StepScores]:
    found = shop.load(source.what, StepScores, source.stage)
    if not found:
        raise ConfigError(f"stage {source.stage!r} made no {source.what}", mend="name a stage that scored or read some")
    return {key: scores for key, scores in found.items() if key not in left_out}


def _kind(shop: Workshop, source: ScoreSource) -> Kind:
    """PRM or ORM, as the stage that scored says of its model; scores that came with a file have no card."""
    scored = source.what == "scores" and shop.run.is_done(source.stage)
    return kind_in(shop.run.result(source.stage)) if scored else ""


def _plain(name: str) -> str:
    """A scorer's name as a folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip(".") or "scorer"
