"""What an objective is: logits and targets of slots in, one loss per slot out.

The loss of a batch is the sum of weight x loss over its slots, and the weights of a batch sum to one. A list-wise
objective (`scope` trace or siblings) gives every slot of a list the loss of the whole list. So a list counts with the
weights of its slots together: under the normalisation "trace" the batch's loss is the mean over traces, as published.

Legend: `S` slots of a batch, `R` its read positions, `C` outputs of the head.
"""

from __future__ import annotations

import array
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import ClassVar, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from stepward.errors import ConfigError, LabelError
from stepward.training.examples import Example
from stepward.types import Convention

Scope = Literal["slot", "trace", "siblings"]


@dataclass(frozen=True, slots=True)
class StepTargets:
    """What is to be learned at `S` slots, trace after trace."""

    targets_S: Tensor
    """In [0, 1]."""
    weights_S: Tensor
    trials_S: Tensor
    """n of k of n; 0 without counts."""
    offsets_S: Tensor
    """Added to each slot's logit: minus what a reference model says, for log-ratios."""
    reads_S: Tensor
    """Index of each slot's read position among all of the batch."""
    outputs_S: Tensor
    """Which output of the head each slot teaches."""
    traces_S: Tensor
    """Index of each slot's trace in the batch."""
    prefixes_S: Tensor
    """Hash of the problem and the ids before each slot's step: equal for siblings."""
    steps_S: Tensor
    """Hash of the ids up to the end of each slot's step: equal where problem, prefix and step are."""

    @classmethod
    def of(cls, examples: Sequence[Example]) -> StepTargets:
        """The slots of `examples`, one after the other; numbers in fp32."""
        starts = accumulate((len(example.encoded.read_positions) for example in examples), initial=0)
        numbers, places = [], []
        for trace, (start, example) in enumerate(zip(starts, examples, strict=False)):
            marks = _marks(example)
            for slot in example.slots:
                numbers.append((slot.target, slot.weight, slot.trials, slot.offset))
                places.append((start + slot.step, slot.output, trace, *marks[slot.step]))
        floats = torch.tensor(numbers, dtype=torch.float32).reshape(-1, 4)
        return cls(*floats.unbind(1), *torch.tensor(places, dtype=torch.long).reshape(-1, 5).unbind(1))

    def __len__(self) -> int:
        return len(self.targets_S)

    def pick(self, outputs_RC: Tensor) -> Tensor:
        """The logit of each slot, [S]."""
        return outputs_RC[self.reads_S, self.outputs_S] + self.offsets_S

    def where(self, chosen_S: Tensor) -> StepTargets:
        """The slots that `chosen_S`, a mask, names."""
        return StepTargets(*(getattr(self, each.name)[chosen_S] for each in fields(self)))

    def to(self, device: torch.device) -> StepTargets:
        """The same on `device`."""
        return StepTargets(*(getattr(self, each.name).to(device) for each in fields(self)))


@runtime_checkable
class Objective(Protocol):
    """What is minimised."""

    def losses(self, logits_S: Tensor, targets: StepTargets) -> Tensor:
        """One loss per slot, [S]; weights are applied by the caller."""
        ...

    def check(self, targets: StepTargets) -> None:
        """Raise `LabelError` where labels do not hold what this objective needs."""
        ...

    @property
    def logit_shift(self) -> float:
        """What to add to trained logits so that they say the data's own base rate again."""
        ...

    @property
    def convention(self) -> Convention:
        """What a score trained by this means: "probability", or "logit" for a rank without a zero."""
        ...

    @property
    def scope(self) -> Scope:
        """Which slots must stand in one forward pass: any, all of a trace, or all that have one prefix."""
        ...


class Pointwise:
    """Each slot stands alone, and the sigmoid of its logit is a probability."""

    convention: ClassVar[Convention] = "probability"
    scope: ClassVar[Scope] = "slot"

    @property
    def logit_shift(self) -> float:
        """0: nothing was reweighed."""
        return 0.0

    def check(self, targets: StepTargets) -> None:
        """Any target in [0, 1] will do."""


class Ranking:
    """Slots are compared with each other: a logit orders steps and is no probability."""

    convention: ClassVar[Convention] = "logit"
    scope: ClassVar[Scope] = "trace"

    @property
    def logit_shift(self) -> float:
        """0: nothing was reweighed."""
        return 0.0


def check_weight(name: str, weight: float) -> None:
    """Raise `ConfigError` unless `weight` is above 0."""
    if not weight > 0:
        raise ConfigError(f"{name} must be above 0", got=weight, mend="1 weighs good and bad steps alike")


def check_hard(name: str, targets: StepTargets) -> None:
    """Raise `LabelError` unless every target that counts is 0 or 1."""
    counted = targets.targets_S[targets.weights_S > 0]
    soft = counted[(counted != 0) & (counted != 1)]
    if len(soft):
        raise LabelError(
            f"objective {name} needs hard labels, 0 or 1; {len(soft)} of {len(counted)} are neither",
            got=float(soft[0]),
            mend="build the examples with the hard view, or take objective bce, which learns soft labels",
        )


def _marks(example: Example) -> list[tuple[int, int]]:
    """For each step: a hash of problem and ids before it, and of those up to its end."""
    ids, at, digest, marks = array.array("q", example.encoded.ids), 0, hashlib.sha256(example.group.encode()), []
    for start, end in example.encoded.spans:
        digest.update(ids[at:start])
        before = _number(digest)
        digest.update(ids[start:end])
        marks.append((before, _number(digest)))
        at = end
    return marks


def _number(digest: hashlib._Hash) -> int:
    return int.from_bytes(digest.copy().digest()[:8]) >> 1
