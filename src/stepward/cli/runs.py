"""`stepward runs`: the runs in a folder, the newest first."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from stepward.cli.conduct import RUNS, print_json
from stepward.storage.run import list_runs


def command(
    folder: Annotated[Path, typer.Argument(help="Folder that holds run folders.")] = RUNS,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List runs: name, whether finished, stages, headline."""
    found = list_runs(folder)
    if json:
        print_json([{**asdict(run), "stages": list(run.stages)} for run in found])
        return
    table = Table(box=None, header_style="bold", expand=True)
    for column in ("run", "status", "begun", "stages"):
        table.add_column(column, no_wrap=True)
    table.add_column("headline", no_wrap=True, overflow="ellipsis", ratio=1)
    for run in found:
        table.add_row(run.name, run.status, run.created[:16].replace("T", " "), str(len(run.stages)), run.headline)
    Console().print(table if found else f"no runs in {folder}")
