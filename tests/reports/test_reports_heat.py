"""Heat maps: what is drawn, how it follows the page's theme, and what is refused."""

from __future__ import annotations

import math

import pytest

from stepward.errors import DataError
from stepward.reports.model import HeatMap
from stepward.reports.page import numbers_of
from stepward.reports.plots import svg_bytes
from stepward.reports.svg import inline

HEAT = HeatMap(
    title="a < b",
    x_label="judged on",
    y_label="taught by",
    row_names=("maths", "<script>"),
    column_names=("maths", "law"),
    values=((0.91, 0.4), (None, math.nan)),
    outlined=((0, 0),),
    parted=(1,),
)


def test_every_value_stands_in_its_cell_and_an_empty_one_shows_a_dash() -> None:
    drawn = svg_bytes(HEAT).decode()
    assert ">0.91<" in drawn and ">0.40<" in drawn and drawn.count(">–<") == 2
    assert "&lt;script&gt;" in drawn and "<script" not in drawn


def test_high_and_low_have_the_tones_of_scores_in_both_themes() -> None:
    styles = " ".join(inline(HEAT, "f0-").rules.values())
    assert "var(--good)" in styles and "var(--bad)" in styles and "var(--ink)" in styles


def test_the_same_map_gives_the_same_bytes() -> None:
    first = svg_bytes(HEAT)
    svg_bytes.cache_clear()
    assert svg_bytes(HEAT) == first


def test_its_numbers_are_a_table_in_the_same_shape() -> None:
    table = numbers_of(HEAT)
    assert table.columns == ("taught by", "maths", "law") and table.rows[1][0] == "<script>"
    assert [getattr(cell, "value", None) for cell in table.rows[0][1:]] == [0.91, 0.4] and table.rows[1][1] is None


def test_rows_and_columns_must_fit() -> None:
    with pytest.raises(DataError, match="needs 1 rows of 2 values"):
        HeatMap(title="t", x_label="", y_label="", row_names=("a",), column_names=("b", "c"), values=((0.5,),))


def test_an_empty_map_is_drawn() -> None:
    empty = HeatMap(title="t", x_label="", y_label="", row_names=(), column_names=(), values=())
    assert svg_bytes(empty).startswith(b"<?xml")
