"""Several heads on one backbone, which is read once for all of them.

    states [R, width]  ->  [R, outputs of head 0 + outputs of head 1 + ...]

Heads of a checkpoint lie in one safetensors file, head i under "i.", all of one shape. Ensembles, quantiles and experts
are such heads beside the checkpoint's own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from stepward.calibrate import Calibrator, from_json
from stepward.errors import ModelError
from stepward.reward_models.backbone import content_hash
from stepward.reward_models.checkpoint import Card, load_checkpoint
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.reader import StepReader
from stepward.storage.files import write_atomic
from stepward.types import Problem, Spend, Trace, content_key


class JoinedHeads(nn.Module):
    """Heads side by side. `ModelError` where they do not read the same width."""

    def __init__(self, heads: Sequence[ScoreHead]) -> None:
        super().__init__()
        if len({head.width for head in heads}) != 1:
            raise ModelError("joined heads must read the same states", got=[head.width for head in heads])
        self.heads = nn.ModuleList(heads)

    def forward(self, states: Tensor) -> Tensor:
        """One row of all heads' logits per row of `states`."""
        return torch.cat([head(states) for head in self.heads], dim=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadFile:
    """Where further heads lie in a checkpoint's folder."""

    name: str
    count: int
    hidden: int = 0


def save_heads(heads: Sequence[ScoreHead], file: Path) -> None:
    """Write every head's weights as safetensors."""
    tensors = {f"{i}.{name}": value.contiguous() for i, head in enumerate(heads) for name, value in _state(head)}
    write_atomic(file, save(tensors))


def load_heads(file: Path, count: int, *, width: int, hidden: int = 0) -> list[ScoreHead]:
    """The `count` heads in `file`; `ModelError` where it is missing, of other shapes, or not finite."""
    if not file.is_file():
        raise ModelError(f"{file} is missing", mend="copy it beside the rest of the checkpoint")
    try:
        weights = load_file(file)
    except SafetensorError as error:
        raise ModelError(f"{file} is no safetensors file", got=str(error), mend="save it again") from error
    heads = [ScoreHead(width, hidden) for _ in range(count)]
    expected = {f"{i}.{name}": tuple(value.shape) for i, head in enumerate(heads) for name, value in _state(head)}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    if found != expected:
        raise ModelError(f"{file} does not hold {count} heads of width {width}", got=found, mend="train them again")
    broken = [name for name, value in weights.items() if not bool(value.isfinite().all())]
    if broken:
        raise ModelError(f"{file} holds weights that are not finite", got=broken[:3], mend="train them again")
    for index, head in enumerate(heads):
        own = f"{index}."
        head.load_state_dict({name[len(own) :]: value for name, value in weights.items() if name.startswith(own)})
    return [head.eval() for head in heads]


def _state(head: ScoreHead) -> list[tuple[str, Tensor]]:
    return list(head.state_dict().items())


@dataclass(frozen=True, slots=True)
class Outputs:
    """What all heads said of one trace, and what reading it cost."""

    logits_SC: Tensor
    """[steps, heads], fp32, on the CPU."""
    spend: Spend


@dataclass(eq=False, kw_only=True)
class ManyHeads:
    """A checkpoint read with several heads at once. Live state: holds the weights."""

    reader: StepReader
    card: Card
    revision: str
    own_outputs: int = 1
    """Of the checkpoint's own head; the first is read."""
    calibrator: Calibrator | None = None
    """The checkpoint's own."""

    @classmethod
    def load(cls, folder: Path, more: HeadFile, *, device: str = "cpu", backbone: Path | None = None) -> ManyHeads:
        """The checkpoint in `folder`: head 0 is its own, then come those of `more`. `ModelError` where any is amiss."""
        found = load_checkpoint(folder, backbone=backbone)
        found.backbone.model.to(device)
        width = found.card.readout.width(found.backbone.width)
        heads = [found.head, *load_heads(folder / more.name, more.count, width=width, hidden=more.hidden)]
        reader = StepReader(
            backbone=found.backbone,
            head=JoinedHeads(heads).to(device),
            readout=found.card.readout,
        )
        own = content_hash([folder / more.name])
        held = found.card.calibrator
        return cls(
            reader=reader,
            card=found.card,
            revision=content_key(found.revision, own),
            own_outputs=found.head.outputs,
            calibrator=from_json(held) if held is not None else None,
        )

    def read(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[Outputs]:
        """Every head's logits for every pair, in order, from one pass. Raises as `ProcessRewardModel.score_batch`."""
        started = time.perf_counter()
        encoded = self.reader.backbone.codec.encode_many(pairs)
        counts = self.reader.tokens(encoded)
        found = self.reader.outputs(encoded)
        seconds = time.perf_counter() - started
        shares = [count / (sum(counts) or 1) for count in counts]
        further = self.own_outputs
        return [
            Outputs(
                torch.cat([own[:, :1], own[:, further:]], 1), _spend(count, self.reader.flops(count), seconds * share)
            )
            for own, count, share in zip(found, counts, shares, strict=True)
        ]


def _spend(tokens: int, flops: float, seconds: float) -> Spend:
    return Spend(scorer_tokens=tokens, scorer_calls=1, flops=flops, seconds=seconds) if tokens else Spend()
