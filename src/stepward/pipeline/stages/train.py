"""Trains a PRM on the step labels of a source, an ORM on its verdicts, or a model that says two things of a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from stepward.config import build
from stepward.errors import ConfigError
from stepward.pipeline.parts import model_folder
from stepward.pipeline.stages.noise import noise_objective
from stepward.pipeline.workshop import Stopped, Workshop
from stepward.reward_models.backbone import Precision, open_codec
from stepward.reward_models.checkpoint import Kind, Mode
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.readout import Readout
from stepward.training.intake import Pair
from stepward.training.loop import train
from stepward.training.losses import Normalisation
from stepward.training.objectives.contract import Objective
from stepward.training.objectives.noisy import NoiseCorrected
from stepward.training.spec import Adapter, Descent, HeadFit, Start, TrainSpec
from stepward.training.teaching import Labellings, Teaching
from stepward.training.trackers.opening import check_trackers
from stepward.training.watch import Watch
from stepward.types import Json, Sees, Spend


@dataclass(frozen=True, kw_only=True)
class TrainModel(Teaching):
    """A reward model on `backbone`, from the labels of `source`, in this stage's folder `model`."""

    source: str
    second: str = ""
    """For two heads: the stage with the second labelling; the verdicts of `source` where empty."""
    agree_with: str = ""
    """A stage with other labels of the same traces: a label counts where they call the step the same."""
    backbone: str
    """A model folder, or one of the short names quickstart and smollm2."""
    kind: Kind = "prm"
    mode: Mode = "full"
    precision: Precision = "float32"
    """Of the backbone's weights; bfloat16 is faster where the machine has it, and moves scores with the batch."""
    objective: Json = "bce"
    noise: str = ""
    """A `noise` stage, whose rates then are those of the objective, noisy."""
    normalisation: Normalisation = "token"
    """token: every label counts alike; trace: every trace does, as list-wise objectives are published."""
    head_hidden: int = 0
    start: Start = "zero"
    """fitted: the head is fitted to the untrained backbone before everything is trained together (lora, full)."""
    sees: Sees = "prefix"
    """For a bidirectional backbone: taught on each step's prefix alone, or on whole traces."""
    held_out: float = 0.1
    readout: Readout = Readout()
    head_fit: HeadFit = HeadFit()
    adapter: Adapter = Adapter()
    descent: Descent = Descent()
    track: tuple[str, ...] = ()
    """Trackers that get every step's numbers: tensorboard, wandb, trackio, mlflow. It changes no result."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_trackers(self.track)
        objective = self._objective()
        self.check(objective)
        self._spec(objective, seed=0)  # raises now what would else be found when the labels are made
        if self.noise and not isinstance(objective, NoiseCorrected):
            raise ConfigError("noise sets the rates of objective noisy", got=self.objective, mend="objective: noisy")
        if self.second and self.heads == "one":
            raise ConfigError("a second labelling teaches a second head", got=self.second, mend="set heads: two")

    def run(self, shop: Workshop) -> Json:
        """Train, or go on training."""
        backbone = model_folder(self.backbone)
        labels = Labellings(
            first=_pairs(shop, self.source),
            second=_pairs(shop, self.second) if self.second else (),
            agree_with=_pairs(shop, self.agree_with) if self.agree_with else (),
        )
        made = self.examples(self.kind, open_codec(backbone, STEPWARD_DEFAULT), labels)
        chosen = noise_objective(shop, self.noise) if self.noise else self._objective()
        examples, objective = self.fitted(made, chosen)
        shop.progress.begin(shop.stage, 0, "steps")
        watch = Watch(progress=lambda report: _show(shop, report), stop=shop.stopping, track=self.track)
        result = train(
            examples, self._spec(objective, shop.seed), backbone=backbone, out=shop.folder("model"), watch=watch
        )
        if not result.finished:
            raise Stopped
        return {
            "examples": len(examples.examples),
            "excluded": dict(examples.excluded),
            "notes": dict(examples.notes),
            "figures": result.figures,
        }

    def _objective(self) -> Objective:
        return cast("Objective", build("objective", self.objective, "objective"))

    def _spec(self, objective: Objective, seed: int) -> TrainSpec:
        return TrainSpec(
            kind=self.kind,
            mode=self.mode,
            precision=self.precision,
            objective=objective,
            normalisation=self.normalisation,
            head_hidden=self.head_hidden,
            start=self.start,
            held_out=self.held_out,
            sees=self.sees,
            readout=self.readout,
            head_fit=self.head_fit,
            adapter=self.adapter,
            descent=self.descent,
            seed=seed,
        )


def _pairs(shop: Workshop, stage: str) -> list[Pair]:
    problems = shop.problems(stage)
    return [(problems[labeled.trace.problem_id], labeled) for labeled in shop.labels(stage).values()]


def _show(shop: Workshop, report: Mapping[str, float]) -> None:
    told = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in report.items() if name != "seconds")
    shop.progress.advance(int(report.get("step", 0)), Spend(), told)
