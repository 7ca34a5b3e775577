"""Scores every step of the traces of a source with a reward model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stepward.errors import ConfigError
from stepward.pipeline.workshop import Chunks, Workshop
from stepward.reward_models.process import ProcessRewardModel
from stepward.types import Json, Problem, Spend, StepScores, Trace


@dataclass(frozen=True, kw_only=True)
class ScoreTraces:
    """Scores by `model` for every trace of `source`; an ORM is read at every step end, its score is the last."""

    source: str
    model: str
    """A stage that made a model, or a model folder."""
    chunk: int = 256
    """Traces scored together."""

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise ConfigError("chunk must be at least 1", got=self.chunk)

    def run(self, shop: Workshop) -> Json:
        """Score what is not scored yet."""
        engine = ProcessRewardModel.load(model_of(shop, self.model))
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
        return {"traces": len(records), "scorer": engine.origin.maker, "revision": engine.origin.revision}


def model_of(shop: Workshop, model: str) -> Path:
    """The folder of the model that stage `model` made, or the folder `model` itself."""
    made = shop.run.folder / model / "model"
    if made.is_dir():
        return made
    if Path(model).is_dir():
        return Path(model)
    raise ConfigError("model names neither a stage that made one nor a folder", got=model)
