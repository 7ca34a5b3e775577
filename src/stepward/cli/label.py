"""`stepward label`: a labeler puts a label on every step of every trace."""

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
    traces: Annotated[Path, typer.Argument(help="JSON lines with problem, answer and steps.")],
    out: Annotated[Path, typer.Option(help="Where the labelled traces go, as JSON lines.")] = Path("labels.jsonl"),
    labeler: Annotated[
        str, typer.Option(help="rollout, outcome, or world (exact, for the world's problems).")
    ] = "rollout",
    policy: Annotated[str, typer.Option(help="The completer, for rollout: a folder, smollm2 or quickstart.")] = "",
    n: Annotated[int, typer.Option("-n", help="Completions of each prefix, for rollout.")] = 8,
    format: Annotated[str, typer.Option(help="Format of the traces file.")] = "native",
    seed: Annotated[int, typer.Option(help="Fixes every rollout.")] = 0,
    set: Annotated[list[str] | None, typer.Option(help="Any other setting: stages.labels.chunk=8.")] = None,
    to: Annotated[Path | None, typer.Option(help="Run folder.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Label steps; counts are kept, undecided outcomes are never called wrong."""
    technique: dict[str, Json] = {"use": labeler}
    if labeler == "rollout":
        technique |= {"n": n, "sampling": {"seed": seed}}
    labels: dict[str, Json] = {"use": "label", "source": "traces", "labeler": technique}
    if policy:
        labels["policy"] = {"path": policy}
    stages = {"traces": data_stage(traces, format), "labels": labels}
    run, results = Verb(name="label", stages=stages, seed=seed, overrides=set or [], to=to).run()
    rows = export_stage(run, "labels", out)
    if json:
        print_json({**results, "rows": rows, "out": str(out), "run": str(run)})
    else:
        Console().print(f"{rows} labelled traces: {out}\nrun folder: {run}", highlight=False, soft_wrap=True)
