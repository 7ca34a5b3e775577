"""`stepward sample`: a policy attempts every problem n times."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stepward.cli.conduct import print_json
from stepward.cli.export import export_stage
from stepward.cli.verb import Verb, data_stage
from stepward.types import Json


def command(
    problems: Annotated[Path, typer.Argument(help="JSON lines with problem and answer.")],
    out: Annotated[Path, typer.Option(help="Where the traces go, as JSON lines.")] = Path("traces.jsonl"),
    policy: Annotated[str, typer.Option(help="A model folder, smollm2 or quickstart.")] = "smollm2",
    n: Annotated[int, typer.Option("-n", help="Traces for each problem.")] = 4,
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 1.0,
    max_tokens: Annotated[int, typer.Option(help="Longest trace.")] = 256,
    segmenter: Annotated[str, typer.Option(help="What cuts traces into steps.")] = "protect",
    format: Annotated[str, typer.Option(help="Format of the problems file.")] = "problems",
    seed: Annotated[int, typer.Option(help="Fixes every trace.")] = 0,
    set: Annotated[list[str] | None, typer.Option(help="Any other setting: stages.traces.chunk=8.")] = None,
    to: Annotated[Path | None, typer.Option(help="Run folder.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Sample traces and cut them into steps; the same call goes on where a stopped one stood."""
    traces: dict[str, Json] = {
        "use": "sample",
        "source": "problems",
        "policy": {"path": policy},
        "n": n,
        "sampling": {"temperature": temperature, "max_tokens": max_tokens},
        "segmenter": segmenter,
    }
    stages = {"problems": data_stage(problems, format), "traces": traces}
    run, results = Verb(name="sample", stages=stages, seed=seed, overrides=set or [], to=to).run()
    rows = export_stage(run, "traces", out)
    if json:
        print_json({**results, "rows": rows, "out": str(out), "run": str(run)})
    else:
        Console().print(f"{rows} traces: {out}\nrun folder: {run}", highlight=False, soft_wrap=True)
