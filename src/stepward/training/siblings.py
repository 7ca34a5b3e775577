"""Keeps what a comparison of siblings learns from: steps with a sibling that counts differently.

Without it, labels that nothing is compared with would take up weight and teach nothing. The objective says which steps
it compares; the rest is counted and left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stepward.errors import LabelError
from stepward.training.examples import Example, ExampleSet
from stepward.training.objectives.bradley_terry import BradleyTerry
from stepward.training.objectives.contract import StepTargets


def only_compared(examples: ExampleSet, objective: BradleyTerry) -> ExampleSet:
    """`examples` without the labels that `objective` compares with nothing. `LabelError` where none is left."""
    flags = objective.compared(StepTargets.of(examples.examples)).tolist()
    kept = _kept(examples.examples, flags)
    alone = len(flags) - sum(flags)
    if not kept:
        raise LabelError(
            "no step has a sibling with another label",
            got=f"{alone} labels",
            mend="bring alternatives of steps (PRM800K: take alternatives), or train with objective bce",
        )
    dropped = len(examples.examples) - len(kept)
    excluded = {**examples.excluded, **({"no siblings to compare": dropped} if dropped else {})}
    notes = {**examples.notes, **({"labels without siblings left out": alone} if alone else {})}
    return replace(examples, examples=kept, excluded=excluded, notes=notes)


def _kept(examples: Sequence[Example], flags: Sequence[bool]) -> tuple[Example, ...]:
    flag = iter(flags)
    thinned = [replace(x, slots=tuple(slot for slot in x.slots if next(flag))) for x in examples]
    return tuple(example for example in thinned if example.slots)
