"""`stepward leaderboard`: the headline figures of several evaluations in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stepward.cli.conduct import print_json
from stepward.errors import ConfigError
from stepward.storage.files import write_atomic


def command(
    runs: Annotated[list[Path], typer.Argument(help="Run folders that hold an evaluation.")],
    mix: Annotated[bool, typer.Option("--mix", help="Show runs on different data in one table.")] = False,
    to: Annotated[Path | None, typer.Option(help="Write it: .html, .md, .csv or .tex.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Compare evaluations of the same problems, steps and labels; other data is refused, or told apart with --mix."""
    from stepward.evaluation.leaderboard import rank, read_entries
    from stepward.pipeline.boards import board, board_page, spending, standing
    from stepward.reports import html
    from stepward.reports.tables import as_data, csv_text, latex, markdown, rich_table

    entries = rank([entry for run in runs for entry in read_entries(run)], mix=mix)
    table = board(entries)
    texts = {".md": markdown, ".csv": csv_text, ".tex": latex}
    if to is not None and to.suffix == ".html":
        html.write(board_page(entries), to)
    elif to is not None and to.suffix in texts:
        write_atomic(to, texts[to.suffix](table).encode(errors="replace"))
    elif to is not None:
        raise ConfigError("a leaderboard is written as .html, .md, .csv or .tex", got=to.name)
    if json:
        print_json(as_data(table))
    elif to is None:
        for part in (standing(entries), spending(entries)):
            Console().print(rich_table(part))
    else:
        Console().print(f"leaderboard: {to}", highlight=False, soft_wrap=True)
