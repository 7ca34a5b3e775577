"""Trains a PRM on the step labels of a source, or an ORM on its verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from stepward.config import build
from stepward.pipeline.parts import model_folder
from stepward.pipeline.workshop import Stopped, Workshop
from stepward.reward_models.backbone import Precision, open_codec
from stepward.reward_models.checkpoint import Kind, Mode
from stepward.reward_models.encode import StepCodec
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.readout import Readout
from stepward.training.examples import ExampleSet, OutcomeExamples, StepExamples
from stepward.training.loop import train
from stepward.training.objectives.contract import Objective
from stepward.training.spec import Adapter, Descent, HeadFit, TrainSpec
from stepward.training.watch import Watch
from stepward.types import Json, LabeledTrace, Problem, Spend


@dataclass(frozen=True, kw_only=True)
class TrainModel:
    """A reward model on `backbone`, from the labels of `source`, in this stage's folder `model`."""

    source: str
    backbone: str
    """A model folder, or one of the short names quickstart and smollm2."""
    kind: Kind = "prm"
    mode: Mode = "full"
    view: Literal["hard", "soft"] = "hard"
    """How a PRM reads its labels."""
    after_error: Literal["keep", "drop"] = "keep"
    outcome_at: Literal["last", "every"] = "last"
    """Where an ORM is taught the outcome."""
    precision: Precision = "float32"
    """Of the backbone's weights; bfloat16 is faster where the machine has it, and moves scores with the batch."""
    objective: Json = "bce"
    head_hidden: int = 0
    held_out: float = 0.1
    readout: Readout = Readout()
    head_fit: HeadFit = HeadFit()
    adapter: Adapter = Adapter()
    descent: Descent = Descent()

    def __post_init__(self) -> None:
        build("objective", self.objective, "objective")

    def run(self, shop: Workshop) -> Json:
        """Train, or go on training."""
        backbone = model_folder(self.backbone)
        problems, labels = shop.problems(self.source), shop.labels(self.source).values()
        examples = self._examples(
            open_codec(backbone, STEPWARD_DEFAULT), [(problems[x.trace.problem_id], x) for x in labels]
        )
        shop.progress.begin(shop.stage, 0, "steps")
        watch = Watch(progress=lambda report: _show(shop, report), stop=shop.stopping)
        result = train(examples, self._spec(shop.seed), backbone=backbone, out=shop.folder("model"), watch=watch)
        if not result.finished:
            raise Stopped
        return {"examples": len(examples.examples), "excluded": dict(examples.excluded), "figures": result.figures}

    def _examples(self, codec: StepCodec, pairs: Sequence[tuple[Problem, LabeledTrace]]) -> ExampleSet:
        if self.kind == "orm":
            return OutcomeExamples(at=self.outcome_at).build(codec, pairs)
        return StepExamples(view=self.view, after_error=self.after_error).build(codec, pairs)

    def _spec(self, seed: int) -> TrainSpec:
        return TrainSpec(
            kind=self.kind,
            mode=self.mode,
            precision=self.precision,
            objective=cast("Objective", build("objective", self.objective, "objective")),
            head_hidden=self.head_hidden,
            held_out=self.held_out,
            readout=self.readout,
            head_fit=self.head_fit,
            adapter=self.adapter,
            descent=self.descent,
            seed=seed,
        )


def _show(shop: Workshop, report: Mapping[str, float]) -> None:
    told = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in report.items() if name != "seconds")
    shop.progress.advance(int(report.get("step", 0)), Spend(), told)
