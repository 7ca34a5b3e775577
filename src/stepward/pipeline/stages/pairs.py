"""Makes preference pairs of siblings among the labelled traces of a source."""

from __future__ import annotations

from dataclasses import dataclass

from stepward.datasets.preferences import preference_row
from stepward.datasets.writing import write_objects
from stepward.pairs import SiblingPairs
from stepward.pipeline.workshop import Workshop
from stepward.types import Json

FILE = "preferences.jsonl"


@dataclass(frozen=True, kw_only=True)
class PairSteps:
    """Pairs of the labels of `source`, as rows that TRL reads, in this stage's `preferences.jsonl`."""

    source: str
    rule: SiblingPairs = SiblingPairs()

    def run(self, shop: Workshop) -> Json:
        """Pair, write, and say what was left out."""
        problems = shop.problems(self.source)
        labels = shop.labels(self.source).values()
        pairing = self.rule.choose((problems[each.trace.problem_id], each) for each in labels)
        write_objects(shop.run.path(f"{shop.stage}/{FILE}"), map(preference_row, pairing.pairs))
        left_out = ", ".join(f"{count:,} {why}" for why, count in pairing.left_out.items())
        return {
            "headline": f"{len(pairing.pairs):,} pairs" + (f"; left out: {left_out}" if left_out else ""),
            "pairs": len(pairing.pairs),
            "without_counts": pairing.uncounted,
            "left_out": dict(pairing.left_out),
            "file": f"{shop.stage}/{FILE}",
        }
