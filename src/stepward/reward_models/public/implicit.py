"""Implicit process rewards: a language model trained on outcomes, read as a reward model of every token.

    q_t = coefficient x sum over i <= t of  log p(token i) - log p_reference(token i)

is the value of the text up to token t (Yuan et al., "Free Process Rewards without Process Labels", arXiv 2412.01981).
A step's score is q at its end (accumulated), or what the step added to it (single). Without a reference the model's
own log-probability is summed.

A step is read at its last token, which counts. Counting starts, as in the reference implementation, at the last token
before the first step (the line break after the assistant's header): what stands before is the problem, and adds
nothing.

Scores are sums of logs, without bounds: they rank, and grow with length. What the reference says depends on the text
alone, so it is remembered by content.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from stepward.errors import ModelError, ScoreError
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.encoding.codec import Encoded
from stepward.reward_models.logprobs import token_logprobs
from stepward.reward_models.reader import length_batches
from stepward.reward_models.token_batch import TokenBatch

Reading = Literal["accumulated", "single"]
REMEMBERED = 4_000_000
"""Tokens whose reference log-probabilities are kept; the least recently used go first."""


def counted(encoded: Encoded) -> range:
    """Indexes of the tokens that count for a trace's scores, from before its first step to the last one read."""
    if not encoded.read_positions:
        return range(0)
    return range(max(1, encoded.spans[0][0] - 1), encoded.read_positions[-1] + 1)


def sums_at_reads(encoded: Encoded, values: Tensor) -> Tensor:
    """[steps]: `values`, one for each counted token, summed up to each read position."""
    ends = [read - counted(encoded).start for read in encoded.read_positions]
    return values.double().cumsum(0)[ends]


@dataclass(eq=False, kw_only=True)
class TraceLogprobs:
    """What one language model says of the counted tokens of traces. Live state: holds weights and what it remembers."""

    backbone: Backbone
    batch_tokens: int = 8192
    """Most padded tokens of one forward pass."""
    remembered: int = 0
    """Most tokens kept by content; 0 remembers nothing."""
    _kept: OrderedDict[tuple[int, ...], Tensor] = field(default_factory=OrderedDict, init=False)

    def of(self, encoded: Sequence[Encoded]) -> list[Tensor]:
        """Natural log-probability of every counted token of each trace, in order: fp32, on the CPU."""
        fresh = {self._key(item): item for item in encoded if counted(item) and self._key(item) not in self._kept}
        known = dict(zip(fresh, self._compute(list(fresh.values())), strict=True))
        found = [known.get(self._key(item), self._kept.get(self._key(item), torch.zeros(0))) for item in encoded]
        self._remember(known, encoded)
        return found

    @staticmethod
    def _key(item: Encoded) -> tuple[int, ...]:
        tokens = counted(item)
        return (tokens.start, *item.ids[: tokens.stop])

    def _remember(self, known: dict[tuple[int, ...], Tensor], encoded: Sequence[Encoded]) -> None:
        if not self.remembered:
            return
        self._kept.update(known)
        for item in encoded:
            if (key := self._key(item)) in self._kept:
                self._kept.move_to_end(key)
        total = sum(map(len, self._kept.values()))
        while total > self.remembered:
            total -= len(self._kept.popitem(last=False)[1])

    @torch.inference_mode()
    def _compute(self, encoded: Sequence[Encoded]) -> list[Tensor]:
        self.backbone.model.eval()
        found: list[Tensor] = [torch.zeros(0)] * len(encoded)
        for indexes in length_batches([len(item) for item in encoded], self.batch_tokens):
            for index, own in zip(indexes, trace_logprobs(self.backbone, [encoded[i] for i in indexes]), strict=True):
                found[index] = own.cpu()
        return found


def trace_logprobs(backbone: Backbone, encoded: Sequence[Encoded]) -> list[Tensor]:
    """Log-probabilities of the counted tokens of each trace, from one padded forward pass. Differentiable."""
    batch = TokenBatch.of(encoded, backbone.device)
    states_BTH = batch.run(backbone).last_hidden_state
    own = [(row, at) for row, item in enumerate(encoded) for at in counted(item)]
    rows, columns = (torch.tensor(column, device=backbone.device) for column in zip(*own, strict=True))
    never = backbone.codec.marker_id if backbone.codec.marker_is_new else None
    flat = token_logprobs(states_BTH[rows, columns - 1], batch.ids_BT[rows, columns], backbone.unembedding, never=never)
    return list(torch.split(flat, [len(counted(item)) for item in encoded]))


@dataclass(eq=False, kw_only=True)
class LogRatioReader:
    """Scores steps by the log-ratio of two language models on the same ids. Live state: holds both."""

    policy: TraceLogprobs
    reference: TraceLogprobs | None = None
    coefficient: float = 1.0
    reading: Reading = "accumulated"

    def __post_init__(self) -> None:
        if self.reference is not None and self._words(self.reference) != self._words(self.policy):
            raise ModelError(
                "policy and reference must share a vocabulary: they read the same ids",
                got=self.reference.backbone.path,
                mend="name the model that the policy was trained from",
            )

    @staticmethod
    def _words(side: TraceLogprobs) -> dict[str, int]:
        found: dict[str, int] = side.backbone.codec.tokenizer.get_vocab()
        return found

    @property
    def backbone(self) -> Backbone:
        """The policy's."""
        return self.policy.backbone

    def logits(self, encoded: Sequence[Encoded]) -> list[tuple[float, ...]]:
        """One number per step of each trace, in order; `ScoreError` where one is not finite."""
        own = self.policy.of(encoded)
        other = self.reference.of(encoded) if self.reference else [torch.zeros_like(each) for each in own]
        return [self._read(item, mine - its) for item, mine, its in zip(encoded, own, other, strict=True)]

    def _read(self, item: Encoded, ratios: Tensor) -> tuple[float, ...]:
        if not item.read_positions:
            return ()
        values = self.coefficient * sums_at_reads(item, ratios)
        if not bool(values.isfinite().all()):
            raise ScoreError("a log-ratio is not finite", got=values.tolist(), mend="check both models")
        if self.reading == "single":
            values = values.diff(prepend=values.new_zeros(1))
        return tuple(values.tolist())

    def tokens(self, encoded: Sequence[Encoded]) -> list[int]:
        """Tokens of each trace that the models read. What is remembered of the reference counts all the same."""
        models = 2 if self.reference else 1
        return [len(item) * models if item.read_positions else 0 for item in encoded]

    def flops(self, tokens: int) -> float:
        """Estimate for `tokens`, shared evenly between the models."""
        sides = [self.policy, self.reference] if self.reference else [self.policy]
        return sum(2.0 * side.backbone.parameters * tokens for side in sides) / len(sides)
