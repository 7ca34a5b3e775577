"""`stepward leaderboard`: the headline figures of several evaluations in one table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from stepward.cli.conduct import print_json
from stepward.errors import ConfigError
from stepward.storage.files import write_atomic

if TYPE_CHECKING:
    from stepward.evaluation.leaderboard import Entry
    from stepward.evaluation.paired import Pairings


def command(
    runs: Annotated[list[Path], typer.Argument(help="Run folders that hold an evaluation.")],
    mix: Annotated[bool, typer.Option("--mix", help="Show runs on different data in one table.")] = False,
    to: Annotated[Path | None, typer.Option(help="Write it: .html, .md, .csv or .tex.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Compare evaluations of the same problems, steps and labels; other data is refused, or told apart with --mix."""
    from stepward.evaluation.leaderboard import rank, read_entries
    from stepward.evaluation.paired import compare_pairs
    from stepward.pipeline.boards import board, left_out, pair_table, spending, standing
    from stepward.reports.tables import as_data, rich_table
    from stepward.reports.text import visible

    entries = rank([entry for run in runs for entry in read_entries(run)], mix=mix)
    pairs = compare_pairs(entries)
    compared = pair_table(pairs)
    if to is not None:
        _write(entries, pairs, to)
    if json:
        print_json(as_data(board(entries)) | {"pairs": None if compared is None else as_data(compared)})
    elif to is None:
        for part in (standing(entries), compared, spending(entries)):
            if part is not None:
                Console().print(rich_table(part))
        if compared is None and pairs.left_out:
            Console().print(visible(left_out(pairs)), highlight=False, soft_wrap=True, markup=False)
    else:
        Console().print(f"leaderboard: {to}", highlight=False, soft_wrap=True)


def _write(entries: list[Entry], pairs: Pairings, to: Path) -> None:
    """Both tables in one file; a CSV holds one table, so that of the pairs is written beside it."""
    from stepward.pipeline.boards import board, board_page, pair_table
    from stepward.reports import html
    from stepward.reports.tables import csv_text, latex, markdown

    tables = [table for table in (board(entries), pair_table(pairs)) if table is not None]
    if to.suffix == ".html":
        html.write(board_page(entries, pairs), to)
    elif to.suffix == ".csv":
        for table, path in zip(tables, (to, to.with_name(f"{to.stem}-pairs.csv")), strict=False):
            write_atomic(path, csv_text(table).encode(errors="replace"))
    elif to.suffix in (".md", ".tex"):
        text = "\n".join(map(markdown if to.suffix == ".md" else latex, tables))
        write_atomic(to, text.encode(errors="replace"))
    else:
        raise ConfigError("a leaderboard is written as .html, .md, .csv or .tex", got=to.name)
