"""`stepward report`: the report of a finished run, written anew from its records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stepward.cli.conduct import print_json
from stepward.errors import ConfigError
from stepward.pipeline.runner import write_again
from stepward.storage.run import CONFIG


def command(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    json: Annotated[bool, typer.Option("--json", help="Print the path as JSON.")] = False,
) -> None:
    """Write a run's report again, after an upgrade or an edit of the pages."""
    if not (run / CONFIG).exists():
        raise ConfigError(f"{run} is no run folder: it has no {CONFIG}", mend="`stepward runs` lists them")
    path = write_again(run)
    if json:
        print_json({"report": str(path)})
    else:
        Console().print(f"report: {path}", highlight=False, soft_wrap=True)
