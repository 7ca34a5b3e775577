"""Tables and diagrams of one evaluation beyond its headline: views, groups, decisions, comparisons, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stepward.evaluation.agreement import AgreementReport
from stepward.evaluation.breakdown import GroupQuality, average
from stepward.evaluation.calibration_change import CalibrationChange
from stepward.evaluation.evaluated import Evaluated, ScorerFigures
from stepward.evaluation.families import FamilyTest
from stepward.evaluation.groups import BINNED, Axis
from stepward.metrics.bootstrap import Interval
from stepward.metrics.calibration import ReliabilityBin
from stepward.pipeline.costs import without_empty
from stepward.pipeline.findings import estimate, method_title, reliability_bin
from stepward.reports import model as page

Rows = tuple[tuple[page.Cell, ...], ...]
UNNAMED = {"": "none given", "unknown": "not recorded"}
MOST_DIAGRAMS = 4
"""Groups of one axis whose reliability is drawn, those with the most steps."""
BY_GROUP, CHANGES = "Calibration by group", "Calibration, before and after"
CARDLESS: tuple[Axis, ...] = ("position", "length")
"""Axes whose tables are long and stand in no model card."""
AXIS_WORDS: dict[Axis, str] = {
    "all": "nothing",
    "position": "step position",
    "length": "length of the trace",
    "policy": "policy",
    "domain": "domain",
}


def views_table(scorers: Sequence[ScorerFigures]) -> page.Table:
    """Ranking in three views, one row a scorer and view."""
    rows: Rows = tuple(
        (each.name, v.name, v.solutions, v.steps, _share(v.wrong_share), _cell(v.auroc), _cell(v.average_precision))
        for each in scorers
        for v in each.views
    )
    reasons = [f"{each.name}, {v.name}: {v.reason}." for each in scorers for v in each.views if v.reason]
    note = " ".join(
        [
            "Pooled: all labelled steps. Per solution: inside each that holds right and wrong steps, then averaged, so "
            "that easy and hard problems do not add to it. Up to the first error: where the hard call is made. Wrong: "
            "share of wrong steps, the chance level of AP.",
            *reasons,
        ]
    )
    columns = ("scorer", "view", "solutions", "steps", "wrong", "AUROC", "AP of wrong steps")
    return page.Table(title="Ranking of steps in three views", columns=columns, rows=rows, note=note)


def group_tables(scorers: Sequence[ScorerFigures]) -> list[page.Table]:
    """Ranking and decisions, one table an axis that has more than one group."""
    return [_axis_table(axis, scorers) for axis in _axes(scorers)]


def axis_title(axis: Axis) -> str:
    """What the table of an axis is called."""
    return f"By {AXIS_WORDS[axis]}"


def _axes(scorers: Sequence[ScorerFigures]) -> list[Axis]:
    """Those on which there is something to compare."""
    axes = list(dict.fromkeys(group.axis for each in scorers for group in each.groups))
    return [axis for axis in axes if any(len(_own(each.groups, axis)) > 1 for each in scorers)]


def _axis_table(axis: Axis, scorers: Sequence[ScorerFigures]) -> page.Table:
    rows: list[tuple[page.Cell, ...]] = []
    for each in scorers:
        rows += [_group_row(each, group) for group in _own(each.groups, axis)]
        rows += [_average_row(each, axis)] if axis in BINNED else []
    columns = ("group", "scorer", "problems", "steps", "wrong", "AUROC", "less that of all steps", "p (Holm)")
    table = page.Table(
        title=axis_title(axis),
        columns=(*columns, "right calls at 1/2", "first error at 1/2"),
        rows=tuple(rows),
        note=_axis_note(axis, scorers),
    )
    return without_empty(_without_one_scorer(table, scorers))


def _group_row(each: ScorerFigures, group: GroupQuality) -> tuple[page.Cell, ...]:
    counts = (group.problems, group.steps, _share(group.wrong_share))
    ranked = (_cell(group.auroc), _cell(group.gap), _p(group.gap_test))
    return (_name(group), each.name, *counts, *ranked, _cell(group.accuracy), _cell(group.first_error))


def _average_row(each: ScorerFigures, axis: Axis) -> tuple[page.Cell, ...]:
    found = average(each.groups, axis)
    figures = (_cell(found.auroc), None, None, _cell(found.accuracy), _cell(found.first_error))
    return (f"mean of {found.groups}", each.name, None, None, None, *figures)


def _axis_note(axis: Axis, scorers: Sequence[ScorerFigures]) -> str:
    families = {g.gap_test.family for each in scorers for g in each.groups if g.gap_test is not None}
    tests = f"p: of the difference of AUROC, by Holm over the {max(families)} groups of a scorer." if families else ""
    means = "Mean: each group counts alike; its limits are the means of theirs." if axis in BINNED else ""
    groups = [group for each in scorers for group in each.groups]
    return " ".join(filter(None, [means, tests, _reasons(groups, [axis])]))


def _reasons(groups: Sequence[GroupQuality], axes: Sequence[Axis]) -> str:
    """Groups that lack figures, with the reason, once for all scorers."""
    found: dict[str, list[str]] = {}
    for axis, name, reason in dict.fromkeys((group.axis, _name(group), group.reason) for group in groups):
        if axis in axes and reason:
            found.setdefault(reason, []).append(name)
    return " ".join(f"{reason[:1].upper()}{reason[1:]}: {', '.join(names)}." for reason, names in found.items())


def _name(group: GroupQuality) -> str:
    return UNNAMED.get(group.name, group.name)


def _without_one_scorer(table: page.Table, scorers: Sequence[ScorerFigures]) -> page.Table:
    """`table` without its column of scorers where there is one alone."""
    if len(scorers) > 1:
        return table
    kept = [at for at, name in enumerate(table.columns) if name != "scorer"]
    return replace(
        table,
        columns=tuple(table.columns[at] for at in kept),
        rows=tuple(tuple(row[at] for at in kept) for row in table.rows),
    )


def decisions_table(scorers: Sequence[ScorerFigures], threshold: float) -> page.Table:
    """How far each scorer's calls agree with the labels, beyond chance."""
    decided = [(each.name, each.decisions.agreement) for each in scorers if each.decisions is not None]
    rows: Rows = tuple((name, *row) for name, found in decided for row in _decided(found))
    note = (
        f"A step is called wrong below {threshold:g}; the first such step is the first error. Kappa: Cohen's; AC1: "
        "Gwet's, steady where wrong steps are rare; alpha: Krippendorff's, nominal. Share before it: of the trace's "
        "steps, those before the first error, with squared distance (alpha: ordinal). Kappa, AC1 and alpha are 0 at "
        "chance and 1 at full agreement. Intervals: 95%, bootstrap over problems."
    )
    columns = ("scorer", "on", "n", "agree", "kappa", "AC1", "alpha")
    return page.Table(title="Calls against labels, as of one more labeler", columns=columns, rows=rows, note=note)


def _decided(found: AgreementReport) -> list[tuple[page.Cell, ...]]:
    rows: list[tuple[page.Cell, ...]] = [
        (name, row.units, *map(_cell, (row.rate, row.kappa, row.ac1, row.alpha)))
        for name, row in (("steps", found.steps), ("first error", found.first_error))
    ]
    if found.prefix is not None:
        numbers = (None, _cell(found.prefix.weighted_kappa), None, _cell(found.prefix.ordinal_alpha))
        rows.append(("share before it", found.first_error.units, *numbers))
    return rows


def confusion_crosstab(each: ScorerFigures, threshold: float) -> page.Crosstab | None:
    """Steps by label and by the scorer's call."""
    if each.decisions is None:
        return None
    found = each.decisions.confusion
    counts = ((found.true_negative, found.false_positive), (found.false_negative, found.true_positive))
    return page.Crosstab(
        title=f"Steps by label and by call of {each.name}",
        row_names=("labelled right", "labelled wrong"),
        column_names=("called right", "called wrong"),
        cells=tuple(tuple(page.CrossCell(count=count) for count in row) for row in counts),
        note=f"Called wrong: a score below {threshold:g}.",
    )


def gains_table(record: Evaluated) -> page.Table | None:
    """AUROC of the first scorer less that of each other; None where there is nothing to compare."""
    first = record.scorers[0].name
    rows: Rows = tuple(
        (first, each.name, replace(estimate(each.gain), digits=4), *p_cells(each.gain_test))
        for each in record.scorers
        if each.gain is not None
    )
    note = "Paired over problems, all on the same steps."
    return _compared_table("Step AUROC, paired", rows, [each.gain_test for each in record.scorers], note)


def differences_table(record: Evaluated) -> page.Table | None:
    """Accuracies of ways of choosing, paired; None where there are none."""
    rows: Rows = tuple(
        (method_title(each.method), method_title(each.less), _cell(each.interval), *p_cells(each.test))
        for each in record.differences
    )
    note = f"Accuracy at n = {record.largest}, paired over problems."
    return _compared_table("Ways of choosing, paired", rows, [each.test for each in record.differences], note)


def _compared_table(title: str, rows: Rows, tests: Sequence[FamilyTest | None], note: str) -> page.Table | None:
    if not rows:
        return None
    return page.Table(
        title=title,
        columns=("this", "less that", "difference", "p", "p (Holm)", "differs"),
        rows=rows,
        note=f"{note} {holm_note(tests)}".strip(),
    )


def holm_note(tests: Sequence[FamilyTest | None]) -> str:
    """What the columns of a family of tests mean; empty without one."""
    sizes = {test.family for test in tests if test is not None}
    if not sizes:
        return ""
    return (
        f"p: Student's t over problems. Holm: raised for the number of comparisons in this table, {max(sizes)}; "
        "differs: whether it is then below 0.05."
    )


def calibration_groups_table(scorers: Sequence[ScorerFigures]) -> page.Table | None:
    """ECE and Brier score of every group, and the mean over groups; None where there are no groups."""
    axes = _axes(scorers)
    rows: list[tuple[page.Cell, ...]] = []
    for each in scorers:
        for axis in ("all", *axes):
            rows += [_calibrated_row(each, group) for group in _own(each.groups, axis) if group.ece is not None]
            rows += [_mean_row(each, axis)] if axis in BINNED else []
    if not rows:
        return None
    means = "Mean: each group counts alike; its limits are the means of theirs." if set(axes) & set(BINNED) else ""
    few = [group for each in scorers for group in each.groups if group.ece is None]
    note = f"ECE over 15 bins of equal width. {means} {_reasons(few, axes)}"
    table = page.Table(
        title=BY_GROUP,
        columns=("group", "scorer", "problems", "steps", "ECE", "Brier"),
        rows=tuple(rows),
        note=" ".join(note.split()),
    )
    return _without_one_scorer(table, scorers)


def _calibrated_row(each: ScorerFigures, group: GroupQuality) -> tuple[page.Cell, ...]:
    name = group.name if group.axis == "all" else f"{group.axis}: {_name(group)}"
    return (name, each.name, group.problems, group.steps, _cell(group.ece), _cell(group.brier))


def _mean_row(each: ScorerFigures, axis: Axis) -> tuple[page.Cell, ...]:
    found = average(each.groups, axis)
    return (f"{axis}: mean of {found.groups}", each.name, None, None, _cell(found.ece), _cell(found.brier))


def changes_table(scorers: Sequence[ScorerFigures]) -> page.Table | None:
    """Calibration before and after, group by group; None where nothing was calibrated here."""
    changed = [each for each in scorers if each.changes]
    rows = [row for each in changed for row in _change_rows(each)]
    if not rows:
        return None
    families = {c.gain_test.family for each in changed for c in each.changes if c.gain_test is not None}
    tests = f"p: of that gain, by Holm over the {max(families)} rows of a scorer. " if families else ""
    reasons = [f"{c.name}: {c.reason}." for c in changed[0].changes if c.reason]
    columns = ("group", "scorer", "steps", "ECE before", "ECE after", "Brier before", "Brier after", "Brier gained")
    table = page.Table(
        title=CHANGES,
        columns=(*columns, "p (Holm)"),
        rows=tuple(rows),
        note=f"Gained: before less after, paired over problems. {tests}{' '.join(reasons)}".strip(),
    )
    return _without_one_scorer(table, changed)


def _change_rows(each: ScorerFigures) -> list[tuple[page.Cell, ...]]:
    rows: list[tuple[page.Cell, ...]] = []
    for change in each.changes:
        figures = (change.ece_before, change.ece_after, change.brier_before, change.brier_after, change.brier_gain)
        name = change.name if change.axis == "all" else f"{change.axis}: {UNNAMED.get(change.name, change.name)}"
        rows.append((name, each.name, change.steps, *map(_cell, figures), _p(change.gain_test)))
    return rows


def group_diagrams(each: ScorerFigures) -> list[page.Reliability]:
    """Reliability of the groups of each axis that has several, the largest first; before and after where both are."""
    changes = {(change.axis, change.name): change for change in each.changes}
    drawn = []
    for axis in BINNED:
        groups = [group for group in _own(each.groups, axis) if group.bins]
        if len(_own(each.groups, axis)) > 1:
            largest = sorted(groups, key=lambda group: -group.steps)[:MOST_DIAGRAMS]
            drawn += [_diagram(each.name, group, changes.get((axis, group.name)), len(groups)) for group in largest]
    return drawn


def _diagram(scorer: str, group: GroupQuality, change: CalibrationChange | None, groups: int) -> page.Reliability:
    name = _name(group)
    left = f" The {MOST_DIAGRAMS} largest of {groups} are drawn." if groups > MOST_DIAGRAMS else ""
    note = f"{group.steps} steps of {group.problems} problems, bins of equal count.{left}"
    after = (_value(group.ece), _value(group.brier))
    changed = change is not None and bool(change.bins_before)
    return page.Reliability(
        title=f"Is the score of {scorer} a probability? {group.axis.capitalize()} {name}",
        before=_bins(change.bins_before if change is not None and changed else group.bins),
        after=_bins(group.bins) if changed else (),
        ece=(_value(change.ece_before), after[0]) if change is not None and changed else (after[0], None),
        brier=(_value(change.brier_before), after[1]) if change is not None and changed else (after[1], None),
        note=note,
    )


def _bins(found: Sequence[ReliabilityBin]) -> tuple[page.ReliabilityBin, ...]:
    return tuple(map(reliability_bin, found))


def _own(groups: Sequence[GroupQuality], axis: Axis) -> list[GroupQuality]:
    return [group for group in groups if group.axis == axis]


def _cell(interval: Interval | None) -> page.Cell:
    return None if interval is None else estimate(interval)


def _value(interval: Interval | None) -> float | None:
    return None if interval is None else interval.value


def _share(value: float | None) -> page.Cell:
    return None if value is None else page.Estimate(value=value)


def _p(test: FamilyTest | None) -> page.Cell:
    return None if test is None else page.Estimate(value=test.holm, digits=4)


def p_cells(test: FamilyTest | None) -> tuple[page.Cell, ...]:
    """The p alone, raised for its family, and the decision."""
    if test is None:
        return (None, None, None)
    return (
        page.Estimate(value=test.p, digits=4),
        page.Estimate(value=test.holm, digits=4),
        "yes" if test.sure else "no",
    )
