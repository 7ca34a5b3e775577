"""`stepward evaluate`: how good a reward model is as a judge of labelled steps."""

from __future__ import annotations

import json as json_lines
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stepward.cli.conduct import print_json
from stepward.cli.verb import Verb, data_stage
from stepward.codec import from_json
from stepward.types import Json


def command(
    labels: Annotated[Path, typer.Argument(help="Labelled traces to judge against.")],
    model: Annotated[str, typer.Option(help="Folder of a reward model.")],
    train_labels: Annotated[Path | None, typer.Option(help="Labels to fit the trivial baselines on.")] = None,
    format: Annotated[str, typer.Option(help="Format of the label files.")] = "native",
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    set: Annotated[list[str] | None, typer.Option(help="Any other setting: stages.scores.chunk=64.")] = None,
    to: Annotated[Path | None, typer.Option(help="Run folder.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print figures as JSON.")] = False,
) -> None:
    """Score labelled traces and print AUROC, first-error accuracy and calibration with intervals."""
    stages: dict[str, Json] = {"labels": data_stage(labels, format)}
    if train_labels:
        stages["train_labels"] = data_stage(train_labels, format)
    stages["scores"] = {"use": "score", "source": "labels", "model": model}
    judge: dict[str, Json] = {"use": "judge-steps", "scores": ["scores"], "labels": "labels"}
    stages["quality"] = judge | ({"baselines": "train_labels"} if train_labels else {})
    run, _ = Verb(name="evaluate", stages=stages, seed=seed, overrides=set or [], to=to).run()
    figures = json_lines.loads((run / "quality" / "quality.json").read_text(encoding="utf-8"))
    if json:
        print_json(figures)
        return
    from stepward.evaluation.steps import StepQuality
    from stepward.pipeline.findings import calibration_table, step_table
    from stepward.reports.tables import rich_table

    qualities = {model if name == "scores" else name: from_json(StepQuality, q) for name, q in figures.items()}
    console = Console()
    console.print(rich_table(step_table("Step scores against labels", qualities)))
    console.print(rich_table(calibration_table(qualities)))
