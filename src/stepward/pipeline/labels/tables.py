"""Tables of what consensus, filters and noise estimates found: for the terminal, `report.md` and a run's report."""

from __future__ import annotations

import math
from collections.abc import Sequence

from stepward.evaluation.agreement import AgreementReport, AgreementRow
from stepward.evaluation.dropped import RelabelAccount, Share
from stepward.evaluation.noise import NoiseMatrix
from stepward.metrics.bootstrap import Interval
from stepward.reports import model as page


def agreement_table(title: str, report: AgreementReport) -> page.Table:
    """Rate and what is left of it beyond chance: over all, by length and by location of the first error."""
    rows: list[tuple[page.Cell, ...]] = [_agreed("first error", report.first_error)]
    rows.append(("first error, at most one step apart", report.traces, _estimate(report.near), *(None,) * 3))
    rows += _prefix(report)
    rows.append(_agreed("steps, good or bad", report.steps))
    rows += [_agreed(f"first error, traces of {row.name}", row) for row in report.by_length]
    rows += [_agreed(f"first error at {row.name}", row) for row in report.by_location]
    note = (
        f"{report.traces} traces of {report.problems} problems; {report.unknown} more whose first error one side "
        "leaves unknown. Rows by location: of the first labelling's traces with that location, the share that the "
        "second puts there too; the others of the question whether it is there. Kappa: Cohen's; AC1: Gwet's, steady "
        "where one category is rare; alpha: Krippendorff's. Intervals: 95%, bootstrap over problems."
    )
    return page.Table(title=title, columns=("on", "n", "agree", "kappa", "AC1", "alpha"), rows=tuple(rows), note=note)


def _prefix(report: AgreementReport) -> list[tuple[page.Cell, ...]]:
    """First errors as numbers: how much of the trace stands before them."""
    found = report.prefix
    if found is None:
        return []
    name, count = "share of the trace before the first error", report.traces
    interval = (_estimate(found.weighted_kappa), None, _estimate(found.interval_alpha))
    return [
        (f"{name}, squared distance", count, None, *interval),
        (f"{name}, ordinal", count, None, None, None, _estimate(found.ordinal_alpha)),
    ]


def relabel_table(accounts: Sequence[RelabelAccount]) -> page.Table:
    """One row a relabeler."""
    columns = (
        "relabeler",
        "labels",
        "left",
        "traces",
        "left ",
        "good dropped",
        "bad dropped",
        "changed",
        "flipped",
        "added",
    )
    rows: list[tuple[page.Cell, ...]] = [
        (
            *(a.name, a.labels_before, a.labels_after, a.traces_before, a.traces_after),
            *(_dropped(a.good), _dropped(a.bad), a.changed, a.flipped, a.added),
        )
        for a in accounts
    ]
    note = "Good and bad as called before the relabeler. A filter that drops mostly one of them moves the balance."
    return page.Table(title="What each relabeler did", columns=columns, rows=tuple(rows), note=note)


def dropped_table(account: RelabelAccount) -> page.Table:
    """Where one relabeler drops labels."""
    kinds: list[tuple[str, tuple[Share, ...]]] = [
        ("step", account.by_position),
        ("traces of length", account.by_length),
        ("problems", account.by_difficulty),
    ]
    rows: list[tuple[page.Cell, ...]] = [
        (f"{kind} {share.name}", share.before, share.dropped, share.dropped / share.before)
        for kind, shares in kinds
        for share in shares
    ]
    return page.Table(
        title=f"Dropped by {account.name}", columns=("labels of", "n", "dropped", "share"), rows=tuple(rows)
    )


def noise_table(matrix: NoiseMatrix) -> page.Table:
    """Both rates."""
    rows: list[tuple[page.Cell, ...]] = [
        ("good steps labelled bad", _estimate(matrix.false_bad)),
        ("bad steps labelled good", _estimate(matrix.false_good)),
        ("share of good steps", None if math.isnan(matrix.good_share) else matrix.good_share),
    ]
    note = f"{matrix.steps} steps of {matrix.problems} problems; {matrix.unlabelled} more that one side leaves open."
    return page.Table(title="Noise of labels", columns=("what", "rate"), rows=tuple(rows), note=note)


def _agreed(name: str, row: AgreementRow) -> tuple[page.Cell, ...]:
    return (name, row.units, *map(_estimate, (row.rate, row.kappa, row.ac1, row.alpha)))


def _estimate(interval: Interval) -> page.Cell:
    if math.isnan(interval.value):
        return page.Estimate(value=math.nan)
    return page.Estimate(value=interval.value, low=interval.low, high=interval.high, digits=3)


def _dropped(share: Share) -> str:
    return f"{share.dropped} of {share.before}" if share.before else "none there"
