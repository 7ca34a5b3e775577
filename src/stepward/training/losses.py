"""How losses of steps become the loss of a batch, and how rare bad steps are weighed.

Normalisation is folded into the weights of a whole optimizer batch, so its loss is a plain sum and does not depend on
how the batch is cut into forward passes:

    token:  w_ij / sum_kl w_kl            every labelled step counts alike; long traces count more
    trace:  w_ij / (N * sum_l w_il)       every trace counts alike
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from stepward.errors import LabelError
from stepward.training.examples import Example
from stepward.training.objectives.bce import BinaryCrossEntropy

Normalisation = Literal["token", "trace"]


def normalised(examples: Sequence[Example], normalisation: Normalisation) -> list[Example]:
    """`examples` with weights that sum to 1 over all of them; a trace without weight counts for nothing."""
    own = [sum(slot.weight for slot in example.slots) for example in examples]
    whole, counted = sum(own), sum(1 for weight in own if weight > 0)
    if not whole:
        return list(examples)
    divisors = [whole if normalisation == "token" else counted * weight for weight in own]
    return [
        replace(example, slots=tuple(replace(slot, weight=slot.weight / divisor) for slot in example.slots if divisor))
        for example, divisor in zip(examples, divisors, strict=True)
    ]


def weightless(example: Example) -> Example:
    """`example` with slots that weigh nothing."""
    return replace(example, slots=tuple(replace(slot, weight=0.0) for slot in example.slots))


def balanced(examples: Sequence[Example], *, most: float = 5.0) -> BinaryCrossEntropy:
    """Cross-entropy whose bad class weighs min(`most`, good / bad), by the weight of each in `examples`.

    Raises `LabelError` where one class does not occur.
    """
    slots = [slot for example in examples for slot in example.slots]
    good = sum(slot.target * slot.weight for slot in slots)
    bad = sum((1.0 - slot.target) * slot.weight for slot in slots)
    if not (good > 0 and bad > 0):
        raise LabelError("class balance needs good and bad steps", got={"good": good, "bad": bad})
    return BinaryCrossEntropy(bad_weight=min(most, good / bad))
