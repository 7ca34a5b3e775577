"""Tables of what the robustness suite found: for the terminal, `report.md` and a run's report."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from stepward.evaluation.robustness.contract import ExpectedKind
from stepward.evaluation.robustness.figures import TOLERANCE, AggregateFigures, PerturbationFigures
from stepward.evaluation.robustness.report import RobustnessReport
from stepward.evaluation.robustness.suffix.figures import KindFigures, SuffixReport
from stepward.metrics.bootstrap import Interval
from stepward.pipeline.habit_tables import INTERVALS
from stepward.reports import model as page
from stepward.reports.tables import cell_text

Columns = tuple[tuple[str, Callable[[PerturbationFigures], page.Cell]], ...]
FLIPS_BY = "geometric_mean"


def expectation_tables(report: RobustnessReport) -> tuple[page.Table, ...]:
    """One table a kind of expectation, without those of which there is nothing."""
    kinds = [_kind_table(report, kind) for kind in ("drop", "invariant", "no_rise")]
    return tuple(table for table in kinds if table.rows)


def aggregate_tables(report: RobustnessReport) -> tuple[page.Table, ...]:
    """What becomes of the aggregates, and the deletion gap."""
    return tuple(table for table in (_gap_table(report), aggregate_table(report)) if table.rows)


def headline(report: RobustnessReport, attacks: Sequence[SuffixReport] = ()) -> str:
    """One sentence: the corruption that is seen least, the change of style that moves most, the drift, the attacks."""
    seen = [each for each in report.perturbations if each.expected == "drop" and not math.isnan(each.auroc.value)]
    moved = [each for each in report.perturbations if each.expected == "invariant" and each.steps]
    parts = []
    if seen:
        worst = min(seen, key=lambda each: each.auroc.value)
        parts.append(f"seen least: {worst.name}, AUROC {worst.auroc}")
    if moved:
        loose = max(moved, key=lambda each: each.distance.value)
        parts.append(f"moved most by {loose.name}, by {loose.distance}")
    if report.drift.traces:
        parts.append(f"lowest score at the last step: {report.drift.last_is_lowest}")
    parts += [
        f"{each.kind} suffix moves {found.how} by {cell_text(estimate(each.gain))}"
        for found in attacks
        for each in lifting(found)
    ]
    return "; ".join(parts) or "nothing could be perturbed"


def lifting(found: SuffixReport) -> list[KindFigures]:
    """What searching found, of the kinds that there are figures of."""
    return [each for each in found.kinds if each.kind in ("universal", "searched") and each.traces]


def aggregate_table(report: RobustnessReport) -> page.Table:
    """Every aggregate under every perturbation."""
    rows: list[tuple[page.Cell, ...]] = [
        (each.name, found.how, estimate(found.rises), estimate(found.rises_frozen), estimate(found.flips))
        for each in report.perturbations
        for found in each.aggregates
        if each.applied
    ]
    note = (
        "Rises (APR): share of perturbed traces whose number is higher than before; frozen: if each step that stayed "
        "had kept its score. Flips: the perturbed trace joins the pool of its problem and comes out on top. "
    )
    columns = ("perturbation", "aggregate", "rises", "rises, frozen", "flips")
    return page.Table(title="Aggregates", columns=columns, rows=tuple(rows), note=note + INTERVALS)


def _kind_table(report: RobustnessReport, kind: ExpectedKind) -> page.Table:
    title, columns, note = _KINDS[kind]
    rows = tuple(
        (each.name, each.applied, *(cell(each) for _, cell in columns))
        for each in report.perturbations
        if each.expected == kind
    )
    names = ("perturbation", "traces", *(name for name, _ in columns))
    return page.Table(title=title, columns=names, rows=rows, note=f"{note} {INTERVALS}")


def _gap_table(report: RobustnessReport) -> page.Table:
    rows = tuple((gap.how, estimate(gap.rescored), estimate(gap.frozen)) for gap in report.deletion)
    note = "Share of rises where a necessary step is taken out, less where an inert one is. Below 0 is good. "
    return page.Table(
        title="Deletion gap", columns=("aggregate", "scored anew", "frozen"), rows=rows, note=note + INTERVALS
    )


def left_out_table(report: RobustnessReport) -> page.Table:
    """What a perturbation does not apply to, and what the scorer refused, by reason."""
    rows: list[tuple[page.Cell, ...]] = [
        (each.name, reason, count)
        for each in report.perturbations
        for reason, count in [*each.inapplicable.items(), *each.refused.items()]
    ]
    note = f"{report.refused} attempts that the scorer would not take even as they are." if report.refused else ""
    return page.Table(title="Left out", columns=("perturbation", "why", "traces"), rows=tuple(rows), note=note)


def estimate(found: Interval) -> page.Cell:
    """An interval as a cell; None where there is nothing to measure."""
    if math.isnan(found.value):
        return None
    return page.Estimate(value=found.value, low=found.low, high=found.high)


def shown(found: Interval) -> str:
    """The same in words."""
    return cell_text(estimate(found))


def _flips(each: PerturbationFigures) -> page.Cell:
    by = {found.how: found for found in each.aggregates}
    found: AggregateFigures | None = by.get(FLIPS_BY) or next(iter(each.aggregates), None)
    return None if found is None else estimate(found.flips)


_MOVE: Columns = (("move", lambda each: estimate(each.move)),)
_FLIPS: Columns = (("flips", _flips),)
_KINDS: dict[ExpectedKind, tuple[str, Columns, str]] = {
    "drop": (
        "Must fall",
        (
            ("fell", lambda each: estimate(each.fell)),
            ("AUROC", lambda each: estimate(each.auroc)),
            *_MOVE,
            *_FLIPS,
        ),
        "Lowest score from the fault on, before and after: share that fell, and AUROC of clean against corrupted.",
    ),
    "invariant": (
        "Must not move",
        (
            ("distance", lambda each: estimate(each.distance)),
            (f"within {TOLERANCE}", lambda each: estimate(each.steady)),
            ("rank correlation", lambda each: estimate(each.rank_correlation)),
            *_MOVE,
            *_FLIPS,
        ),
        "Of the steps that stayed: mean absolute change, share that moved by little, mean change. Ranks are of the "
        "traces' lowest scores.",
    ),
    "no_rise": (
        "Must not rise",
        (
            ("rose", lambda each: estimate(each.rose)),
            (f"rose by over {TOLERANCE}", lambda each: estimate(each.lifted)),
            *_MOVE,
            *_FLIPS,
        ),
        "Wrong solutions with text that asks for a high score; lowest and mean score from that step on.",
    ),
}
