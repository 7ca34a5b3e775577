"""A leaderboard as a table and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stepward.evaluation.leaderboard import Entry
from stepward.evaluation.pricing import Rates
from stepward.metrics.bootstrap import Interval
from stepward.pipeline.costs import beside_cost, cost_note, without_empty
from stepward.pipeline.findings import estimate
from stepward.reports import model as page

SHORT = 8
"""Digits of a content key or revision that are shown."""


def standing(entries: Sequence[Entry]) -> page.Table:
    """One row a scorer of a run, in the order given."""
    mixed = len({entry.record.data.key for entry in entries}) > 1
    sizes = sorted({entry.record.largest for entry in entries} - {0})
    columns: tuple[str, ...] = ("run", "scorer", "revision", "step AUROC", "AUROC to first error")
    columns += ("first error, likeliest", "ECE", *(f"best of {n}" for n in sizes), *(["data"] if mixed else []))
    rows = tuple((*_row(e, sizes), *([_data(e)] if mixed else [])) for e in entries)
    return without_empty(page.Table(title="Leaderboard", columns=columns, rows=rows, note=_note(entries, mixed)))


def board(entries: Sequence[Entry]) -> page.Table:
    """`standing` with the cost of each scorer, at the rates of the runs where they agree."""
    return _costed(standing(entries), entries)


def spending(entries: Sequence[Entry]) -> page.Table:
    """What each scorer cost, alone: for a terminal, which has no room for both."""
    rows = tuple((entry.run, entry.figures.name) for entry in entries)
    return _costed(page.Table(title="Cost", columns=("run", "scorer"), rows=rows), entries)


def _costed(table: page.Table, entries: Sequence[Entry]) -> page.Table:
    rates = {entry.record.rates for entry in entries}
    costs = [entry.figures.cost for entry in entries]
    agreed = next(iter(rates)) if len(rates) == 1 else Rates()
    more = cost_note(costs, agreed) if len(rates) == 1 else "No price, because the runs were priced at different rates."
    shown = beside_cost(table, costs, agreed)
    return replace(shown, note=f"{shown.note} {more}".strip())


def board_page(entries: Sequence[Entry]) -> page.Report:
    """The page."""
    models = {f"{e.run}: {e.figures.name}": e.figures.revision or "not recorded" for e in entries}
    return page.Report(
        title="Leaderboard",
        headline=board(entries),
        provenance=page.Provenance(models=models, seeds={e.run: e.record.seed for e in entries}),
    )


def _row(entry: Entry, sizes: Sequence[int]) -> tuple[page.Cell, ...]:
    q, figures = entry.figures.steps, entry.figures
    step = (q.auroc, q.auroc_to_first_error, q.first_error_by_posterior, q.ece) if q else (None,) * 4
    best = (entry.best if entry.record.largest == n else None for n in sizes)
    name = f"{figures.name} (taught by these problems)" if entry.leaked else figures.name
    return (entry.run, name, figures.revision[:SHORT] or None, *map(_cell, (*step, *best)))


def _cell(interval: Interval | None) -> page.Cell:
    return None if interval is None else estimate(interval)


def _data(entry: Entry) -> str:
    data = entry.record.data
    return f"{data.name} ({data.traces} traces, {data.key[:SHORT]})"


def _note(entries: Sequence[Entry], mixed: bool) -> str:
    data = entries[0].record.data
    what = (
        "Different data: rows of different data do not compare."
        if mixed
        else (
            f"Data: {data.name}, {data.problems} problems, {data.traces} traces, {data.labelled} labelled steps, "
            f"content {data.key[:SHORT]}."
        )
    )
    return f"{what} Intervals: 95%, bootstrap over problems, each of its run alone and not paired."
