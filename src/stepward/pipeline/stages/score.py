"""Scores every step of the traces of a source with a reward model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from stepward.errors import ConfigError
from stepward.pipeline.workshop import Chunks, Workshop
from stepward.protocols import StepScorerEngine
from stepward.reward_models.checkpoint import CARD, Kind, read_card
from stepward.reward_models.formats.library import get_format
from stepward.reward_models.public.load import Opening, open_scorer
from stepward.reward_models.several.experts import ExpertsRewardModel
from stepward.reward_models.several.uncertain import UncertainRewardModel
from stepward.types import Json, Origin, Problem, Spend, StepScores, Trace

Read = Literal["own", "raw", "middle", "low", "experts"]


@dataclass(frozen=True, kw_only=True)
class ScoreTraces:
    """Scores by `model` for every trace of `source`; an ORM is read at every step end, its score is the last."""

    source: str
    model: str
    """A stage that made a model, or a model folder."""
    read: Read = "own"
    """Which heads: the model's own, raw for the same before its calibrator, the middle or the low end of an ensemble or
    quantiles, or experts by domain."""
    format: str = ""
    """Name or file of a published model's format, where its folder does not tell."""
    base: str = ""
    """For a published adapter: folder of the model that it changes."""
    reference: str = ""
    """For an implicit model: folder of the model that it started from."""
    chunk: int = 256
    """Traces scored together."""

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise ConfigError("chunk must be at least 1", got=self.chunk)

    def run(self, shop: Workshop) -> Json:
        """Score what is not scored yet."""
        folder = model_of(shop, self.model)
        if self.read in ("own", "raw"):
            engine = open_scorer(folder, self._opening(), calibrated=self.read == "own")
        else:
            engine = _engine(folder, self.read)
        problems = shop.problems(self.source)
        pairs = {key: (problems[trace.problem_id], trace) for key, trace in shop.traces(self.source).items()}

        def score(part: Sequence[tuple[str, tuple[Problem, Trace]]]) -> list[tuple[str, StepScores, Spend]]:
            """Equal traces of a chunk are scored once, and the first of them bears the cost."""
            different = {trace.id: (problem, trace) for _, (problem, trace) in part}
            scores = dict(zip(different, engine.score_batch(list(different.values())), strict=True))
            unpaid = {key: found.spend for key, found in scores.items()}
            prices = [unpaid.pop(trace.id, Spend()) for _, (_, trace) in part]
            return [
                (key, replace(scores[trace.id], spend=price), price)
                for (key, (_, trace)), price in zip(part, prices, strict=True)
            ]

        records = shop.work(pairs, Chunks(what="scores", size=self.chunk, unit="traces"), score)
        told = {"scorer": engine.origin.maker, "revision": engine.origin.revision, "kind": kind_of(folder)}
        return {"traces": len(records), **told}

    def _opening(self) -> Opening:
        base, reference = (Path(name) if name else None for name in (self.base, self.reference))
        return Opening(format=get_format(self.format) if self.format else None, base=base, reference=reference)


@dataclass(frozen=True, slots=True, kw_only=True)
class _LowEnds:
    """An uncertain model whose scores are the low ends of its intervals: what a cautious choice reads."""

    model: UncertainRewardModel

    @property
    def origin(self) -> Origin:
        inner = self.model.origin
        return replace(inner, maker=f"{inner.maker}/low", settings={**inner.settings, "read": "low"})

    def score_batch(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
        found = self.model.score_uncertain(pairs)
        return [replace(each.lower(), scorer=self.origin) for each in found]


def _engine(folder: Path, read: Read) -> StepScorerEngine:
    if read == "experts":
        return ExpertsRewardModel.load(folder)
    uncertain = UncertainRewardModel.load(folder)
    return uncertain if read == "middle" else _LowEnds(model=uncertain)


def kind_of(folder: Path) -> Kind:
    """What the model in `folder` is; published checkpoints, which have no card of ours, score steps."""
    return read_card(folder).kind if (folder / CARD).is_file() else "prm"


def model_of(shop: Workshop, model: str) -> Path:
    """The folder of the model that stage `model` made, or the folder `model` itself."""
    made = shop.run.folder / model / "model"
    if made.is_dir():
        return made
    if Path(model).is_dir():
        return Path(model)
    raise ConfigError("model names neither a stage that made one nor a folder", got=model)
