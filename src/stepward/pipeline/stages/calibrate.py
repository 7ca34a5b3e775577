"""Makes a reward model's scores probabilities, by labels on problems that it was not trained on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from stepward.calibrate import FITS, Calibrator, from_json, to_json
from stepward.errors import ConfigError, LabelError
from stepward.evaluation.steps import Judged, flatten
from stepward.pipeline.stages.score import model_of
from stepward.pipeline.workshop import Chunks, Workshop
from stepward.reward_models.checkpoint import checkpoint_revision, read_card, set_calibrator
from stepward.types import Json, Origin, Spend, StepScores


@dataclass(frozen=True, kw_only=True)
class CalibrateModel:
    """A copy of `model` with a calibrator fitted on its `scores` against `labels` of the same traces."""

    model: str
    scores: str
    """The stage that scored with `model`."""
    labels: str
    """The stage whose labels are taken for true."""
    method: Literal["temperature", "platt", "isotonic", "beta"] = "platt"
    trained_on: str = ""
    """The stage whose problems trained the model; they must not be among these."""

    def run(self, shop: Workshop) -> Json:
        """Fit, copy, and write the calibrator into the copy."""
        judged = judged_of(shop, self.scores, self.labels)
        self._refuse_overlap(shop, judged)
        calibrator = self._fit(judged)
        folder = shop.folder("model")
        draft = shop.folder("draft")
        shutil.rmtree(draft, ignore_errors=True)
        copy_model(model_of(shop, self.model), draft)
        set_calibrator(draft, to_json(calibrator))
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
        return {"method": self.method, "steps": len(flatten(judged).problem_S), "calibrator": to_json(calibrator)}

    def _fit(self, judged: list[Judged]) -> Calibrator:
        steps = flatten(judged)
        return FITS[self.method](steps.scores_S, steps.good_S)

    def _refuse_overlap(self, shop: Workshop, judged: list[Judged]) -> None:
        trained = shop.problems(self.trained_on) if self.trained_on else {}
        shared = {j.problem_id for j in judged} & set(trained)
        if shared:
            raise ConfigError(
                f"stage {self.labels!r} shares problems with {self.trained_on!r}, which trained the model",
                got=sorted(shared)[:3],
                mend="calibrate on problems of their own",
            )


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
            return [(key, _through(calibrator, scores, maker), Spend()) for key, scores in part]

        scores = shop.scores(self.source)
        shop.work(scores, Chunks(what="scores", size=max(1, len(scores)), unit="traces"), calibrate)
        return {"traces": len(scores), "scorer": maker.maker, "revision": maker.revision}


def _through(calibrator: Calibrator, scores: StepScores, maker: Origin) -> StepScores:
    values = calibrator.transform(scores.values).tolist() if scores.values else ()
    return replace(scores, values=tuple(values), scorer=maker, spend=Spend())


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
