from stepward.evaluation.pricing import Rates, UnitCost
from stepward.pipeline.costs import beside_cost, cost_note, without_empty
from stepward.reports.model import Estimate, Table

TABLE = Table(title="t", columns=("scorer", "AUROC"), rows=(("a", 0.9), ("b", 0.8)), note="Seen.")
COSTS = (UnitCost(scored=12, passes=1, seconds=0.25), UnitCost())


def test_cost_columns_are_those_that_somebody_metered_for_a_thousand_traces() -> None:
    table = beside_cost(TABLE, COSTS, Rates(scored=2, currency="EUR"))
    assert table.columns == ("scorer", "AUROC", "scorer passes", "tokens scored", "engine seconds", "price (EUR)")
    assert [cell.value for cell in table.rows[0][2:] if isinstance(cell, Estimate)] == [1000, 12000, 250, 0.024]
    assert table.rows[1] == ("b", 0.8, None, None, None, None)
    assert table.note == "Seen. Cost: of 1,000 traces."


def test_without_rates_or_meters_there_is_no_price_and_the_note_says_why() -> None:
    assert "price" not in " ".join(beside_cost(TABLE, COSTS, Rates()).columns)
    assert "no rates were given" in cost_note(COSTS, Rates())
    assert beside_cost(TABLE, (UnitCost(), UnitCost()), Rates(scored=1)) == TABLE
    assert "that is not free" in cost_note((UnitCost(),), Rates(scored=1))
    assert "leaves out tokens scored" in cost_note(COSTS, Rates(written=1))


def test_columns_of_dashes_alone_are_left_out_but_the_first() -> None:
    table = Table(title="t", columns=("a", "b", "c"), rows=((None, None, 1), (None, None, None)))
    assert without_empty(table).columns == ("a", "c")
