"""The one scorer: encoded traces to logits. Training validates with it, tests and search score with it.

Traces are sorted by length and packed into batches by padded tokens; results go back in the order they came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from stepward.errors import ScoreError
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.encode import Encoded
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.readout import LAST, Readout, TokenBatch, step_states


@dataclass(eq=False, kw_only=True)
class StepReader:
    """A backbone, a head and what the head reads. Live state: holds the weights."""

    backbone: Backbone
    head: ScoreHead
    readout: Readout = LAST
    batch_tokens: int = 8192
    """Most padded tokens of one forward pass; a longer trace is a batch of its own."""

    @torch.inference_mode()
    def logits(self, encoded: Sequence[Encoded]) -> list[tuple[float, ...]]:
        """One logit per step of each trace, in order; no forward pass for a trace without steps.

        Raises `ScoreError` where a logit is not finite.
        """
        self.backbone.model.eval()
        found: list[tuple[float, ...]] = [()] * len(encoded)
        for indexes in length_batches([len(e) if e.read_positions else 0 for e in encoded], self.batch_tokens):
            batch = [encoded[index] for index in indexes]
            tokens = TokenBatch.of(batch, self.backbone.device)
            flat = self.head(step_states(self.backbone, tokens, self.readout)).tolist()
            for index, item in zip(indexes, batch, strict=True):
                own, flat = flat[: len(item.read_positions)], flat[len(item.read_positions) :]
                found[index] = tuple(own)
        for index, logits in enumerate(found):
            if not all(map(_finite, logits)):
                raise ScoreError(f"the model gave trace {index} of its batch logits that are not finite", got=logits)
        return found

    def flops(self, tokens: int) -> float:
        """Estimate for one forward pass over `tokens`: 2 x parameters x tokens."""
        return 2.0 * self.backbone.parameters * tokens


def length_batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Indexes of `lengths` in batches of at most `batch_tokens` padded tokens, longest first; zeros are left out."""
    batches: list[list[int]] = []
    for index in sorted((i for i, n in enumerate(lengths) if n), key=lambda i: -lengths[i]):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= batch_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def _finite(value: float) -> bool:
    return value - value == 0.0
