"""Trains a reward model: examples and a backbone in, a checkpoint folder out.

    frozen   features once, then a head in seconds             (the backbone is named, not copied)
    lora     adapters and head by gradient descent             (the backbone is named, not copied)
    full     everything by gradient descent                    (the folder holds the whole model)

A training that was interrupted goes on where it was when it is called again with the same arguments, and a finished
one is not repeated. Beside the checkpoint `out` holds `state/` (weights, moments, place) and `metrics.jsonl`; cached
features lie beside `out`, keyed by content, so that several trainings on one backbone share them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from stepward.errors import ConfigError, LabelError
from stepward.reward_models.backbone import Backbone, revision_of
from stepward.reward_models.checkpoint import CARD, Card, Checkpoint, read_card
from stepward.reward_models.heads import ScoreHead
from stepward.storage.files import make_folder
from stepward.training.descent import GradientRun, adapted
from stepward.training.examples import ExampleSet
from stepward.training.features import FeatureStore
from stepward.training.frozen import fit_head
from stepward.training.objectives.contract import StepTargets
from stepward.training.spec import TrainSpec
from stepward.training.split import hold_out
from stepward.training.watch import SILENT, Watch
from stepward.types import Json, content_key

FEATURES = "features"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What a training came to."""

    folder: Path
    """The checkpoint."""
    finished: bool
    """False where a stop request came first: call again to go on."""
    figures: Mapping[str, Json]
    """Steps, tokens, seconds, held-out loss, examples and what was left out."""


def train(
    examples: ExampleSet,
    spec: TrainSpec,
    *,
    backbone: Path,
    out: Path,
    watch: Watch = SILENT,
) -> TrainResult:
    """Train the model in folder `backbone` on `examples` (built with `open_codec(backbone, format)`) into `out`.

    Raises `LabelError` (labels that the objective cannot use), `ConfigError` (`out` holds another training),
    `ModelError` (no backbone, or divergence).
    """
    key = content_key(spec.to_json(), examples.key, revision_of(backbone), examples.format.to_json())
    if (done := _finished(out, key)) is not None:
        return done
    spec.objective.check(StepTargets.of(examples.examples))
    opened = Backbone.open(backbone, examples.format, precision=spec.precision)
    spec.readout.check(opened.layers)
    make_folder(out)
    torch.manual_seed(spec.seed)
    way = _frozen if spec.mode == "frozen" else _descend
    trained = way(_Task(examples=examples, spec=spec, backbone=opened, out=out, key=key, watch=watch))
    if trained is None:
        return TrainResult(folder=out, finished=False, figures={})
    if spec.correct_prior:
        trained.head.shift(spec.objective.logit_shift)
    card = _card(examples, spec, opened, {**trained.figures, **_counts(examples)}, key)
    Checkpoint(card=card, backbone=opened, head=trained.head.cpu()).save(out)
    return TrainResult(folder=out, finished=True, figures=_figures(card))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    examples: ExampleSet
    spec: TrainSpec
    backbone: Backbone
    out: Path
    key: str
    watch: Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trained:
    head: ScoreHead
    figures: Mapping[str, Json]


class _Stopped(Exception):
    """A stop request came while features were computed; what was computed is stored."""


def _frozen(task: _Task) -> _Trained | None:
    def tell(report: Mapping[str, float]) -> None:
        task.watch.progress(report)
        if task.watch.stop():
            raise _Stopped

    started = time.perf_counter()
    encoded = [example.encoded for example in task.examples.examples]
    task.backbone.drop_above(task.spec.readout.deepest(task.backbone.layers))
    store = FeatureStore(folder=task.out.parent / FEATURES)
    try:
        states = store.read(task.backbone, task.spec.readout, encoded, progress=tell)
    except _Stopped:
        return None
    fitted = fit_head(states, task.examples.examples, task.spec, task.watch.progress)
    figures: dict[str, Json] = {
        "penalty": fitted.penalty,
        "held_out_loss": fitted.held_out_loss if math.isfinite(fitted.held_out_loss) else None,
        "tokens": sum(map(len, encoded)),
        "seconds": time.perf_counter() - started,
    }
    return _Trained(head=fitted.head, figures=figures)


def _descend(task: _Task) -> _Trained | None:
    spec = task.spec
    if spec.mode == "lora":
        adapted(task.backbone, spec.adapter)
    head = ScoreHead(spec.readout.width(task.backbone.width), spec.head_hidden)
    halves = hold_out(task.examples.examples, share=spec.held_out, seed=spec.seed)
    if not halves.train:
        raise LabelError(
            "every problem fell on the held-out side, so nothing is left to train on",
            got=f"{len(halves.held_out)} traces",
            mend="lower held_out, or bring more problems",
        )
    run = GradientRun(
        spec=spec, halves=halves, backbone=task.backbone, head=head, out=task.out, key=task.key, watch=task.watch
    )
    if not run.run():
        return None
    place = run.place
    figures: dict[str, Json] = {
        "steps": place.step,
        "best_step": place.best_step or place.step,
        "held_out_loss": place.best_loss,
        "tokens": place.tokens,
        "seconds": place.seconds,
    }
    return _Trained(head=head, figures=figures)


def _counts(examples: ExampleSet) -> dict[str, Json]:
    return {
        "traces": len(examples.examples),
        "labels": sum(weight > 0 for example in examples.examples for weight in example.weights),
        "problems": len({example.group for example in examples.examples}),
        "excluded": dict(examples.excluded),
    }


def _card(examples: ExampleSet, spec: TrainSpec, backbone: Backbone, figures: Mapping[str, Json], key: str) -> Card:
    return Card(
        kind=spec.kind,
        format=replace(examples.format, target=examples.target),
        mode=spec.mode,
        backbone=str(backbone.path.resolve()),
        backbone_revision=backbone.revision,
        readout=spec.readout,
        head_hidden=spec.head_hidden,
        precision=spec.precision,
        training={"key": key, "spec": spec.to_json(), "figures": dict(figures)},
    )


def _figures(card: Card) -> Mapping[str, Json]:
    figures = card.training["figures"]
    return figures if isinstance(figures, Mapping) else {}


def _finished(out: Path, key: str) -> TrainResult | None:
    """The result of the same training, if `out` holds it."""
    if not (out / CARD).is_file():
        return None
    card = read_card(out)
    if card.training.get("key") != key:
        raise ConfigError(
            f"{out} holds a reward model trained with other settings, examples or backbone",
            got=card.training.get("key"),
            mend="train into a new folder, or delete this one",
        )
    return TrainResult(folder=out, finished=True, figures=_figures(card))
