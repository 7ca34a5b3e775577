"""Shows what a run came to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from stepward.types import Json


def show_run(folder: Path, results: Mapping[str, Json]) -> None:
    """The headline table and where the report is; without a report, each stage's own line."""
    from stepward.reports.tables import from_data, rich_table

    console = Console()
    headline = folder / "headline.json"
    if headline.exists():
        console.print(rich_table(from_data(json.loads(headline.read_text(encoding="utf-8")))))
        console.print(f"report: {folder / 'report.html'}", highlight=False, soft_wrap=True)
        return
    for name, result in results.items():
        if isinstance(result, Mapping):
            line = result.get("headline") or ", ".join(f"{key} {value}" for key, value in result.items())
            console.print(f"{name}: {line}", highlight=False, soft_wrap=True, markup=False)
    console.print(f"run folder: {folder}", highlight=False, soft_wrap=True)
