"""A table for the terminal, markdown, CSV and LaTeX.

One way to write a cell everywhere but in CSV, where each estimate becomes three columns at full
precision. Text is escaped for the target; whitespace inside a cell is one space.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from stepward.reports.model import Cell, Estimate, Table
from stepward.reports.text import one_line, visible
from stepward.types import Json

DASH = "–"
UNDEFINED = "undefined"
_GROUPED_FROM = 1_000


def number_text(value: float, digits: int | None = None) -> str:
    """A number with `digits` decimals, or four significant figures; true minus sign, NaN as "undefined"."""
    if math.isnan(value):
        return UNDEFINED
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if digits is not None:
        text = f"{value:,.{digits}f}" if abs(value) >= _GROUPED_FROM else f"{value:.{digits}f}"
    elif float(value).is_integer() and abs(value) < 1e15:
        text = f"{int(value):,}" if abs(value) >= _GROUPED_FROM else str(int(value))
    else:
        text = f"{value:,.0f}" if _GROUPED_FROM <= abs(value) < 1e15 else f"{value:.4g}"
    return text.replace("-", "−") if float(text.replace(",", "")) else text.lstrip("-")


def interval_text(estimate: Estimate) -> str:
    """The interval in brackets; empty where there is none."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"[{number_text(estimate.low, estimate.digits)}, {number_text(estimate.high, estimate.digits)}]"


def decimals(table: Table, column: int) -> int | None:
    """Decimals that line up the column's bare fractions; None where they span too much, or there are none."""
    found = [abs(row[column]) for row in table.rows if isinstance(row[column], float)]  # type: ignore[arg-type]
    sizes = [size for size in found if math.isfinite(size) and size]
    if all(size.is_integer() for size in sizes) or min(sizes) < 1e-3 or max(sizes) >= 1e4:
        return None
    return max(len(f"{size:.4g}".partition(".")[2]) for size in sizes)


def cell_text(cell: Cell, digits: int | None = None) -> str:
    """A cell on one line, such as "0.912 [0.890, 0.931]"; a bare fraction with `digits` decimals."""
    if cell is None:
        return DASH
    if isinstance(cell, str):
        return one_line(cell)
    if isinstance(cell, Estimate):
        return " ".join(filter(None, (number_text(cell.value, cell.digits), interval_text(cell))))
    return number_text(cell, digits if isinstance(cell, float) else None)


def row_texts(table: Table, row: Sequence[Cell]) -> list[str]:
    """The cells of one row of `table`, each column with its own decimals."""
    return [cell_text(cell, decimals(table, index)) for index, cell in enumerate(row)]


def rich_table(table: Table) -> RenderableType:
    """The table for a rich console: markup and escape sequences in its text stay text."""
    drawn = RichTable(box=box.SIMPLE_HEAD)
    for index, name in enumerate(table.columns):
        side: Literal["right", "left"] = "right" if table.is_number(index) else "left"
        drawn.add_column(Text(one_line(name)), justify=side, overflow="fold")
    for row in table.rows:
        drawn.add_row(*map(Text, row_texts(table, row)))
    title = [Text(one_line(table.title), style="bold")] if table.title else []
    note = [Text(visible(table.note), style="dim italic")] if table.note else []
    return Group(*title, drawn, *note)


def markdown(table: Table) -> str:
    """A pipe table under its title, with the note below."""
    marks = ["---:" if table.is_number(index) else "---" for index in range(len(table.columns))]
    body = [list(map(_markdown, row_texts(table, row))) for row in table.rows]
    lines = [f"| {' | '.join(cells)} |" for cells in ([_markdown(one_line(c)) for c in table.columns], marks, *body)]
    title = [f"**{_markdown(one_line(table.title))}**", ""] if table.title else []
    note = ["", _markdown(one_line(table.note))] if table.note else []
    return "\n".join([*title, *lines, *note]) + "\n"


def csv_text(table: Table) -> str:
    """Comma-separated values at full precision; a column of intervals is followed by their low and high ends.

    Text that a spreadsheet would run as a formula (it starts with = + - @) gets a leading apostrophe.
    """
    wide = [any(_has_ends(row[index]) for row in table.rows) for index in range(len(table.columns))]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        name
        for column, triple in zip(table.columns, wide, strict=True)
        for name in ([_csv(column), _csv(f"{column} low"), _csv(f"{column} high")] if triple else [_csv(column)])
    )
    for row in table.rows:
        writer.writerow(v for cell, triple in zip(row, wide, strict=True) for v in _csv_cells(cell, triple))
    return out.getvalue()


def latex(table: Table) -> str:
    """A table in the style of the LaTeX package booktabs. Everything but the frame is escaped."""
    columns = "".join("r" if table.is_number(index) else "l" for index in range(len(table.columns)))
    head = " & ".join(_latex(one_line(name)) for name in table.columns)
    body = [" & ".join(_latex_cells(table, row)) + r" \\" for row in table.rows]
    note = [rf"\par\smallskip{{\footnotesize {_latex(one_line(table.note))}}}"] if table.note else []
    frame = [r"\begin{table}", r"\centering", rf"\caption{{{_latex(one_line(table.title))}}}"]
    inner = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", rf"{head} \\", r"\midrule", *body, r"\bottomrule"]
    return "\n".join([*frame, *inner, r"\end{tabular}", *note, r"\end{table}"]) + "\n"


def _markdown(text: str) -> str:
    escaped = re.sub(r"([\\`*_\[\]|~#$])", r"\\\1", text)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _csv(text: str) -> str:
    shown = visible(text)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@", "\t")) else shown


def _has_ends(cell: Cell) -> bool:
    """Whether the cell has an interval, or would have one if it were defined."""
    return isinstance(cell, Estimate) and (cell.low is not None or math.isnan(cell.value))


def _csv_cells(cell: Cell, triple: bool) -> list[str | float]:
    if isinstance(cell, Estimate) and triple:
        return [_full(cell.value), _full(cell.low), _full(cell.high)]
    bare = cell.value if isinstance(cell, Estimate) else cell
    only: str | float = _csv(bare) if isinstance(bare, str) else _full(bare)
    return [only, "", ""] if triple else [only]


def _full(value: float | None) -> str | float:
    return "" if value is None or math.isnan(value) else value


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "⟨": r"$\langle$",
    "⟩": r"$\rangle$",
    "−": "$-$",
    "–": "--",
    "∞": r"$\infty$",
    "…": r"\ldots{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}


def _latex(text: str) -> str:
    return "".join(_LATEX.get(mark, mark) for mark in text)


def _latex_cells(table: Table, row: Sequence[Cell]) -> list[str]:
    return [
        rf"{_latex(number_text(cell.value, cell.digits))} {{\scriptsize {_latex(interval_text(cell))}}}"
        if isinstance(cell, Estimate) and cell.low is not None
        else _latex(text)
        for cell, text in zip(row, row_texts(table, row), strict=True)
    ]


def as_data(table: Table) -> dict[str, Json]:
    """`table` as plain JSON values; an estimate becomes a mapping of its fields."""
    rows: list[list[Json]] = [[asdict(c) if isinstance(c, Estimate) else c for c in row] for row in table.rows]
    return {"title": table.title, "columns": list(table.columns), "rows": rows, "note": table.note}


def from_data(data: Mapping[str, Any]) -> Table:
    """The table that `as_data` wrote."""
    rows = tuple(tuple(Estimate(**c) if isinstance(c, Mapping) else c for c in row) for row in data["rows"])
    return Table(title=data["title"], columns=tuple(data["columns"]), rows=rows, note=data["note"])
