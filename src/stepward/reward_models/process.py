"""The process reward model: one score per step, for many traces at once.

Score of step k = head(what the readout sees at step k), in the checkpoint format's convention, then calibrated where
the checkpoint holds a calibrator. A causal backbone never sees later steps, so scores of a prefix do not change when
the trace goes on. A trace without steps has no scores and costs nothing.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from stepward.calibrate import Calibrator, calibrated, from_json
from stepward.errors import ModelError
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.checkpoint import CARD, Card, load_checkpoint
from stepward.reward_models.encoder import PrefixReader
from stepward.reward_models.encoding.codec import Encoded, StepCodec, Window
from stepward.reward_models.formats.record import PRMFormat
from stepward.reward_models.log_ratio import AgainstReference
from stepward.reward_models.reader import StepReader
from stepward.reward_models.tree.incremental import remembers
from stepward.reward_models.tree.prefix_cache import PrefixCache
from stepward.types import Json, Origin, Problem, Spend, StepScores, Trace

PUBLISHED = ("config.json", "adapter_config.json")
"""Files of which a published checkpoint holds one."""


class LogitReader(Protocol):
    """What turns encoded traces into one logit per step."""

    @property
    def backbone(self) -> Backbone:
        """The model that is read."""
        ...

    def logits(self, encoded: Sequence[Encoded]) -> list[tuple[float, ...]]:
        """One logit per step of each trace, in order."""
        ...

    def tokens(self, encoded: Sequence[Encoded]) -> list[int]:
        """Tokens of each trace that reading them together would compute now; a shared one belongs to the first."""
        ...

    def flops(self, tokens: int) -> float:
        """Estimate for reading `tokens`."""
        ...


@dataclass(eq=False, kw_only=True)
class ProcessRewardModel:
    """A `StepScorerEngine` over a checkpoint, of Stepward or published. Live state: holds the weights."""

    reader: LogitReader
    card: Card
    revision: str = ""
    calibrated: bool = True
    """False gives raw scores where the checkpoint holds a calibrator."""
    maker: str = ""
    """Room and name for the scores' origin; by default the checkpoint's kind."""
    notes: Mapping[str, Json] = field(default_factory=dict)
    """What else the scores' origin says."""

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        calibrated: bool = True,
        device: str = "cpu",
        backbone: Path | None = None,
        format: PRMFormat | None = None,
        second: bool = False,
    ) -> ProcessRewardModel:
        """The model in `folder`; `ModelError` where it is none. `backbone` says where a moved backbone lies.

        `second` reads the second output of a checkpoint that was trained to say two things; it has no calibrator.

        A folder without a card of ours is opened as a published checkpoint of `format`, by default the one that it is
        recognised as; `public.load.open_public` has more to choose.
        """
        published = any((folder / name).is_file() for name in PUBLISHED)
        if not (folder / CARD).is_file() and (format is not None or published):
            from stepward.reward_models.public.load import Opening, open_public

            return open_public(folder, Opening(format=format, device=device, base=backbone))
        found = load_checkpoint(folder, backbone=backbone)
        found.backbone.model.to(device)
        card = _second(found.card, folder) if second else found.card
        reader = StepReader(
            backbone=found.backbone, head=found.head.to(device), readout=card.readout, output=int(second)
        )
        suited = _suited(reader, card, backbone or Path(card.backbone))
        return cls(reader=suited, card=card, revision=found.revision, calibrated=calibrated)

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
            **self.notes,
        }
        return Origin(maker=self.maker or f"scorer:{card.kind}", revision=self.revision, settings=settings)

    def remembering(self, max_tokens: int = 65_536) -> ProcessRewardModel:
        """The same scores from a model that keeps up to `max_tokens` tokens of traces that may go on, as in a search.

        A model that has to read whole traces (an encoder, log-ratios) is returned as it is.
        """
        if not (isinstance(self.reader, StepReader) and remembers(self.reader.readout)):
            return self
        return replace(self, reader=replace(self.reader, cache=PrefixCache(max_tokens=max_tokens)))

    def forget(self) -> None:
        """Free what is kept of traces that may go on."""
        if isinstance(self.reader, StepReader) and self.reader.cache is not None:
            self.reader.cache.clear()

    def score_batch(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
        """One record per pair, in order, whatever the pairs were batched with.

        Raises `ScoreError` (step marker in a text, a step without tokens, a logit that is not finite) and
        `ModelError` (over the model's context).
        """
        started = time.perf_counter()
        windows = self.codec.encode_windows(pairs)
        encoded = [window.encoded for own in windows for window in own]
        tokens = self.reader.tokens(encoded)
        flat = iter(self.reader.logits(encoded))
        logits = [[logit for _ in own for logit in next(flat)] for own in windows]
        prices = iter(self._spends(tokens, time.perf_counter() - started))
        spends = [sum((next(prices) for _ in own), Spend()) for own in windows]
        return [
            _told(self._record(problem, own, spend), seen).check(trace)
            for (problem, trace), seen, own, spend in zip(pairs, windows, logits, spends, strict=True)
        ]

    @property
    def _calibrates(self) -> bool:
        return self.calibrated and self.card.calibrator is not None

    @functools.cached_property
    def calibrator(self) -> Calibrator | None:
        """What its scores go through, where the checkpoint holds one."""
        return from_json(self.card.calibrator) if self.card.calibrator is not None else None

    def _record(self, problem: Problem, logits: Sequence[float], spend: Spend) -> StepScores:
        """The scores in the format's convention, then through the calibrator's map for the problem's domain."""
        scores = StepScores(
            values=tuple(self.card.format.score(logit) for logit in logits),
            convention=self.card.format.convention,
            target=self.card.format.target,
            sees="trace" if not self.reader.backbone.causal and self.card.sees == "trace" else "prefix",
            scorer=self.origin,
            spend=spend,
        )
        if not self.calibrated or self.calibrator is None:
            return scores
        return calibrated(self.calibrator, scores, problem.domain)

    def _spends(self, tokens: Sequence[int], seconds: float) -> list[Spend]:
        """What each trace cost; a batch's seconds are shared by tokens. Padding is no token."""
        whole = sum(tokens) or 1
        return [
            Spend(scorer_tokens=n, scorer_calls=1, flops=self.reader.flops(n), seconds=seconds * n / whole)
            if n
            else Spend()
            for n in tokens
        ]


def _told(scores: StepScores, windows: Sequence[Window]) -> StepScores:
    """`scores`, whose origin also says where a part of a long trace was left out."""
    if len(windows) == 1:
        return scores
    settings = {**scores.scorer.settings, "windows": len(windows), "dropped_tokens": windows[-1].dropped_tokens}
    return replace(scores, scorer=replace(scores.scorer, settings=settings))


def _second(card: Card, folder: Path) -> Card:
    """What a card says of its second output."""
    if card.second is None:
        raise ModelError(f"{folder} says one thing of a step", got=card.format.target, mend="load it without second")
    return replace(card, format=replace(card.format, target=card.second), calibrator=None)


def _suited(reader: StepReader, card: Card, start: Path) -> LogitReader:
    """A log-ratio is read against the backbone that training started from, which lies in folder `start`.

    A bidirectional backbone reads each step from a pass over its prefix, unless it was taught on whole traces.
    """
    if card.readout.likelihood != "none":
        return AgainstReference.open(reader, card, start)
    return reader if reader.backbone.causal or card.sees == "trace" else PrefixReader(rows=reader)
