"""An evaluation as a page: headline with cost, steps, calibration, best of n, failures."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stepward.evaluation.evaluated import Evaluated, ScorerFigures
from stepward.evaluation.failures import KINDS, Failure, Picked
from stepward.evaluation.families import FamilyTest
from stepward.evaluation.material import Material
from stepward.evaluation.pricing import UnitCost
from stepward.evaluation.steps import StepQuality
from stepward.pipeline.costs import beside_cost, cost_note, without_empty
from stepward.pipeline.evaluation_tables import (
    calibration_groups_table,
    changes_table,
    confusion_crosstab,
    decisions_table,
    differences_table,
    gains_table,
    group_diagrams,
    group_tables,
    views_table,
)
from stepward.pipeline.findings import (
    calibration_table,
    estimate,
    method_title,
    reliability,
    reliability_of,
    selection_figure,
    selection_table,
    step_table,
)
from stepward.pipeline.habit_tables import Habits, habit_tables
from stepward.pipeline.labels.tables import agreement_table
from stepward.reports import model as page
from stepward.reports.compose import Disagreements, ScoreByPosition, first_below, view_trace
from stepward.search.replay import CurvePoint, Method

CURVED = 8
"""Methods drawn in the figure at most; the table has them all."""


@dataclass(frozen=True, eq=False, kw_only=True)
class EvaluationPage:
    """What the page is made of."""

    record: Evaluated
    material: Material
    picked: Sequence[Picked]
    """Failures of the first scorer."""
    shown: int
    """Traces shown in full beside the failures, drawn at random."""

    def report(self, title: str, provenance: page.Provenance) -> page.Report:
        """The whole page."""
        views = {trace_id: self._view(key) for trace_id, key in self._distinct().items()}
        rng = random.Random(self.record.seed)
        traces = tuple(views[one] for one in rng.sample(sorted(views), min(self.shown, len(views))))
        galleries = tuple(self._gallery(each, views) for each in self.picked)
        there = {view.id for view in (*traces, *(v for g in galleries for v in (*g.worst, *g.sampled)))}
        return page.Report(
            title=title,
            headline=costed_headline(self.record),
            summary=summary(self.record),
            sections=tuple(self._sections(sorted(views.values(), key=lambda view: view.id not in there))),
            traces=traces,
            galleries=galleries,
            cost=(cost_table(self.record),),
            provenance=provenance,
        )

    def _sections(self, views: Sequence[page.TraceView]) -> list[page.Section]:
        found = {each.name: each.steps for each in self.record.scorers if each.steps is not None}
        sections = [*self._steps(found, views), *self._agreement(), *self._groups(), *self._calibration(found)]
        return [*sections, *self._selection(), *self._habits(), *self._disagreements(views)]

    def _steps(self, found: Mapping[str, StepQuality], views: Sequence[page.TraceView]) -> list[page.Section]:
        if not found:
            return []
        table = self._costed(step_table("Step scores against labels", found), found)
        blocks: list[page.Block] = [table, *filter(None, [gains_table(self.record)])]
        if self._told:
            blocks.append(views_table(self._told))
        curve = ScoreByPosition(seed=self.record.seed).figure(views)
        return [page.Section(title="Steps and first errors", blocks=(*blocks, *((curve,) if curve.curves else ())))]

    @property
    def _told(self) -> list[ScorerFigures]:
        """Scorers of which more is told than of a baseline."""
        return [each for each in self.record.scorers if each.views]

    def _agreement(self) -> list[page.Section]:
        """Each scorer as one more labeler, and the labelers that were not chosen."""
        decided = [each for each in self._told if each.decisions is not None]
        if not decided:
            return []
        blocks: list[page.Block] = [decisions_table(decided, self.record.threshold)]
        blocks += filter(None, [confusion_crosstab(decided[0], self.record.threshold)])
        blocks += [
            agreement_table(f"{self.record.data.labeler} and {other.name}", other.agreement)
            for other in self.record.labelers
        ]
        by_people = bool(self.record.data.sources) and all(s.startswith("human") for s in self.record.data.sources)
        title = "Agreement with people" if by_people else "Agreement with the labels"
        return [page.Section(title=title, blocks=tuple(blocks))]

    def _groups(self) -> list[page.Section]:
        grouped = [each for each in self._told if each.groups]
        tables = group_tables(grouped) if grouped else []
        return [page.Section(title="Where it is good", blocks=tuple(tables))] if tables else []

    def _calibration(self, found: Mapping[str, StepQuality]) -> list[page.Section]:
        blocks: list[page.Block] = [self._costed(calibration_table(found), found)] if found else []
        blocks += filter(None, [changes_table(self._told), calibration_groups_table(self._told)])
        blocks += [_reliability(each, found[each.name]) for each in self._told if each.name in found]
        if self._told:
            blocks += group_diagrams(self._told[0])
        return [page.Section(title="Calibration", blocks=tuple(blocks))] if blocks else []

    def _selection(self) -> list[page.Section]:
        record = self.record
        if not record.curves:
            return []
        table = selection_table("Accuracy of the chosen answer", record.curves)
        methods = list({point.method.name: point.method for point in record.curves}.values())
        costed = beside_cost(
            table, [self._choice_cost(method) for method in methods], record.rates, f"problems at n = {record.largest}"
        )
        figure = selection_figure("Best of n", _drawn(record), record.pools)
        compared = filter(None, [differences_table(record)])
        return [page.Section(title="Best of n", blocks=(figure, costed, *compared))]

    def _habits(self) -> list[page.Section]:
        found = [(each.name, each.habits) for each in self.record.scorers if each.habits is not None]
        tables = habit_tables([Habits(name, habits.drift, habits.biases) for name, habits in found])
        return [page.Section(title="Habits", blocks=tables)] if tables else []

    def _choice_cost(self, method: Method) -> UnitCost:
        """Of answering one problem at the largest n: writing the traces, and scoring them where that chooses."""
        parts = [self.record.writing]
        if method.score:
            scorer = method.score.rpartition("/")[0]
            parts += [each.cost for each in self.record.scorers if each.name == scorer]
        cost = sum(parts, UnitCost()).times(1 if method.kind == "first" else self.record.largest)
        return replace(cost, whole=all(part.metered for part in parts))

    def _disagreements(self, views: Sequence[page.TraceView]) -> list[page.Section]:
        judged = [each for each in self.record.scorers if each.judged]
        kinds = [kind for kind in KINDS if any(kind in each.failures for each in judged)]
        if not kinds:
            return []
        rows: tuple[tuple[page.Cell, ...], ...] = tuple(
            (each.name, each.judged, *(each.failures.get(kind, 0) for kind in kinds)) for each in judged
        )
        note = (
            "Traces of each kind among those on which agreement can be told; a scorer calls the first step below "
            f"{self.record.threshold:g}. "
            "Lucky: a right answer although a step is wrong. A trace may be of two kinds."
        )
        table = page.Table(
            title="Where scorer and labels disagree", columns=("scorer", "traces", *kinds), rows=rows, note=note
        )
        return [
            page.Section(
                title="Disagreements", blocks=(self._costed(table, [j.name for j in judged]), *self._cross(views))
            )
        ]

    def _cross(self, views: Sequence[page.TraceView]) -> list[page.Crosstab]:
        """The first scorer against the second, on whether each finds the first error."""
        names = [each.name for each in self.record.scorers if each.judged][:2]
        if len(names) < 2 or not any(view.true_error is not None for view in views):
            return []
        cases = []
        for view in views:
            known = view.true_error is not None and {t.scorer for t in view.tracks} >= set(names)
            if known:
                called = [_called(view, name, self.record.threshold) == view.true_error for name in names]
                cases.append((view.id, called[0], called[1]))
        table = Disagreements(rows=names[0], columns=names[1]).crosstab(cases)
        return [
            replace(table, note=f"Right: finds the labelled first error, or none. {table.note} Equal attempts once.")
        ]

    def _costed(self, table: page.Table, names: Sequence[str] | Mapping[str, object]) -> page.Table:
        costs = {each.name: each.cost for each in self.record.scorers}
        return beside_cost(table, [costs[name] for name in names], self.record.rates)

    def _gallery(self, picked: Picked, views: Mapping[str, page.TraceView]) -> page.Gallery:
        return page.Gallery(
            title=f"{picked.kind.capitalize()}: {picked.total}",
            worst=tuple(_tagged(failure, views) for failure in picked.worst),
            sampled=tuple(_tagged(failure, views) for failure in picked.sampled),
            how="Worst: highest score of a wrong step, or lowest of a right one. Random: domains in turn.",
            seed=self.record.seed,
        )

    def _distinct(self) -> dict[str, str]:
        """By id of each different attempt, the key of its first copy."""
        first: dict[str, str] = {}
        for key, labeled in self.material.labels.items():
            first.setdefault(labeled.trace.id, key)
        return first

    def _view(self, key: str) -> page.TraceView:
        labeled = self.material.labels[key]
        scorers = {name: each for name, each in self.material.entrants.items() if each.role != "baseline"}
        scores = {name: each.scores[key] for name, each in scorers.items() if key in each.scores}
        problem = self.material.problems[labeled.trace.problem_id]
        return view_trace(problem, labeled, scores, threshold=self.record.threshold)


def headline(record: Evaluated) -> page.Table:
    """One row a scorer: the figures that are asked for first."""
    n, data = record.largest, record.data
    rows: list[tuple[page.Cell, ...]] = []
    for each in record.scorers:
        q, best = each.steps, record.best(each.name)
        figures = (q.auroc, q.auroc_to_first_error, q.first_error_by_posterior, q.ece) if q else (None,) * 4
        chosen = [best and best[1]] if n else []
        rows.append((each.name, *(None if f is None else estimate(f) for f in (*figures, *chosen))))
    columns = ["scorer", "step AUROC", "AUROC to first error", "first error, likeliest", "ECE"]
    columns += [f"best of {n}"] if n else []
    note = (
        f"{data.problems} problems, {data.traces} traces. Intervals: 95%, bootstrap over problems, seed {record.seed}."
    )
    return without_empty(page.Table(title="Headline", columns=tuple(columns), rows=tuple(rows), note=note))


def costed_headline(record: Evaluated) -> page.Table:
    """The headline with what each scorer cost."""
    costs = [each.cost for each in record.scorers]
    table = beside_cost(headline(record), costs, record.rates)
    return replace(table, note=f"{table.note} {cost_note([record.writing, *costs], record.rates)}")


def cost_table(record: Evaluated) -> page.Table:
    """What the traces and every scorer cost."""
    parts = {"writing": record.writing} | {each.name: each.cost for each in record.scorers}
    counts = [record.data.traces, *(each.traces for each in record.scorers)]
    rows: tuple[tuple[page.Cell, ...], ...] = tuple(zip(parts, counts, strict=True))
    note = cost_note(list(parts.values()), record.rates)
    table = page.Table(title="Cost", columns=("part", "traces"), rows=rows, note=note)
    return beside_cost(table, list(parts.values()), record.rates)


def summary(record: Evaluated) -> tuple[str, ...]:
    """What was found, and what could not be, in sentences."""
    told = []
    if record.leaked:
        name = record.scorers[0].name
        told.append(f"{record.leaked} of {record.data.problems} problems taught {name}: its figures flatter.")
    for each in record.differences:
        sure = "differs from" if each.sure else "cannot be told from"
        told.append(
            f"At n = {record.largest}, {method_title(each.method)} {sure} {method_title(each.less)} "
            f"(difference {each.interval}, paired over problems{_raised(each.test)})."
        )
    for why in dict.fromkeys(record.no_steps.values()):
        names = ", ".join(name for name, reason in record.no_steps.items() if reason == why)
        told.append(f"{names}: no step figures, because: {why}.")
    told += [f"No choice among several traces: {record.no_selection}."] if record.no_selection else []
    return tuple(told)


def _raised(test: FamilyTest | None) -> str:
    return "" if test is None else f", {test}"


def _tagged(failure: Failure, views: Mapping[str, page.TraceView]) -> page.TraceView:
    return replace(views[failure.example.labeled.trace.id], tags=(*failure.kinds,))


def _called(view: page.TraceView, scorer: str, threshold: float) -> int | None:
    return first_below(next(track for track in view.tracks if track.scorer == scorer), threshold)


def _reliability(each: ScorerFigures, quality: StepQuality) -> page.Reliability:
    """Before and after calibration where both are known."""
    title = f"Is the score of {each.name} a probability?"
    return reliability_of(title, quality) if each.before is None else reliability(title, each.before, quality)


def _drawn(record: Evaluated) -> list[CurvePoint]:
    """References, majority, and each scorer's first reducer, as many as a figure can tell apart."""
    first = {each.name: record.best(each.name) for each in record.scorers}
    kept = ["first", "oracle", "majority", *(f"best:{name}/{best[0]}" for name, best in first.items() if best)]
    return [point for point in record.curves if point.method.name in kept[: CURVED + 3]]


def scorer_line(each: ScorerFigures) -> str:
    """One scorer in a line for the terminal and the run's log."""
    if each.steps is None:
        return each.name
    found = {"AUROC": each.steps.auroc, "first error": each.steps.first_error_by_posterior, "ECE": each.steps.ece}
    return f"{each.name}: " + ", ".join(f"{name} {interval}" for name, interval in found.items())
