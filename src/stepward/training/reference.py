"""What the starting weights say of each step, as a fixed offset of its logit: for objectives on log-ratios.

    logit = beta x (log pi - log pi_ref): the first half is read from the model in training, the other computed once

The reference is the backbone as it was before training. Its log-probabilities depend on ids and weights alone, so they
are kept with the cached features, keyed by content, and shared by all trainings on one backbone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from stepward.reward_models.backbone import Backbone
from stepward.reward_models.readout import Readout
from stepward.training.examples import Example
from stepward.training.features import FeatureStore
from stepward.training.watch import Progress


def referenced(
    examples: Sequence[Example],
    backbone: Backbone,
    readout: Readout,
    store: FeatureStore,
    *,
    progress: Progress | None = None,
) -> tuple[Example, ...]:
    """`examples` whose slots have minus the reference's reading as offset. `backbone` must not be trained yet."""
    readings = store.read(backbone, readout, [example.encoded for example in examples], progress=progress)
    offsets = torch.split(readings[:, 0], [len(example.encoded.read_positions) for example in examples])
    return tuple(_shifted(example, own.tolist()) for example, own in zip(examples, offsets, strict=True))


def _shifted(example: Example, readings: Sequence[float]) -> Example:
    slots = [replace(slot, offset=slot.offset - readings[slot.step]) for slot in example.slots]
    return replace(example, slots=tuple(slots))
