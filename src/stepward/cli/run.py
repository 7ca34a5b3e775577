"""`stepward run`: a recipe, from its first unfinished stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stepward.cli.conduct import RUNS, execute, print_json
from stepward.cli.recipes import find_recipe
from stepward.cli.show import show_run
from stepward.config import load_recipe


def command(
    recipe: Annotated[str, typer.Argument(help="A YAML file, or the name of a recipe that Stepward ships.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="stages.prm.mode=frozen and the like.")] = None,
    to: Annotated[Path | None, typer.Option(help="Run folder; by default runs/NAME.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print every stage's result as JSON.")] = False,
) -> None:
    """Run a recipe, or go on with it: finished work is never done again."""
    path = find_recipe(recipe)
    mapping = load_recipe(path, overrides or [])
    folder = to or RUNS / str(mapping.get("name", path.stem))
    again = " ".join(["stepward run", recipe, *(overrides or []), *(["--to", str(to)] if to else [])])
    results = execute(mapping, folder, again=again)
    if json:
        print_json(results)
    else:
        show_run(folder, results)
