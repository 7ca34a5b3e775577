"""Measures a judge's labels against human ones, and fits the map that makes its votes probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stepward.codec import to_json
from stepward.evaluation.judge_quality import JudgeQuality, fit_judge, judge_quality
from stepward.pipeline.workshop import Workshop
from stepward.types import Json


@dataclass(frozen=True, kw_only=True)
class CalibrateJudge:
    """Figures and a map of the judge of stage `labels` against the human labels of stage `truth`."""

    labels: str
    truth: str
    method: Literal["platt", "isotonic", "beta", "temperature"] = "platt"

    def run(self, shop: Workshop) -> Json:
        """Keep the figures as `quality.json`, and as `calibration.json` what the relabeler `calibrated` reads."""
        said, true = shop.labels(self.labels), shop.labels(self.truth)
        problems = shop.problems(self.truth)
        rows = [(problems[one.trace.problem_id], one, true[key]) for key, one in said.items() if key in true]
        quality = judge_quality(rows, method=self.method, seed=shop.seed)
        calibration = fit_judge(rows, method=self.method, seed=shop.seed)
        shop.run.write_json(f"{shop.stage}/quality.json", to_json(quality))
        shop.run.write_json(f"{shop.stage}/calibration.json", to_json(calibration))
        return {"headline": _headline(quality), "calibration": str(shop.folder("calibration.json"))}


def _headline(quality: JudgeQuality) -> str:
    return (
        f"calls {quality.recall_right} of right steps right, {quality.recall_wrong} of wrong ones wrong; "
        f"kappa of first errors {quality.agreement.first_error.kappa}; "
        f"{quality.abstained:,} of {quality.votes:,} votes abstained"
    )
