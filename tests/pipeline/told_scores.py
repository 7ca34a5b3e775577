"""A stage that gives every trace the scores which its meta tells, in place of a model."""

from dataclasses import dataclass
from typing import cast

from stepward.pipeline.workshop import Chunks, Workshop
from stepward.types import Json, Spend, StepScores


@dataclass(frozen=True, kw_only=True)
class TellScores:
    """Scores of the traces of `source`, from their meta; `skip` of them are left out."""

    source: str
    skip: int = 0

    def run(self, shop: Workshop) -> Json:
        """Copy them."""
        found = {
            key: StepScores(values=tuple(cast("list[float]", trace.meta["told"])))
            for key, trace in list(shop.traces(self.source).items())[self.skip :]
        }
        chunks = Chunks(what="scores", size=max(1, len(found)), unit="traces")
        shop.work(found, chunks, lambda part: [(key, each, Spend()) for key, each in part])
        return {"traces": len(found)}
