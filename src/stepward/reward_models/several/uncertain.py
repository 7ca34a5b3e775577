"""A process reward model that says how sure it is: more heads beside its own, read in the same pass.

    members.json           how (ensemble or quantiles), how many, levels, the band where one was fitted
    members.safetensors    the heads

lie in an ordinary checkpoint's folder, which `ProcessRewardModel` goes on loading as before. An ensemble's mean, or the
middle quantile, is the score here. The checkpoint's calibrator goes over every head of an ensemble; quantiles are of
the value already and pass it by.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from stepward.calibrate import calibrator_for
from stepward.combine.uncertainty import Band, UncertainScores, ensemble_scores, quantile_scores
from stepward.errors import ConfigError, ModelError
from stepward.metrics.checks import Floats
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.several.many_heads import HeadFile, ManyHeads, Outputs, save_heads
from stepward.storage.files import write_atomic
from stepward.types import Json, Origin, Problem, StepScores, Trace

CARD, HEADS = "members.json", "members.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """What the further heads are. Raises `ConfigError` for fewer than two heads, or quantiles not in order."""

    how: Literal["ensemble", "quantiles"]
    count: int
    hidden: int = 0
    levels: tuple[float, ...] = ()
    """Of quantiles, rising, an odd number of them."""
    band: Band | None = None
    """Fitted on problems of their own; widens every interval."""

    def __post_init__(self) -> None:
        if self.count < 2:
            raise ConfigError("uncertainty needs at least two heads", got=self.count)
        rising = list(self.levels) == sorted(set(self.levels)) and len(self.levels) % 2 == 1
        if self.how == "quantiles" and not (rising and len(self.levels) == self.count):
            raise ConfigError("quantile heads need as many rising levels, an odd number", got=self.levels)


def write_members(folder: Path, members: Members, heads: Sequence[ScoreHead]) -> None:
    """Put `heads` into the checkpoint in `folder`; their card comes last."""
    if len(heads) != members.count:
        raise ModelError(f"{members.count} heads were announced", got=len(heads))
    save_heads(heads, folder / HEADS)
    write_band(folder, members)


def write_band(folder: Path, members: Members) -> None:
    """Replace what the checkpoint says of its further heads."""
    write_atomic(folder / CARD, (json.dumps(asdict(members), indent=2) + "\n").encode())


def read_members(folder: Path) -> Members:
    """What the checkpoint in `folder` says of its further heads; `ModelError` where it has none."""
    file = folder / CARD
    if not file.is_file():
        raise ModelError(f"{folder} holds no ensemble and no quantiles", mend="fit them with training.ensemble")
    try:
        record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        band = record.pop("band")
        return Members(**{**record, "levels": tuple(record["levels"])}, band=band and Band(**band))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{file} does not say what its heads are", got=str(error), mend="fit them again") from error


@dataclass(eq=False, kw_only=True)
class UncertainRewardModel:
    """A `StepScorerEngine` whose scores have ends. Live state: holds the weights."""

    model: ManyHeads
    members: Members

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", backbone: Path | None = None) -> UncertainRewardModel:
        """The checkpoint in `folder` with its further heads; `ModelError` where either is missing."""
        members = read_members(folder)
        file = HeadFile(name=HEADS, count=members.count, hidden=members.hidden)
        return cls(model=ManyHeads.load(folder, file, device=device, backbone=backbone), members=members)

    @property
    def origin(self) -> Origin:
        """Name, revision and settings of the model, its further heads among them."""
        card, members = self.model.card, self.members
        about: dict[str, Json] = {
            "format": card.format.name,
            "mode": card.mode,
            "uncertainty": members.how,
            "heads": members.count,
            "band": None if members.band is None else members.band.margin,
        }
        return Origin(maker=f"scorer:{card.kind}/{members.how}", revision=self.model.revision, settings=about)

    def score_uncertain(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[UncertainScores]:
        """One record per pair, in order. Raises as `ProcessRewardModel.score_batch`."""
        read = self.model.read(pairs)
        return [self._record(problem, trace, own) for (problem, trace), own in zip(pairs, read, strict=True)]

    def score_batch(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
        """The middles alone."""
        return [each.scores for each in self.score_uncertain(pairs)]

    def _record(self, problem: Problem, trace: Trace, outputs: Outputs) -> UncertainScores:
        probs_SC = torch.sigmoid(outputs.logits_SC.double())[: len(trace), 1:].numpy()
        target = self.model.card.format.target
        own = StepScores(values=(0.0,) * len(trace), target=target, scorer=self.origin, spend=outputs.spend)
        if self.members.how == "quantiles":
            found = quantile_scores(own, probs_SC)
        else:
            found = ensemble_scores(own, self._calibrated(probs_SC, problem))
        return self.members.band.widen(found) if self.members.band else found

    def _calibrated(self, probs_SE: Floats, problem: Problem) -> Floats:
        if self.model.calibrator is None or not probs_SE.size:
            return probs_SE
        mapped = calibrator_for(self.model.calibrator, problem.domain).transform(probs_SE.ravel())
        return mapped.reshape(probs_SE.shape)
