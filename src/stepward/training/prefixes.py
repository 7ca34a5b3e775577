"""For bidirectional backbones: one example per step that is learned, cut off where that step is read.

Such a backbone sees what follows a step. Taught and read on whole traces its scores hold for finished traces alone;
taught on prefixes they hold online, at the price of one pass per step. Under the normalisation "trace" each prefix
counts as a trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stepward.errors import ConfigError
from stepward.reward_models.encoder import prefix_rows
from stepward.training.examples import Example, ExampleSet
from stepward.training.objectives.contract import Objective


def per_prefix(examples: ExampleSet, objective: Objective) -> ExampleSet:
    """One example for each step with a slot; `ConfigError` for an objective that compares the steps of a trace."""
    if objective.scope == "trace":
        raise ConfigError(
            "a bidirectional backbone reads each step by itself, and this objective compares the steps of a trace",
            got=objective,
            mend='teach it on whole traces (sees="trace"), or take objective bce',
        )
    return replace(examples, examples=tuple(row for example in examples.examples for row in _rows(example)))


def _rows(example: Example) -> Sequence[Example]:
    encoded = prefix_rows(example.encoded)
    steps = sorted({slot.step for slot in example.slots})
    own = {step: [replace(slot, step=0) for slot in example.slots if slot.step == step] for step in steps}
    return [replace(example, encoded=encoded[step], slots=tuple(own[step])) for step in steps]
