import csv
import io

from hostile_report import HOSTILE
from rich.console import Console

from stepward.reports.model import Cell, Estimate, Table
from stepward.reports.tables import cell_text, csv_text, decimals, latex, markdown, number_text, rich_table

TABLE = Table(
    title="Scores",
    columns=("method", "accuracy", "tokens"),
    rows=(("PRM", Estimate(value=0.5, low=0.41, high=0.59), 12345), ("none", Estimate(value=float("nan")), None)),
    note="n = 10",
)


def one_cell(cell: Cell) -> Table:
    return Table(title="", columns=("c",), rows=((cell,),))


def test_numbers_are_written_for_people() -> None:
    assert number_text(-0.5, 2) == "−0.50"
    assert number_text(-0.0001, 2) == "0.00"
    assert number_text(1234567) == "1,234,567"
    assert number_text(0.123456) == "0.1235"
    assert number_text(12345.6) == "12,346"
    assert number_text(float("nan")) == "undefined"
    assert number_text(float("-inf")) == "−∞"


def test_cells_show_intervals_dashes_and_undefined() -> None:
    assert [cell_text(cell) for cell in TABLE.rows[0]] == ["PRM", "0.500 [0.410, 0.590]", "12,345"]
    assert [cell_text(cell) for cell in TABLE.rows[1]] == ["none", "undefined", "–"]


def test_bare_fractions_of_one_column_share_their_decimals() -> None:
    table = Table(title="", columns=("s", "tiny"), rows=((96.25, 1e-9), (141.0, 2.0)))
    assert (decimals(table, 0), decimals(table, 1)) == (2, None)
    assert "141.00" in markdown(table)


def test_a_terminal_shows_markup_and_escapes_as_text() -> None:
    out = io.StringIO()
    Console(file=out, width=300, force_terminal=True, color_system=None).print(
        rich_table(one_cell("[red]x[/red] " + HOSTILE))
    )
    assert "[red]x[/red]" in out.getvalue()
    assert "⟨U+001B⟩[31m" in out.getvalue()
    assert not {"\x9b", "\u202e", "\x00"} & set(out.getvalue())


def test_a_narrow_terminal_breaks_names_and_cuts_none() -> None:
    out = io.StringIO()
    names = tuple(f"olympiadbench{index}" for index in range(6))
    Console(file=out, width=40).print(rich_table(Table(title="", columns=names, rows=(names,))))
    shown = out.getvalue()
    assert "…" not in shown and shown.count("l") == 2 * len(names)


def test_markdown_aligns_numbers_and_escapes_its_own_marks() -> None:
    assert markdown(TABLE).splitlines()[2:5] == [
        "| method | accuracy | tokens |",
        "| --- | ---: | ---: |",
        "| PRM | 0.500 \\[0.410, 0.590\\] | 12,345 |",
    ]
    assert markdown(one_cell("a|b\n<i>*")).splitlines()[-1] == r"| a\|b &lt;i&gt;\* |"


def test_csv_keeps_full_precision_and_spreads_intervals() -> None:
    table = Table(title="", columns=("m", "a"), rows=(("x", Estimate(value=1 / 3, low=0.1, high=0.5)), ("y", 2)))
    rows = list(csv.reader(io.StringIO(csv_text(table))))
    assert rows == [["m", "a", "a low", "a high"], ["x", str(1 / 3), "0.1", "0.5"], ["y", "2", "", ""]]


def test_csv_text_cannot_become_a_formula_but_numbers_stay() -> None:
    assert csv_text(one_cell("=HYPERLINK(1)")).splitlines()[1] == "'=HYPERLINK(1)"
    assert csv_text(one_cell(-1.5)).splitlines()[1] == "-1.5"


def test_latex_escapes_every_special_character() -> None:
    text = latex(one_cell("50% & $x_1$ #{~^\\<>"))
    assert (
        r"50\% \& \$x\_1\$ \#\{\textasciitilde{}\textasciicircum{}\textbackslash{}\textless{}\textgreater{} \\" in text
    )
    assert r"0.500 {\scriptsize [0.410, 0.590]} & 12,345 \\" in latex(TABLE)


def test_an_empty_table_is_written_in_every_form() -> None:
    empty = Table(title="", columns=("a",), rows=())
    assert csv_text(empty) == "a\n"
    assert r"\toprule" in latex(empty)
    assert markdown(empty).startswith("| a |")
