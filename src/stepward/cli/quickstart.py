"""`stepward quickstart`: the whole loop on problems with known truth, in a few minutes on a CPU."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stepward.cli.conduct import RUNS, execute, print_json
from stepward.cli.recipes import find_recipe
from stepward.cli.show import show_run
from stepward.config import load_recipe


def command(
    to: Annotated[Path, typer.Option(help="Run folder.")] = RUNS / "quickstart",
    json: Annotated[bool, typer.Option("--json", help="Print every stage's result as JSON.")] = False,
) -> None:
    """Problems, traces, rollout labels, PRM and ORM, evaluation, best of 16, report."""
    started = time.monotonic()
    results = execute(load_recipe(find_recipe("quickstart")), to, again=f"stepward quickstart --to {to}")
    if json:
        print_json(results)
        return
    show_run(to, results)
    Console().print(f"took {time.monotonic() - started:.0f} s", highlight=False)
