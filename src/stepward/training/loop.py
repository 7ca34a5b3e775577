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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from stepward.errors import ConfigError, LabelError
from stepward.reward_models.backbone import Backbone, revision_of
from stepward.reward_models.checkpoint import CARD, Card, Checkpoint, read_card
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.log_ratio import check_policy
from stepward.reward_models.trained_on import write_trained_on
from stepward.storage.files import make_folder
from stepward.training.descent import GradientRun, adapted
from stepward.training.devices import Devices
from stepward.training.examples import Example, ExampleSet
from stepward.training.features import FeatureStore
from stepward.training.frozen import fit_head
from stepward.training.prefixes import per_prefix
from stepward.training.reference import referenced
from stepward.training.sharding import shard, unsharded
from stepward.training.spec import TrainSpec
from stepward.training.split import hold_out
from stepward.training.trackers.contract import Run
from stepward.training.trackers.opening import tracking
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
    devices = Devices.open()
    key = content_key(spec.to_json(), examples.key, revision_of(backbone), examples.format.to_json())
    if (done := _finished(out, key)) is not None:
        return done
    spec.check(examples)
    opened = Backbone.open(backbone, examples.format, precision=spec.precision)
    spec.readout.check(opened.layers)
    taught = examples if opened.causal or spec.sees == "trace" else per_prefix(examples, spec.objective)
    make_folder(out)
    opened.model.to(devices.device)
    torch.manual_seed(spec.seed)
    way = _frozen if spec.mode == "frozen" else _descend
    trained = way(_Task(examples=taught, spec=spec, backbone=opened, out=out, key=key, watch=watch, devices=devices))
    if trained is None:
        return TrainResult(folder=out, finished=False, figures={})
    if spec.correct_prior:
        trained.head.shift(spec.objective.logit_shift)
    card = _card(examples, spec, opened, {**trained.figures, **_counts(examples)}, key)
    if devices.main:
        write_trained_on(out, (example.group for example in examples.examples))
        Checkpoint(card=card, backbone=opened, head=trained.head.cpu()).save(out)
    devices.wait()
    return TrainResult(folder=out, finished=True, figures=_figures(card))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    examples: ExampleSet
    spec: TrainSpec
    backbone: Backbone
    out: Path
    key: str
    watch: Watch
    devices: Devices


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trained:
    head: ScoreHead
    figures: Mapping[str, Json]


class _Stopped(Exception):
    """A stop request came while features were computed; what was computed is stored."""


def _frozen(task: _Task) -> _Trained | None:
    if task.devices.count > 1:
        raise ConfigError(
            "a frozen backbone trains its head in seconds, in one process",
            got=f"{task.devices.count} processes",
            mend="start it without torchrun, or take mode lora or full",
        )

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
    examples = task.examples.examples if spec.readout.likelihood == "none" else _referenced(task)
    if spec.mode == "lora":
        adapted(task.backbone, spec.adapter)
    head = spec.head(task.backbone.width, task.examples.outputs)
    halves = hold_out(examples, share=spec.held_out, seed=spec.seed)
    if not halves.train:
        raise LabelError(
            "every problem fell on the held-out side, so nothing is left to train on",
            got=f"{len(halves.held_out)} traces",
            mend="lower held_out, or bring more problems",
        )
    if spec.start == "fitted":
        head = _fitted_head(task, halves.train)
    spread = spec.descent.shard and task.devices.count > 1
    if spread:
        shard(task.backbone, task.devices.device)
    with tracking(task.watch.track if task.devices.main else (), _tracked(task)) as trackers:
        run = GradientRun(
            spec=spec,
            halves=halves,
            backbone=task.backbone,
            head=head.to(task.devices.device),
            out=task.out,
            key=task.key,
            watch=task.watch,
            devices=task.devices,
            trackers=trackers,
        )
        if not run.run():
            return None
    if spread:
        unsharded(task.backbone, _fresh(task))
    place = run.place
    figures: dict[str, Json] = {
        "steps": place.step,
        "best_step": place.best_step or place.step,
        "held_out_loss": place.best_loss,
        "tokens": place.tokens,
        "seconds": place.seconds,
        "pack": run.passes.pack,
    }
    return _Trained(head=head, figures=figures)


def _fitted_head(task: _Task, examples: Sequence[Example]) -> ScoreHead:
    """The head that suits the untrained backbone. Its features are read in the precision of the descent."""
    spec = task.spec
    still = Backbone.open(task.backbone.path, task.examples.format, precision=spec.descent.precision)
    still.model.to(task.devices.device)
    still.drop_above(spec.readout.deepest(still.layers))
    store = FeatureStore(folder=task.out.parent / FEATURES)
    encoded = [example.encoded for example in examples]
    states = store.read(still, spec.readout, encoded, progress=task.watch.progress)
    return fit_head(states, examples, spec, task.watch.progress).head


def _tracked(task: _Task) -> Run:
    return Run(folder=task.out, name=task.out.name, key=task.key, settings=task.spec.to_json())


def _fresh(task: _Task) -> Backbone:
    """The untrained backbone, whole, with adapters where they are trained."""
    opened = Backbone.open(task.backbone.path, task.examples.format)
    if task.spec.mode == "lora":
        adapted(opened, task.spec.adapter)
    return opened


def _referenced(task: _Task) -> tuple[Example, ...]:
    """The examples with the untrained backbone's log-probabilities as offsets."""
    check_policy(task.backbone, full=task.spec.mode == "full")
    store = FeatureStore(folder=task.out.parent / FEATURES)
    return referenced(task.examples.examples, task.backbone, task.spec.readout, store, progress=task.watch.progress)


def _counts(examples: ExampleSet) -> dict[str, Json]:
    return {
        "traces": len(examples.examples),
        "labels": sum(slot.weight > 0 for example in examples.examples for slot in example.slots),
        "problems": len({example.group for example in examples.examples}),
        "excluded": dict(examples.excluded),
        "notes": dict(examples.notes),
    }


def _card(examples: ExampleSet, spec: TrainSpec, backbone: Backbone, figures: Mapping[str, Json], key: str) -> Card:
    return Card(
        kind=spec.kind,
        format=spec.scored(examples.format, examples.target),
        second=examples.second,
        mode=spec.mode,
        backbone=str(backbone.path.resolve()),
        backbone_revision=backbone.revision,
        readout=spec.readout,
        head_hidden=spec.head_hidden,
        sees=spec.sees,
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
