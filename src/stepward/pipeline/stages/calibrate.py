"""Makes a reward model's scores probabilities, by labels on problems that it was not trained on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

from stepward.calibrate import (
    FITS,
    Calibrator,
    FitPerDomain,
    LabelledScores,
    calibrated,
    cross_fitted,
    from_json,
    problem_key,
    refuse_shared_problems,
    to_json,
)
from stepward.errors import LabelError, ScoreError
from stepward.evaluation.steps import Judged, flatten
from stepward.metrics.calibration import brier, ece
from stepward.pipeline.stages.score import model_of
from stepward.pipeline.workshop import Chunks, Workshop
from stepward.reward_models.checkpoint import checkpoint_revision, read_card, set_calibrator
from stepward.reward_models.trained_on import refuse_training_problems
from stepward.types import Json, Origin, Spend, StepScores


@dataclass(frozen=True, kw_only=True)
class CalibrateModel:
    """A copy of `model` with a calibrator fitted on its `scores` against `labels` of the same traces.

    Problems that taught the model are refused: those it recorded, and those of `trained_on`.
    """

    model: str
    scores: str
    """The stage that scored with `model`."""
    labels: str
    """The stage whose labels are taken for true."""
    method: Literal["temperature", "platt", "isotonic", "beta", "logistic"] = "platt"
    """logistic alone is for scores that are no probabilities, and makes them such."""
    trained_on: str = ""
    """A stage whose problems trained the model, for models that do not say."""
    domains: Literal["together", "apart"] = "together"
    """apart: a map for each domain of at least `fewest` labels, one pooled map for the others."""
    fewest: int = 200
    unseen: Literal["pooled", "refuse"] = "pooled"
    """What a domain without any label gets: the pooled map, or an error."""

    def run(self, shop: Workshop) -> Json:
        """Fit, copy, and write the calibrator into the copy."""
        rows = self._rows(shop)
        calibrator = self._fit(rows)
        folder = shop.folder("model")
        draft = shop.folder("draft")
        shutil.rmtree(draft, ignore_errors=True)
        copy_model(model_of(shop, self.model), draft)
        set_calibrator(draft, to_json(calibrator))
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
        return {
            "method": self.method,
            "steps": len(rows.scores_K),
            "calibrator": to_json(calibrator),
            "on problems left out": self._gain(rows, shop.seed),
        }

    def _rows(self, shop: Workshop) -> LabelledScores:
        judged = judged_of(shop, self.scores, self.labels)
        problems = shop.problems(self.labels)
        used = [problems[each] for each in {j.problem_id for j in judged}]
        refuse_training_problems(model_of(shop, self.model), used)
        if self.trained_on:
            keys = map(problem_key, shop.problems(self.trained_on).values())
            refuse_shared_problems(used, keys, what=f"stage {self.trained_on!r}, which trained the model")
        steps = flatten(judged)
        domains = [problems[str(problem)].domain for problem in steps.problem_S]
        return LabelledScores.of(steps.scores_S, steps.good_S, cast("Sequence[str]", steps.problem_S), domains)

    def _fit(self, rows: LabelledScores) -> Calibrator:
        if self.domains == "together":
            return FITS[self.method](rows.scores_K, rows.good_K)
        how = FitPerDomain(method=self.method, fewest=self.fewest, unseen=self.unseen)
        return how.fit(rows.scores_K, rows.good_K, rows.domain_K)

    def _gain(self, rows: LabelledScores, seed: int) -> Json:
        """ECE and Brier before and after, by maps that saw nothing of a score's problem; why not, where that fails."""
        try:
            after_K = cross_fitted(self._fit, rows, seed=seed)
        except (LabelError, ScoreError) as error:
            return f"not measured: {error}"
        found: dict[str, Json] = {"ece after": ece(after_K, rows.good_K), "brier after": brier(after_K, rows.good_K)}
        if self.method != "logistic":
            found["ece before"] = ece(rows.scores_K, rows.good_K)
            found["brier before"] = brier(rows.scores_K, rows.good_K)
        return found


@dataclass(frozen=True, kw_only=True)
class CalibrateScores:
    """The scores of stage `source`, made with the raw model, as `model`, its calibrated copy, would give them.

    Saves a second pass over the same traces: nothing is spent here.
    """

    source: str
    model: str

    def run(self, shop: Workshop) -> Json:
        """Put every score through the calibrator of `model`."""
        folder = model_of(shop, self.model)
        card = read_card(folder)
        calibrator = from_json(card.calibrator or {})
        maker = Origin(maker=f"scorer:{card.kind}", revision=checkpoint_revision(folder, card))

        def calibrate(part: Sequence[tuple[str, StepScores]]) -> list[tuple[str, StepScores, Spend]]:
            return [
                (key, _through(calibrator, scores, problems[traces[key].problem_id].domain, maker), Spend())
                for key, scores in part
            ]

        scores, problems = shop.scores(self.source), shop.problems(self.source)
        traces = shop.traces(shop.sources.get(self.source, self.source))
        shop.work(scores, Chunks(what="scores", size=max(1, len(scores)), unit="traces"), calibrate)
        return {"traces": len(scores), "scorer": maker.maker, "revision": maker.revision, "kind": card.kind}


def _through(calibrator: Calibrator, scores: StepScores, domain: str, maker: Origin) -> StepScores:
    return replace(calibrated(calibrator, scores, domain), scorer=maker, spend=Spend())


def judged_of(shop: Workshop, scores: str, labels: str) -> list[Judged]:
    """The labelled traces of stage `labels` with what stage `scores` gave them; `LabelError` where one lacks scores."""
    found = shop.scores(scores)
    labelled = shop.labels(labels)
    missing = [key for key in labelled if key not in found]
    if missing:
        raise LabelError(f"stage {scores!r} did not score every trace of {labels!r}", got=missing[:3])
    return [Judged(labeled=labeled, scores=found[key]) for key, labeled in labelled.items()]


def copy_model(source: Path, target: Path) -> None:
    """Copy a model folder; weights are linked where the disk can, since neither copy is ever changed in place."""

    def link(a: str, b: str) -> str:
        if a.endswith(".safetensors"):
            try:
                os.link(a, b)
                return b
            except OSError:
                pass  # another disk, or one without links: a real copy serves as well
        return str(shutil.copy2(a, b))

    shutil.copytree(source, target, copy_function=link)
