"""A leaderboard as a table and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stepward.evaluation.leaderboard import Entry
from stepward.evaluation.paired import Pairings
from stepward.evaluation.pricing import Rates
from stepward.metrics.bootstrap import Interval
from stepward.pipeline.costs import beside_cost, cost_note, without_empty
from stepward.pipeline.evaluation_tables import p_cells
from stepward.pipeline.findings import estimate
from stepward.reports import model as page

NO_PAIRS = Pairings()
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


def pair_table(found: Pairings) -> page.Table | None:
    """Every two entries on the same data, one row a measure and pair; None where there is no pair."""
    if not found.pairs:
        return None
    rows: tuple[tuple[page.Cell, ...], ...] = tuple(
        (p.measure, _who(p.first), _who(p.second), replace(estimate(p.difference), digits=4), *p_cells(p.test))
        for p in found.pairs
    )
    sizes = {"step AUROC" if p.measure == "step AUROC" else "choices": p.test.family for p in found.pairs}
    told = ", ".join(f"{count} of {family}" for family, count in sizes.items())
    parts = [
        "Paired over problems, on the same traces. p: Student's t. Holm: raised for the number of pairs, "
        f"{told}; differs: whether it is then below 0.05.",
        left_out(found),
    ]
    columns = ("measure", "this", "less that", "difference", "p", "p (Holm)", "differs")
    return page.Table(title="In pairs", columns=columns, rows=rows, note=" ".join(filter(None, parts)))


def left_out(found: Pairings) -> str:
    """Which entries were compared with nobody, by reason; empty where there are none."""
    reasons = dict.fromkeys(found.left_out.values())
    named = {why: [name for name, own in found.left_out.items() if own == why] for why in reasons}
    return " ".join(f"Not compared in pairs: {', '.join(names)}; {why}." for why, names in named.items())


def _who(entry: Entry) -> str:
    return f"{entry.run}: {entry.figures.name}"


def board_page(entries: Sequence[Entry], pairs: Pairings = NO_PAIRS) -> page.Report:
    """The page."""
    table = pair_table(pairs)
    models = {f"{e.run}: {e.figures.name}": e.figures.revision or "not recorded" for e in entries}
    return page.Report(
        title="Leaderboard",
        headline=board(entries),
        summary=(left_out(pairs),) if table is None and pairs.left_out else (),
        sections=() if table is None else (page.Section(title="Who is better?", blocks=(table,)),),
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
    return f"{what} Intervals: 95%, bootstrap over problems, each of its run alone."
