"""`stepward train`: a PRM from step labels, or an ORM from verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stepward.cli.conduct import print_json
from stepward.cli.verb import Verb, data_stage
from stepward.types import Json


def command(
    labels: Annotated[Path, typer.Argument(help="Labelled traces.")],
    backbone: Annotated[str, typer.Option(help="A model folder, smollm2 or quickstart.")] = "smollm2",
    kind: Annotated[str, typer.Option(help="prm or orm.")] = "prm",
    mode: Annotated[str, typer.Option(help="frozen (a head on cached features), lora, or full.")] = "frozen",
    view: Annotated[str, typer.Option(help="hard or soft labels.")] = "hard",
    format: Annotated[str, typer.Option(help="Format of the labels file.")] = "native",
    seed: Annotated[int, typer.Option(help="Fixes order and splits.")] = 0,
    set: Annotated[list[str] | None, typer.Option(help="Any other setting: stages.model.descent.epochs=3.")] = None,
    to: Annotated[Path | None, typer.Option(help="Run folder; the model is in its model/model.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Train a reward model; a stopped training goes on exactly where it stood."""
    model: dict[str, Json] = {
        "use": "train",
        "source": "labels",
        "backbone": backbone,
        "kind": kind,
        "mode": mode,
        "view": view,
    }
    stages = {"labels": data_stage(labels, format), "model": model}
    run, results = Verb(name="train", stages=stages, seed=seed, overrides=set or [], to=to).run()
    if json:
        print_json({**results, "model": str(run / "model" / "model"), "run": str(run)})
    else:
        Console().print(f"model: {run / 'model' / 'model'}", highlight=False, soft_wrap=True)
