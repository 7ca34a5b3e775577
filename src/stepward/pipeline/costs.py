"""Cost beside quality: the columns that every table of an evaluation ends in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stepward.evaluation.pricing import Rates, UnitCost, price, unpriced
from stepward.reports import model as page

PER = 1000
"""Traces or problems whose cost a table gives: prices of one are too small to read."""

COUNTED: Mapping[str, Callable[[UnitCost], float]] = {
    "tokens written": lambda cost: cost.written,
    "prompt tokens": lambda cost: cost.read,
    "scorer passes": lambda cost: cost.passes,
    "tokens scored": lambda cost: cost.scored,
    "TFLOP": lambda cost: cost.flops / 1e12,
    "engine seconds": lambda cost: cost.seconds,
}
WHOLE = ("tokens written", "prompt tokens", "scorer passes", "tokens scored")
"""Columns shown without decimals."""


def beside_cost(table: page.Table, costs: Sequence[UnitCost], rates: Rates, unit: str = "traces") -> page.Table:
    """`table` with one of `costs` behind each row, for `PER` of the `unit`; a column that nobody metered is left out.

    A row without any cost shows dashes. `cost_note` says what is meant, once a page.
    """
    many = [cost.times(PER) for cost in costs]
    shown = [name for name, read in COUNTED.items() if any(read(cost) for cost in many)]
    prices = [price(cost, rates) for cost in many]
    priced = any(each is not None for each in prices)
    rows = tuple(
        (*row, *(_cell(cost, name) for name in shown), *([_price(each)] if priced else []))
        for row, cost, each in zip(table.rows, many, prices, strict=True)
    )
    columns = (*table.columns, *shown, *([_price_name(rates)] if priced else []))
    note = f"{table.note} Cost: of {PER:,} {unit}.".strip() if shown else table.note
    return page.Table(title=table.title, columns=columns, rows=rows, note=note)


def cost_note(costs: Sequence[UnitCost], rates: Rates) -> str:
    """What the cost columns of a page mean: what was not metered, and how the prices were made."""
    missing = [name for name, read in COUNTED.items() if not any(read(cost) for cost in costs)]
    if len(missing) == len(COUNTED):
        return "Cost: not metered, because these scores came with the file; that is not free."
    left = sorted({kind for cost in costs for kind in unpriced(cost, rates)})
    parts = ["Cost: a dash was not metered, which is not free."]
    parts += [f"Not metered at all: {', '.join(missing)}."] if missing else []
    parts += (
        [f"Price: {rates}; none where a part was not metered."]
        if rates.given
        else ["No price, because no rates were given."]
    )
    parts += [f"The price leaves out tokens {' and '.join(left)}, which have no rate."] if left else []
    return " ".join(parts)


def _cell(cost: UnitCost, name: str) -> page.Cell:
    if not cost.metered:
        return None
    return page.Estimate(value=COUNTED[name](cost), digits=0 if name in WHOLE else 2)


def _price(value: float | None) -> page.Cell:
    return None if value is None else page.Estimate(value=value, digits=4)


def _price_name(rates: Rates) -> str:
    return f"price ({rates.currency})" if rates.currency else "price"


def without_empty(table: page.Table) -> page.Table:
    """`table` without the columns, but the first, in which every cell is a dash."""
    kept = [at for at in range(len(table.columns)) if not at or any(row[at] is not None for row in table.rows)]
    rows = tuple(tuple(row[at] for at in kept) for row in table.rows)
    return page.Table(title=table.title, columns=tuple(table.columns[at] for at in kept), rows=rows, note=table.note)
