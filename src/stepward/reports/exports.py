"""A report's tables and figures as files of their own, for a paper or a spreadsheet.

    tables/NAME.csv .md .tex    every table, and the numbers of every figure (CSV alone)
    figures/NAME.svg            every figure

Names come from titles, so they stay the same from run to run; a title that occurs twice gets a number. The same report
gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stepward.reports.model import Block, Cell, Crosstab, Report, Table
from stepward.reports.page import numbers_of
from stepward.reports.plots import save
from stepward.reports.tables import csv_text, latex, markdown
from stepward.storage.files import make_folder, write_atomic

EXPORTS = ("tables", "figures")
"""Folders that are written."""
LONGEST = 60
"""Characters of a file's name."""


@dataclass(slots=True)
class _Names:
    """File names from titles, each once."""

    taken: dict[str, int] = field(default_factory=dict)

    def of(self, title: str) -> str:
        plain = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:LONGEST].rstrip("-") or "untitled"
        self.taken[plain] = self.taken.get(plain, 0) + 1
        return plain if self.taken[plain] == 1 else f"{plain}-{self.taken[plain]}"


def write_exports(report: Report, folder: Path) -> tuple[Path, ...]:
    """Write every table and figure of `report` below `folder`; the files, in the report's order.

    Raises `MissingExtraError` where there are figures but no matplotlib, `StorageError` where the disk refuses.
    """
    for name in EXPORTS:
        make_folder(folder / name)
    names, written = _Names(), []
    for block in _blocks(report):
        name = names.of(block.title)
        if isinstance(block, Table | Crosstab):
            written += _write_table(
                block if isinstance(block, Table) else crosstab_table(block), folder / "tables", name
            )
        else:
            written += [save(block, folder / "figures" / f"{name}.svg")]
            written += [_text(folder / "tables" / f"{name}.csv", csv_text(numbers_of(block)))]
    return tuple(written)


def crosstab_table(block: Crosstab) -> Table:
    """The counts of a crosstab as a plain table."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, *(cell.count for cell in cells)) for name, cells in zip(block.row_names, block.cells, strict=True)
    )
    return Table(title=block.title, columns=("", *block.column_names), rows=rows, note=block.note)


def _blocks(report: Report) -> Iterator[Block]:
    yield report.headline
    for section in report.sections:
        yield from section.blocks
    yield from report.cost


def _write_table(table: Table, folder: Path, name: str) -> list[Path]:
    texts = {".csv": csv_text(table), ".md": markdown(table), ".tex": latex(table)}
    return [_text(folder / f"{name}{suffix}", text) for suffix, text in texts.items()]


def _text(path: Path, text: str) -> Path:
    write_atomic(path, text.encode(errors="replace"))
    return path
