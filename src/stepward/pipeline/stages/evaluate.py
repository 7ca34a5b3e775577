"""Evaluates scorers against labels and verdicts, and publishes it: page, figures, tables, failures, model card.

RUN/STAGE/evaluation.json    the record (`stepward.evaluation.evaluated`)
RUN/STAGE/report.html        one page
RUN/STAGE/MODEL_CARD.md      of the first scorer
RUN/STAGE/figures, tables    SVG; CSV, markdown, LaTeX
RUN/STAGE/failures/NAME      failures.jsonl, annotate.jsonl, prm800k.jsonl of each scorer

The same records give the same bytes. Seconds are part of the records where a model was run here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from stepward.codec import to_json
from stepward.errors import ConfigError
from stepward.evaluation.baselines import baseline_scores
from stepward.evaluation.evaluate import REDUCERS, Entrant, Material, Settings, evaluate
from stepward.evaluation.evaluated import FILE
from stepward.evaluation.failure_files import write_failures
from stepward.evaluation.failures import Failures, pick
from stepward.evaluation.pricing import Rates
from stepward.pipeline.evaluating import EvaluationPage, scorer_line, summary
from stepward.pipeline.findings import provenance
from stepward.pipeline.model_card import Taught, model_card
from stepward.pipeline.workshop import Workshop
from stepward.reduce import reducer
from stepward.reports.exports import write_exports
from stepward.reports.html import write
from stepward.storage.files import make_folder
from stepward.types import Json, StepScores

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
        entrants = {
            name: Entrant(role="stored" if s.what != "scores" else "scorer", scores=_scores(shop, s), reduce=s.reduce)
            for name, s in self.scores.items()
        }
        for name in self._stored(shop):
            source = ScoreSource(stage=self.labels, what=f"scores-{name}")
            entrants[name] = Entrant(role="stored", scores=_scores(shop, source))
        if self.baselines:
            keys, traces = list(labels), [each.trace for each in labels.values()]
            found = baseline_scores(list(shop.labels(self.baselines).values()), traces)
            for name, scores in found.items():
                entrants[name] = Entrant(role="baseline", scores=dict(zip(keys, scores, strict=True)))
        return Material(
            name=self.name or self.labels,
            problems=shop.problems(self.labels),
            labels=labels,
            entrants=entrants,
            taught_by=_taught_by(self._checkpoint(shop)),
        )

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
        "calibrated": "no" if card.calibrator is None else str(card.calibrator.get("use", "yes")),
    }


def _scores(shop: Workshop, source: ScoreSource) -> dict[str, StepScores]:
    found = shop.load(source.what, StepScores, source.stage)
    if not found:
        raise ConfigError(f"stage {source.stage!r} made no {source.what}", mend="name a stage that scored or read some")
    return found


def _plain(name: str) -> str:
    """A scorer's name as a folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip(".") or "scorer"
