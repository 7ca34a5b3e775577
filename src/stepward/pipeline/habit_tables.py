"""Tables of what scorers do whatever the steps say: outcome drift, and a liking for length or style."""

from __future__ import annotations

import math
from collections.abc import Sequence

from stepward.evaluation.evaluated import Habits, ScorerFigures
from stepward.evaluation.robustness.habits import Trait
from stepward.metrics.bootstrap import Interval
from stepward.pipeline.costs import without_empty
from stepward.pipeline.findings import estimate
from stepward.reports import model as page


def habit_tables(scorers: Sequence[ScorerFigures]) -> list[page.Table]:
    """One table a habit; none where no trace shows it."""
    told = [(each.name, each.habits) for each in scorers if each.habits is not None]
    return [table for table in (_drift_table(told), _bias_table(told)) if table.rows]


def _drift_table(told: Sequence[tuple[str, Habits]]) -> page.Table:
    rows: tuple[tuple[page.Cell, ...], ...] = tuple(
        (name, habits.drift.traces, _cell(habits.drift.last_is_lowest), _cell(habits.drift.chance))
        for name, habits in told
        if habits.drift.traces
    )
    note = (
        "Share of traces of two steps or more whose lowest score is at the last step, strictly; chance is the mean of "
        "1 / steps. Far above it, a scorer waits for the answer: it judges outcomes, not steps."
    )
    columns = ("scorer", "traces", "lowest at the last step", "by chance")
    return page.Table(title="Outcome drift", columns=columns, rows=rows, note=note)


def _bias_table(told: Sequence[tuple[str, Habits]]) -> page.Table:
    rows = [
        (name, trait, *_correlations(habits, trait))
        for name, habits in told
        for trait in dict.fromkeys(bias.trait for bias in habits.biases)
    ]
    kept = tuple(row for row in rows if any(cell is not None for cell in row[2:]))
    note = (
        "Rank correlation of a trace's score by the first reducer with a trait that is no merit, over right and over "
        "wrong traces. Within: of deviations from the mean of a problem's traces of that correctness. Markup and "
        'assurance: share of characters, and of words like "clearly". A trait that does not vary is left out.'
    )
    columns = ("scorer", "trait", "right", "right, within", "wrong", "wrong, within")
    return without_empty(page.Table(title="Length and style", columns=columns, rows=kept, note=note))


def _correlations(habits: Habits, trait: Trait) -> list[page.Cell]:
    found = {each.right: each for each in habits.biases if each.trait == trait}
    both = [found.get(right) for right in (True, False)]
    return [cell for each in both for cell in ((_cell(each.correlation), _cell(each.within)) if each else (None, None))]


def _cell(found: Interval) -> page.Cell:
    return None if math.isnan(found.value) else estimate(found)
