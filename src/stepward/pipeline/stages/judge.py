"""Measures step scores against labels, and labels against truth."""

from __future__ import annotations

from dataclasses import dataclass

from stepward.codec import to_json
from stepward.evaluation.baselines import baseline_scores
from stepward.evaluation.label_quality import judge_labels
from stepward.evaluation.steps import Judged, StepQuality, auroc_gain, judge_steps
from stepward.metrics.bootstrap import Interval
from stepward.pipeline.stages.calibrate import judged_of
from stepward.pipeline.workshop import Workshop
from stepward.types import Json


@dataclass(frozen=True, kw_only=True)
class JudgeSteps:
    """Figures of every stage in `scores` against `labels`, and of baselines where `baselines` names training labels."""

    scores: tuple[str, ...]
    """The first one is compared, pair by pair, with every other and with the baselines."""
    labels: str
    baselines: str = ""

    def run(self, shop: Workshop) -> Json:
        """Judge, and keep the figures as `quality.json`."""
        judged = {name: judged_of(shop, name, self.labels) for name in self.scores} | self._baselines(shop)
        main = self.scores[0]
        qualities = {name: judge_steps(rows, seed=shop.seed) for name, rows in judged.items()}
        gains = {name: auroc_gain(judged[main], rows, seed=shop.seed) for name, rows in judged.items() if name != main}
        shop.run.write_json(f"{shop.stage}/quality.json", {name: to_json(q) for name, q in qualities.items()})
        shop.run.write_json(f"{shop.stage}/gains.json", {name: to_json(gain) for name, gain in gains.items()})
        return {"headline": f"{main}: {_line(qualities[main])}", "against": {n: str(g) for n, g in gains.items()}}

    def _baselines(self, shop: Workshop) -> dict[str, list[Judged]]:
        if not self.baselines:
            return {}
        labelled = list(shop.labels(self.labels).values())
        found = baseline_scores(list(shop.labels(self.baselines).values()), [each.trace for each in labelled])
        return {
            name: [Judged(labeled=labeled, scores=s) for labeled, s in zip(labelled, scores, strict=True)]
            for name, scores in found.items()
        }


@dataclass(frozen=True, kw_only=True)
class JudgeLabels:
    """How well the labels of stage `labels` agree with those of stage `truth`."""

    labels: str
    truth: str

    def run(self, shop: Workshop) -> Json:
        """Compare, and keep the figures as `quality.json`."""
        said, true = shop.labels(self.labels), shop.labels(self.truth)
        shared = [key for key in said if key in true]
        quality = judge_labels([said[key] for key in shared], [true[key] for key in shared], seed=shop.seed)
        shop.run.write_json(f"{shop.stage}/quality.json", to_json(quality))
        return {"headline": f"label accuracy {quality.accuracy} on {quality.steps} steps"}


def _line(quality: StepQuality) -> str:
    parts: dict[str, Interval] = {
        "AUROC": quality.auroc,
        "first error": quality.first_error_accuracy,
        "ECE": quality.ece,
    }
    return ", ".join(f"{name} {interval}" for name, interval in parts.items())
