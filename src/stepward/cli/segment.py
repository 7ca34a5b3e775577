"""`stepward segment`: cuts a text into steps and shows where."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stepward.cli.conduct import escaped, print_json
from stepward.config import build
from stepward.datasets.lines import read_text


def command(
    file: Annotated[Path, typer.Argument(help='Text file; "-" is standard input.')] = Path("-"),
    segmenter: Annotated[str, typer.Option(help="Name of a segmenter.")] = "protect",
    json: Annotated[bool, typer.Option("--json", help="Print spans as JSON.")] = False,
) -> None:
    """Show the steps of a text: number, kind, characters."""
    text = read_text(file)
    cutter = build("segmenter", segmenter, "--segmenter")
    steps = cutter.segment(text)
    if json:
        spans = [{"start": s.start, "end": s.end, "kind": s.kind, "text": text[s.start : s.end]} for s in steps]
        print_json({"segmenter": cutter.tag, "steps": spans})
        return
    console = Console()
    for index, step in enumerate(steps):
        console.print(f"[bold]{index}[/] [dim]{step.kind} {step.start}-{step.end}[/]", highlight=False)
        console.print(escaped(text[step.start : step.end].rstrip("\n")), highlight=False, soft_wrap=True)
    console.print(f"[dim]{len(steps)} steps by {cutter.tag}[/]", highlight=False)
