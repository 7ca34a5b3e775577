"""Tables of what scorers do whatever the steps say: outcome drift, and a liking for length or style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from stepward.evaluation.robustness.habits import Bias, OutcomeDrift
from stepward.metrics.bootstrap import Interval
from stepward.pipeline.costs import without_empty
from stepward.pipeline.findings import estimate
from stepward.reports import model as page

INTERVALS = "Intervals: 95%, bootstrap over problems."


class Habits(NamedTuple):
    """What is told of one scorer; None for its name where there is one alone."""

    scorer: str | None
    drift: OutcomeDrift
    biases: Sequence[Bias]


def habit_tables(told: Sequence[Habits]) -> tuple[page.Table, ...]:
    """One table a habit; none where no trace shows it."""
    found = [table for table in (_drift_table(told), _bias_table(told)) if table.rows]
    alone = all(each.scorer is None for each in told)
    return tuple(without_empty(_without_names(table) if alone else table) for table in found)


def _without_names(table: page.Table) -> page.Table:
    return replace(table, columns=table.columns[1:], rows=tuple(row[1:] for row in table.rows))


def _drift_table(told: Sequence[Habits]) -> page.Table:
    rows: tuple[tuple[page.Cell, ...], ...] = tuple(
        (each.scorer, each.drift.traces, _cell(each.drift.last_is_lowest), _cell(each.drift.chance))
        for each in told
        if each.drift.traces
    )
    note = (
        "Share of traces of two steps or more whose lowest score is at the last step, strictly; chance is the mean of "
        f"1 / steps. Far above it, a scorer waits for the answer: it judges outcomes, not steps. {INTERVALS}"
    )
    columns = ("scorer", "traces", "lowest at the last step", "by chance")
    return page.Table(title="Outcome drift", columns=columns, rows=rows, note=note)


def _bias_table(told: Sequence[Habits]) -> page.Table:
    """One row an aggregate and trait of a scorer; right and wrong traces side by side."""
    rows = [
        (each.scorer, f"{how}, {trait}", *_correlations(each.biases, how, trait))
        for each in told
        for how, trait in dict.fromkeys((bias.how, bias.trait) for bias in each.biases)
    ]
    kept = tuple(row for row in rows if any(cell is not None for cell in row[2:]))
    note = (
        f"Rank correlation of the aggregate with a trait that is no merit, over {_sizes(told)} traces. Within: of "
        "deviations from the mean of the problem's traces of that correctness. Markup and assurance: share of "
        f'characters, and of words like "clearly". A trait that does not vary is left out. {INTERVALS}'
    )
    columns = ("scorer", "aggregate, trait", "right", "right, within", "wrong", "wrong, within")
    return page.Table(title="Length and style", columns=columns, rows=kept, note=note)


def _correlations(biases: Sequence[Bias], how: str, trait: str) -> list[page.Cell]:
    found = {each.right: each for each in biases if (each.how, each.trait) == (how, trait)}
    both = [found.get(right) for right in (True, False)]
    return [cell for each in both for cell in ((_cell(each.correlation), _cell(each.within)) if each else (None, None))]


def _sizes(told: Sequence[Habits]) -> str:
    """How many traces of each correctness; the most where scorers judged different ones."""
    biases = [bias for each in told for bias in each.biases]
    counts = [max((bias.traces for bias in biases if bias.right is right), default=0) for right in (True, False)]
    return f"{counts[0]} right and {counts[1]} wrong"


def _cell(found: Interval) -> page.Cell:
    return None if math.isnan(found.value) else estimate(found)
