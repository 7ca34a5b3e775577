"""Estimates how noisy labels are, and writes the settings of the objective that corrects for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from stepward.codec import to_json
from stepward.config import build
from stepward.errors import ConfigError, LabelError
from stepward.evaluation.noise import NoiseMatrix, confident_joint, noise_matrix, rollout_noise
from stepward.metrics.binomial import fit_prior
from stepward.pipeline.labels.tables import noise_table
from stepward.pipeline.stages.relabel import write_report
from stepward.pipeline.workshop import Workshop
from stepward.relabel.hard import hard_calls
from stepward.reports.tables import markdown
from stepward.types import Json, LabeledTrace, Problem

if TYPE_CHECKING:
    from stepward.training.objectives.contract import Objective

Row = tuple[Problem, LabeledTrace, LabeledTrace]


@dataclass(frozen=True, kw_only=True)
class EstimateNoise:
    """The noise of `labels`, in `report.json` with an `objective` that the stage `train` takes as `noise: STAGE`.

    `truth` names a stage that labelled some of the same traces rightly (people, the world's checker); without one,
    `scores` names probabilities by a model that was not trained on these labels (confident learning).
    """

    labels: str
    truth: str = ""
    scores: str = ""

    def __post_init__(self) -> None:
        if bool(self.truth) == bool(self.scores):
            raise ConfigError("noise needs either truth or scores", got=(self.truth, self.scores))

    def run(self, shop: Workshop) -> Json:
        """Estimate, and keep matrix, objective and, for rollout counts with a truth, what any-of-K makes expect."""
        problems, labels = shop.problems(self.labels), shop.labels(self.labels)
        model: Json = None
        if self.truth:
            truth = shop.labels(self.truth)
            rows = [(problems[each.trace.problem_id], each, truth[key]) for key, each in labels.items() if key in truth]
            if not rows:
                raise LabelError(f"stages {self.labels!r} and {self.truth!r} share no trace", mend="label one source")
            matrix, model = noise_matrix(rows, seed=shop.seed), _expected(rows)
        else:
            matrix = self._confident(shop, problems, labels)
        usable = matrix.false_bad.value + matrix.false_good.value < 1
        found: dict[str, Json] = {
            "matrix": to_json(matrix),
            "objective": matrix.objective() if usable else None,
            "rollouts": model,
        }
        write_report(shop, found, markdown(noise_table(matrix)))
        line = f"good steps labelled bad {matrix.false_bad}, bad steps labelled good {matrix.false_good}"
        return {"headline": line if usable else f"{line}: these labels say nothing", **found}

    def _confident(self, shop: Workshop, problems: dict[str, Problem], labels: dict[str, LabeledTrace]) -> NoiseMatrix:
        scores = shop.scores(self.scores)
        said = [
            (value, call, each.trace.problem_id)
            for key, each in labels.items()
            if key in scores
            for value, call in zip(
                scores[key].check(each.trace).values, hard_calls(problems[each.trace.problem_id], each), strict=True
            )
            if call is not None
        ]
        if not said:
            raise LabelError(f"stage {self.scores!r} scored no labelled step of {self.labels!r}")
        probs, calls, ids = zip(*said, strict=True)
        return confident_joint(probs, calls, ids, seed=shop.seed)


def noise_objective(shop: Workshop, stage: str) -> Objective:
    """The objective whose rates the noise stage `stage` found. `ConfigError` where it is none, or found no use."""
    found = shop.run.read_json(f"{stage}/report.json") if (shop.run.folder / stage / "report.json").is_file() else None
    settings = found.get("objective") if isinstance(found, Mapping) else None
    if settings is None:
        raise ConfigError(f"stage {stage!r} has no rates to correct labels by", mend="name a stage that uses `noise`")
    return cast("Objective", build("objective", settings, f"{stage}.objective"))


def _expected(rows: Sequence[Row]) -> Json:
    """What a Beta prior, fitted to the counts of truly good steps, says of any-of-K at the usual K; None without."""
    counts = [
        (label.successes, label.trials)
        for _, said, true in rows
        for label, right in zip(said.labels, true.labels, strict=True)
        if label and label.successes is not None and label.trials and label.trials > 1 and right and right.good
    ]
    if len(counts) < 2:
        return None
    alive = fit_prior([k for k, _ in counts], [n for _, n in counts])
    usual = Counter(n for _, n in counts).most_common(1)[0][0]
    missed = rollout_noise(alive, usual).false_bad.value
    return {"prior": {"a": alive.a, "b": alive.b}, "trials": usual, "false_bad": missed}
