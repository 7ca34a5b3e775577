"""Bidirectional backbones (ModernBERT, DeBERTa and the like) as readers of steps, in two modes.

    prefix   each step is read from a pass over the text up to its end alone: what follows cannot change its score
    trace    one pass over the whole trace: cheaper, and finds errors that later steps betray, but its scores hold for
             finished traces only, and say so (`StepScores.sees`)

A trace of S steps costs S passes in the first mode. Both modes use the ordinary `Encoded` rows, so training and scoring
share them; a model is read in the mode it was taught in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stepward.reward_models.backbone import Backbone
from stepward.reward_models.encoding.codec import Encoded
from stepward.reward_models.reader import StepReader


def prefix_rows(encoded: Encoded) -> list[Encoded]:
    """One row per step: the ids up to where it is read, with that one read position."""
    return [
        Encoded(ids=encoded.ids[: max(read + 1, span[1])], spans=(span,), read_positions=(read,))
        for span, read in zip(encoded.spans, encoded.read_positions, strict=True)
    ]


@dataclass(eq=False, kw_only=True)
class PrefixReader:
    """Reads every step from a pass over its own prefix. Live state: holds the weights."""

    rows: StepReader

    @property
    def backbone(self) -> Backbone:
        """The encoder."""
        return self.rows.backbone

    def logits(self, encoded: Sequence[Encoded]) -> list[tuple[float, ...]]:
        """One logit per step of each trace, in order; `ScoreError` where one is not finite."""
        split = [prefix_rows(item) for item in encoded]
        flat = iter(self.rows.logits([row for rows in split for row in rows]))
        return [tuple(next(flat)[0] for _ in rows) for rows in split]

    def tokens(self, encoded: Sequence[Encoded]) -> list[int]:
        """Tokens of all prefixes of each trace."""
        return [sum(map(len, prefix_rows(item))) for item in encoded]

    def flops(self, tokens: int) -> float:
        """Estimate for passes over `tokens`."""
        return self.rows.flops(tokens)
