"""Turns what the stages of a run wrote down into the parts of a report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from stepward.codec import from_json
from stepward.evaluation.label_quality import LabelQuality
from stepward.evaluation.steps import StepQuality
from stepward.metrics.bootstrap import Interval
from stepward.metrics.calibration import ReliabilityBin
from stepward.pipeline.workshop import Workshop
from stepward.reports import model as page
from stepward.search.replay import CurvePoint
from stepward.storage.run import CONFIG, environment
from stepward.types import Json, LabeledTrace, Spend, StepScores, Trace

METHOD_NAMES = {"first": "pass@1 (one sample)", "oracle": "oracle (pass@n)", "majority": "majority vote"}
REFERENCES = ("first", "oracle")
MOST_BANDS = 8
"""Curves in one figure above which interval bands are left to the table."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Reads the results of one run's stages."""

    shop: Workshop

    def qualities(self, stage: str) -> dict[str, StepQuality]:
        """By scorer, what a `judge-steps` stage measured."""
        found = cast("Mapping[str, Json]", self.shop.run.read_json(f"{stage}/quality.json"))
        return {name: from_json(StepQuality, value) for name, value in found.items()}

    def gains(self, stage: str) -> dict[str, Interval]:
        """By scorer, AUROC of the stage's first scorer less its own."""
        found = cast("Mapping[str, Json]", self.shop.run.read_json(f"{stage}/gains.json"))
        return {name: from_json(Interval, value) for name, value in found.items()}

    def label_quality(self, stage: str) -> LabelQuality:
        """What a `judge-labels` stage measured."""
        return from_json(LabelQuality, self.shop.run.read_json(f"{stage}/quality.json"))

    def curves(self, stage: str) -> list[CurvePoint]:
        """What a `select` stage measured."""
        found = cast("Sequence[Json]", self.shop.run.read_json(f"{stage}/curves.json"))
        return [from_json(CurvePoint, value) for value in found]

    def differences(self, stage: str) -> dict[str, Interval]:
        """By "a - b", the paired differences of a `select` stage."""
        found = cast("Mapping[str, Json]", self.shop.run.read_json(f"{stage}/differences.json"))
        return {name: from_json(Interval, value) for name, value in found.items()}

    def spend(self, stage: str) -> Spend:
        """What the records of `stage` cost. A killed run's redone work is in the run's ledger, not here."""
        traces = self.shop.load("traces", Trace, stage).values()
        labels = self.shop.load("labels", LabeledTrace, stage).values()
        scores = self.shop.load("scores", StepScores, stage).values()
        spends = [t.spend for t in traces] + [x.spend for x in labels] + [s.spend for s in scores]
        return sum(spends, Spend())


def estimate(interval: Interval) -> page.Estimate:
    """An interval as a cell; an undefined one as such."""
    if math.isnan(interval.value):
        return page.Estimate(value=math.nan)
    return page.Estimate(value=interval.value, low=interval.low, high=interval.high)


def method_title(name: str) -> str:
    """A method's name as a reader says it: "best:prm/min" is "best by prm (min)"."""
    kind, _, score = name.partition(":")
    if not score:
        return METHOD_NAMES.get(kind, kind)
    scorer, _, how = score.rpartition("/")
    return f"{'best by' if kind == 'best' else 'vote weighted by'} {scorer} ({how})"


def selection_figure(title: str, curves: Sequence[CurvePoint], problems: int) -> page.Figure:
    """Accuracy against n, one curve a method."""
    names = list(dict.fromkeys(point.method.name for point in curves))
    banded = len(names) <= MOST_BANDS
    drawn = []
    for name in names:
        points = [point for point in curves if point.method.name == name]
        drawn.append(
            page.Curve(
                name=method_title(name),
                xs=tuple(float(point.n) for point in points),
                ys=tuple(point.interval.value for point in points),
                lows=tuple(point.interval.low for point in points) if banded else (),
                highs=tuple(point.interval.high for point in points) if banded else (),
                style="reference" if name in REFERENCES else "dashed" if name == "majority" else "line",
            )
        )
    smallest = min(point.pool for point in curves)
    intervals = "Bands: 95% over problems" if banded else "Intervals stand in the table: bands would hide each other"
    note = (
        f"{problems} problems, pools of {smallest}. {intervals}. Exact expectation over subsets for best, "
        f"pass@1 and oracle; seeded subsets for votes. Points beyond n = {smallest // 2} share most of their samples."
    )
    return page.Figure(title=title, x_label="n", y_label="accuracy", curves=tuple(drawn), log_x=True, note=note)


def selection_table(title: str, curves: Sequence[CurvePoint]) -> page.Table:
    """The figure's numbers: one row a method, one column an n."""
    ns = sorted({point.n for point in curves})
    by_method: dict[str, dict[int, Interval]] = {}
    for point in curves:
        by_method.setdefault(point.method.name, {})[point.n] = point.interval
    rows: tuple[tuple[page.Cell, ...], ...] = tuple(
        (method_title(name), *(estimate(row[n]) for n in ns)) for name, row in by_method.items()
    )
    return page.Table(title=title, columns=("method", *(f"n = {n}" for n in ns)), rows=rows)


def step_table(title: str, qualities: Mapping[str, StepQuality], note: str = "") -> page.Table:
    """One row a scorer."""
    columns = ("scorer", "AUROC", "AUROC to first error", "AP of wrong steps", "first error, likeliest")
    rows: tuple[tuple[page.Cell, ...], ...] = tuple(
        (
            name,
            estimate(q.auroc),
            estimate(q.auroc_to_first_error),
            estimate(q.average_precision),
            estimate(q.first_error_by_posterior),
        )
        for name, q in qualities.items()
    )
    first = next(iter(qualities.values()))
    told = (
        f"{first.problems} problems, {first.traces} traces, {first.steps} labelled steps of which "
        f"{first.wrong_share:.1%} wrong (the chance level of AP); {first.unlabelled} steps have no label and are "
        "left out. Likeliest first error: argmax of (1 - p_k) times the product of earlier p, or none. "
        "Intervals: 95%, bootstrap over problems."
    )
    return page.Table(title=title, columns=columns, rows=rows, note=f"{told} {note}".strip())


def calibration_table(qualities: Mapping[str, StepQuality]) -> page.Table:
    """One row a scorer: whether its numbers are probabilities, and the two rates at a threshold of 1/2."""
    columns = ("scorer", "ECE", "Brier", "first error at 1/2", "errors found", "clean traces passed")
    rows: tuple[tuple[page.Cell, ...], ...] = tuple(
        (
            name,
            estimate(q.ece),
            estimate(q.brier),
            estimate(q.first_error_accuracy),
            estimate(q.found_errors),
            estimate(q.passed_clean),
        )
        for name, q in qualities.items()
    )
    note = (
        "ECE over 15 bins of equal width. At 1/2: the first step below 1/2 is called the first error, or there is none."
    )
    return page.Table(title="Calibration and decisions at 1/2", columns=columns, rows=rows, note=note)


def label_table(title: str, quality: LabelQuality) -> page.Table:
    """Label accuracy over all, and at each step position."""
    rows: list[tuple[page.Cell, ...]] = [("all steps", quality.steps, estimate(quality.accuracy))]
    rows += [(f"step {each.position}", each.steps, estimate(each.accuracy)) for each in quality.by_position]
    rows += [
        ("called right, truly wrong", None, estimate(quality.called_right_when_wrong)),
        ("called wrong, truly right", None, estimate(quality.called_wrong_when_right)),
    ]
    note = f"{quality.problems} problems; {quality.unlabelled} steps without a label on one side are left out."
    return page.Table(title=title, columns=("steps", "n", "accuracy or rate"), rows=tuple(rows), note=note)


def reliability(title: str, before: StepQuality, after: StepQuality) -> page.Reliability:
    """The same steps before and after calibration."""
    return page.Reliability(
        title=title,
        before=tuple(map(reliability_bin, before.bins)),
        after=tuple(map(reliability_bin, after.bins)),
        ece=(before.ece.value, after.ece.value),
        brier=(before.brier.value, after.brier.value),
        note="Bins of equal count; bars are Wilson 95% intervals. ECE over 15 bins of equal width.",
    )


def reliability_of(title: str, quality: StepQuality) -> page.Reliability:
    """One scorer as it is."""
    return page.Reliability(
        title=title,
        before=tuple(map(reliability_bin, quality.bins)),
        ece=(quality.ece.value, None),
        brier=(quality.brier.value, None),
        note="Bins of equal count; bars are Wilson 95% intervals. ECE over 15 bins of equal width.",
    )


def reliability_bin(found: ReliabilityBin) -> page.ReliabilityBin:
    """A bin as a page shows it."""
    return page.ReliabilityBin(
        score=found.score, rate=found.rate.value, count=found.count, low=found.rate.low, high=found.rate.high
    )


def cost_table(spends: Mapping[str, Spend]) -> page.Table:
    """One row a stage that cost anything, and the sum."""
    columns = (
        "stage",
        "policy tokens",
        "of them discarded",
        "prompt tokens",
        "scorer tokens",
        "verifier calls",
        "TFLOP",
    )
    shown = {name: spend for name, spend in spends.items() if spend.tokens or spend.verifier_calls}
    total = sum(shown.values(), Spend())
    rows = tuple(
        (
            name,
            s.policy_tokens,
            s.discarded_tokens,
            s.prompt_tokens,
            s.scorer_tokens,
            s.verifier_calls,
            round(s.flops / 1e12, 2),
        )
        for name, s in {**shown, "all": total}.items()
    )
    note = (
        "Discarded: written and in no returned trace, such as rollouts. "
        "TFLOP: 2 x parameters x tokens; training is not counted."
    )
    return page.Table(title="Cost", columns=columns, rows=rows, note=note)


def provenance(shop: Workshop) -> page.Provenance:
    """What made the run's numbers: its recipe, versions, seed, and the models of its stages."""
    packages = cast("dict[str, str]", environment()["packages"])
    models = {}
    for name in shop.stages:
        result = shop.run.result(name) if shop.run.is_done(name) else None
        if isinstance(result, dict) and "revision" in result:
            models[str(result.get("policy") or result.get("scorer") or name)] = str(result["revision"])
    return page.Provenance(
        config=(shop.run.folder / CONFIG).read_text(encoding="utf-8"),
        versions={"python": str(environment()["python"]), **packages},
        seeds={"recipe": shop.seed},
        models=models,
    )
