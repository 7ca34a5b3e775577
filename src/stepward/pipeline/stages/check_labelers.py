"""Refuses labels of several labelers before anything is paid for: what a later stage could not judge against."""

from __future__ import annotations

from dataclasses import dataclass

from stepward.evaluation.labelers import check_one_labeler, labelers_of, labels_by
from stepward.pipeline.workshop import Workshop
from stepward.types import Json


@dataclass(frozen=True, kw_only=True)
class CheckLabelers:
    """That the labels of `source` are of one labeler for each trace, or that `labeler` is one of them."""

    source: str
    labeler: str = ""

    def run(self, shop: Workshop) -> Json:
        """Raise `LabelError` naming the labelers, or return the steps of each."""
        labels = shop.labels(self.source)
        if self.labeler:
            labels_by(labels, self.labeler)
        else:
            check_one_labeler(labels.values())
        return {"labelers": dict(labelers_of(labels.values()))}
