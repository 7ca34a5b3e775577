"""Writes the run's report: one HTML file, and the headline table as data."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from stepward.errors import ConfigError
from stepward.evaluation.families import in_family, student_p
from stepward.pipeline.findings import (
    Findings,
    calibration_table,
    cost_table,
    estimate,
    label_table,
    method_title,
    provenance,
    reliability,
    selection_figure,
    selection_table,
    step_table,
)
from stepward.pipeline.workshop import Workshop
from stepward.reduce import reducer
from stepward.reports import model as page
from stepward.reports.compose import Disagreements, FailureGallery, ScoreByPosition, view_trace
from stepward.reports.html import write
from stepward.reports.tables import as_data
from stepward.types import Json, StepScores


@dataclass(frozen=True, kw_only=True)
class WriteReport:
    """`report.html` and `headline.json` in the run folder, from the results of the stages named here."""

    title: str
    steps: str
    """A `judge-steps` stage; its first scorer is the PRM."""
    labels: str
    """The stage whose labelled traces are shown."""
    scores: dict[str, str]
    """By name shown, the stages whose scores shade the traces; the first is the PRM, "orm" is the ORM."""
    selections: dict[str, str]
    """By title, `select` stages."""
    label_quality: str = ""
    """A `judge-labels` stage."""
    label_name: str = "step labels"
    """What its labels are called."""
    uncalibrated: str = ""
    """Scorer of stage `steps` that is the PRM before calibration."""
    shown: int = 40
    """Traces shown in full, drawn at random beside the galleries."""
    costs: tuple[str, ...] = ()
    """Stages whose cost is told; empty for every stage of the recipe."""

    def __post_init__(self) -> None:
        if not self.scores or not self.selections:
            raise ConfigError("a report needs at least one entry in scores and in selections")

    def run(self, shop: Workshop) -> Json:
        """Compose and write."""
        findings = Findings(shop=shop)
        views = self._views(shop)
        headline = self._headline(findings, shop.seed)
        rng = random.Random(shop.seed)
        report = page.Report(
            title=self.title,
            headline=headline,
            summary=tuple(self._summary(findings)),
            sections=tuple(self._sections(findings, views)),
            traces=tuple(rng.sample(views, min(self.shown, len(views)))),
            galleries=(self._gallery(views, shop.seed),),
            cost=(cost_table({name: findings.spend(name) for name in self.costs or shop.stages}),),
            provenance=provenance(shop),
        )
        path = write(report, shop.run.path("report.html"))
        shop.run.write_json("headline.json", as_data(headline))
        return {"headline": " ".join(self._summary(findings)), "report": path.name}

    def _headline(self, findings: Findings, seed: int) -> page.Table:
        rows: list[tuple[page.Cell, ...]] = []
        if self.label_quality:
            labels = findings.label_quality(self.label_quality)
            rows.append((f"{self.label_name} against truth", "accuracy", labels.problems, estimate(labels.accuracy)))
        name, quality = next(iter(findings.qualities(self.steps).items()))
        for metric, interval in (
            ("step AUROC", quality.auroc),
            ("step AUROC up to first error", quality.auroc_to_first_error),
            ("first error, likeliest", quality.first_error_by_posterior),
            ("ECE", quality.ece),
        ):
            rows.append((name, metric, quality.problems, estimate(interval)))
        for title, stage in self.selections.items():
            curves = findings.curves(stage)
            largest = max(point.n for point in curves)
            problems = self._problems(findings, stage)
            told = f"{title}: " if len(self.selections) > 1 else ""
            rows += [
                (method_title(p.method.name), f"{told}accuracy, n = {p.n}", problems, estimate(p.interval))
                for p in curves
                if p.n == largest
            ]
        note = f"Intervals: 95%, bootstrap over problems, seed {seed}."
        return page.Table(
            title="Headline", columns=("what", "measure", "problems", "value"), rows=tuple(rows), note=note
        )

    def _summary(self, findings: Findings) -> list[str]:
        sentences = []
        for title, stage in self.selections.items():
            found = findings.differences(stage)
            problems = self._problems(findings, stage)
            tests = in_family([student_p(interval, problems) for interval in found.values()])
            for (pair, interval), test in zip(found.items(), tests, strict=True):
                a, _, b = pair.partition(" - ")
                sure = "differs from" if test is not None and test.sure else "cannot be told from"
                told = f"{method_title(a)} {sure} {method_title(b)}"
                raised = "" if test is None else f", {test}"
                sentences.append(f"{title}: {told} (difference {interval}, paired over problems{raised}).")
        return sentences

    def _sections(self, findings: Findings, views: list[page.TraceView]) -> list[page.Section]:
        qualities = findings.qualities(self.steps)
        against = ", ".join(f"{name}: {gain}" for name, gain in findings.gains(self.steps).items())
        note = f"AUROC of {next(iter(qualities))} less that of the other, paired: {against}." if against else ""
        judged = page.Section(
            title="Steps and first errors",
            blocks=(
                step_table("Step scores against labels", qualities, note),
                calibration_table(qualities),
                ScoreByPosition().figure(views),
            ),
        )
        sections = [judged]
        if self.label_quality:
            table = label_table("Labels against truth", findings.label_quality(self.label_quality))
            sections.insert(0, page.Section(title="Labels", blocks=(table,)))
        for title, stage in self.selections.items():
            curves, problems = findings.curves(stage), self._problems(findings, stage)
            blocks = (selection_figure(title, curves, problems), selection_table(title, curves))
            sections.append(page.Section(title=f"Best of n: {title}", blocks=blocks))
        if self.uncalibrated:
            after = next(iter(qualities.values()))
            blocks_ = (reliability("Step scores as probabilities", qualities[self.uncalibrated], after),)
            sections.append(page.Section(title="Calibration", blocks=blocks_))
        return [*sections, *self._disagreement(views)]

    def _disagreement(self, views: list[page.TraceView]) -> list[page.Section]:
        if "orm" not in self.scores:
            return []
        lowest = reducer("min")
        cases = []
        for view in views:
            prm, orm = view.tracks[0].values, next(t for t in view.tracks if t.scorer == "orm").values
            if view.verdict in ("equal", "different") and prm and None not in prm:
                right = view.verdict == "equal"
                cases.append((view.id, (orm[-1] or 0.0) >= 0.5, lowest(cast("Sequence[float]", prm)) >= 0.5, right))
        table = Disagreements(rows="ORM", columns="PRM").crosstab([(i, o == r, p == r) for i, o, p, r in cases])
        note = (
            "A judge is right if its score (ORM: last step, PRM: lowest) is at least 1/2 just when the answer is right."
        )
        return [page.Section(title="ORM against PRM", blocks=(table,), note=note)]

    def _gallery(self, views: list[page.TraceView], seed: int) -> page.Gallery:
        picker = FailureGallery(title="Failures", badness_name="highest score on the first wrong step", seed=seed)
        return picker.pick([v for v in views if v.steps], _surprise, lambda view: view.detection)

    def _views(self, shop: Workshop) -> list[page.TraceView]:
        problems, labels = shop.problems(self.labels), shop.labels(self.labels)
        found = {name: shop.load("scores", StepScores, stage) for name, stage in self.scores.items()}
        views = []
        for key, labeled in labels.items():
            scores = {name: rows[key] for name, rows in found.items() if key in rows}
            view = view_trace(problems[labeled.trace.problem_id], labeled, scores)
            orm = scores.get("orm")
            views.append(replace(view, outcome_score=orm.values[-1] if orm and orm.values else None))
        return list({view.id: view for view in views}.values())  # equal attempts are shown once

    def _problems(self, findings: Findings, stage: str) -> int:
        result = findings.shop.run.result(stage)
        return int(cast("dict[str, int]", result)["problems"])


def _surprise(view: page.TraceView) -> float:
    """How high the PRM scored the first wrong step; of a right trace, how low its lowest step."""
    values = view.tracks[0].values if view.tracks else ()
    if view.true_error is not None and 0 <= view.true_error < len(values):
        return values[view.true_error] or 0.0
    return 1.0 - view.lowest[1] if view.lowest and view.true_error == page.NO_ERROR else 0.0
