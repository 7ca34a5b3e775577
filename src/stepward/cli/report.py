"""`stepward report`: the report of a finished run, written anew from its records, or the researcher's checklist."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stepward.cli.conduct import print_json
from stepward.errors import ConfigError
from stepward.storage.run import CONFIG


def command(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    checklist: Annotated[
        bool, typer.Option("--checklist", help="Answer the researcher's checklist instead, from the run's records.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the path, or the checklist, as JSON.")] = False,
) -> None:
    """Write a run's report again, after an upgrade or an edit of the pages; or say what the run can answer."""
    if not (run / CONFIG).exists():
        raise ConfigError(f"{run} is no run folder: it has no {CONFIG}", mend="`stepward runs` lists them")
    if checklist:
        _checklist(run, json)
        return
    from stepward.pipeline.runner import write_again

    path = write_again(run)
    if json:
        print_json({"report": str(path)})
    else:
        Console().print(f"report: {path}", highlight=False, soft_wrap=True)


def _checklist(run: Path, json: bool) -> None:
    from stepward.evaluation.checklist import checklist
    from stepward.reports.text import visible

    items = checklist(run)
    if json:
        print_json([asdict(item) | {"said": [asdict(part) for part in item.said]} for item in items])
        return
    console = Console()
    for item in items:
        console.print(f"[bold]{item.question}[/]", highlight=False)
        for line in item.lines:
            console.print(f"  {visible(line)}", highlight=False, soft_wrap=True, markup=False)
