"""What further heads are fitted on: a frozen checkpoint's features of labelled traces, its own head and its penalty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from stepward.errors import ModelError
from stepward.reward_models.checkpoint import Card, load_checkpoint
from stepward.reward_models.heads import ScoreHead
from stepward.training.examples import ExampleSet
from stepward.training.features import FeatureStore
from stepward.training.spec import TrainSpec
from stepward.training.watch import Progress


@dataclass(frozen=True, slots=True)
class Ground:
    """Features of every step of the examples, and how the checkpoint's own head was fitted on such."""

    states: Tensor
    """[R, width]."""
    spec: TrainSpec
    head: ScoreHead
    penalty: float


def ground_of(
    folder: Path, examples: ExampleSet, spec: TrainSpec, *, features: Path, progress: Progress | None = None
) -> Ground:
    """The ground for further heads of the checkpoint in `folder`, features stored in `features`.

    Of `spec` the objective and the ways of fitting are taken; what is read is the checkpoint's. `ModelError` unless its
    backbone is frozen.
    """
    found = load_checkpoint(folder)
    card = found.card
    if card.mode != "frozen":
        raise ModelError(
            "further heads need a frozen backbone", got=card.mode, mend="train with mode frozen, or adapters apart"
        )
    store = FeatureStore(folder=features)
    encoded = [example.encoded for example in examples.examples]
    states = store.read(found.backbone, card.readout, encoded, progress=progress)
    own = replace(
        spec,
        mode="frozen",
        readout=card.readout,
        precision=card.precision,
        head_hidden=card.head_hidden,
    )
    return Ground(states, own, found.head, _penalty(card, spec))


def _penalty(card: Card, spec: TrainSpec) -> float:
    """What cross-validation chose for the checkpoint's own head; the strongest candidate where it is not told."""
    figures = card.training.get("figures")
    told = figures.get("penalty") if isinstance(figures, Mapping) else None
    return float(told) if isinstance(told, int | float) else max(spec.head_fit.penalties)
