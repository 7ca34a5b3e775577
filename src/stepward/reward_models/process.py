"""The process reward model: one score per step, for many traces at once.

Score of step k = head(what the readout sees at step k), in the checkpoint format's convention, then calibrated where
the checkpoint holds a calibrator. A causal backbone never sees later steps, so scores of a prefix do not change when
the trace goes on. A trace without steps has no scores and costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stepward.calibrate import from_json
from stepward.reward_models.checkpoint import Card, load_checkpoint
from stepward.reward_models.encode import Encoded, StepCodec
from stepward.reward_models.reader import StepReader
from stepward.types import Json, Origin, Problem, Spend, StepScores, Trace


@dataclass(eq=False, kw_only=True)
class ProcessRewardModel:
    """A `StepScorerEngine` over a checkpoint. Live state: holds the weights."""

    reader: StepReader
    card: Card
    revision: str = ""
    calibrated: bool = True
    """False gives raw scores where the checkpoint holds a calibrator."""

    @classmethod
    def load(
        cls, folder: Path, *, calibrated: bool = True, device: str = "cpu", backbone: Path | None = None
    ) -> ProcessRewardModel:
        """The model in `folder`; `ModelError` where it is none. `backbone` says where a moved backbone lies."""
        found = load_checkpoint(folder, backbone=backbone)
        found.backbone.model.to(device)
        reader = StepReader(backbone=found.backbone, head=found.head.to(device), readout=found.card.readout)
        return cls(reader=reader, card=found.card, revision=found.revision, calibrated=calibrated)

    @property
    def codec(self) -> StepCodec:
        """What turns traces into ids for this model."""
        return self.reader.backbone.codec

    @property
    def origin(self) -> Origin:
        """Name, revision and settings of the model."""
        card = self.card
        settings: dict[str, Json] = {
            "format": card.format.name,
            "mode": card.mode,
            "calibrated": self._calibrates,
        }
        return Origin(maker=f"scorer:{card.kind}", revision=self.revision, settings=settings)

    def score_batch(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
        """One record per pair, in order, whatever the pairs were batched with.

        Raises `ScoreError` (step marker in a text, a step without tokens, a logit that is not finite) and
        `ModelError` (over the model's context).
        """
        started = time.perf_counter()
        encoded = self.codec.encode_many(pairs)
        logits = self.reader.logits(encoded)
        spends = self._spends(encoded, time.perf_counter() - started)
        return [
            StepScores(
                values=self._values(own),
                convention=self.card.format.convention,
                target=self.card.format.target,
                scorer=self.origin,
                spend=spend,
            ).check(trace)
            for (_, trace), own, spend in zip(pairs, logits, spends, strict=True)
        ]

    @property
    def _calibrates(self) -> bool:
        return self.calibrated and self.card.calibrator is not None and self.card.format.convention == "probability"

    def _values(self, logits: Sequence[float]) -> tuple[float, ...]:
        raw = [self.card.format.score(logit) for logit in logits]
        if not (raw and self._calibrates and self.card.calibrator):
            return tuple(raw)
        return tuple(from_json(self.card.calibrator).transform(raw).tolist())

    def _spends(self, encoded: Sequence[Encoded], seconds: float) -> list[Spend]:
        """What each trace cost; a batch's seconds are shared by tokens. Padding is no token."""
        tokens = [len(item) if item.read_positions else 0 for item in encoded]
        whole = sum(tokens) or 1
        return [
            Spend(scorer_tokens=n, scorer_calls=1, flops=self.reader.flops(n), seconds=seconds * n / whole)
            if n
            else Spend()
            for n in tokens
        ]
