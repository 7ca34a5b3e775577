"""`stepward train`: a PRM from step labels, an ORM from verdicts, or both in one model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, cast

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
    objective: Annotated[str, typer.Option(help="bce, binomial, mse, pqm, bradley_terry, noisy, ...")] = "bce",
    view: Annotated[str, typer.Option(help="hard or soft labels.")] = "hard",
    after_error: Annotated[str, typer.Option(help="keep or drop labels after the first error.")] = "keep",
    neutral: Annotated[
        str, typer.Option(help="Rating 0 of PRM800K: as_read, good, bad, ignore or a number.")
    ] = "as_read",
    outcome_at: Annotated[str, typer.Option(help="Where an ORM learns: last, every or token.")] = "last",
    heads: Annotated[str, typer.Option(help="one, or two: labels and verdicts.")] = "one",
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
        "objective": objective,
        "view": view,
        "after_error": after_error,
        "neutral": _neutral(neutral),
        "outcome_at": outcome_at,
        "heads": heads,
    }
    stages = {"labels": data_stage(labels, format), "model": model}
    run, results = Verb(name="train", stages=stages, seed=seed, overrides=set or [], to=to).run()
    result, folder = cast("Mapping[str, Json]", results["model"]), str(run / "model" / "model")
    if json:
        print_json({"labels": results["labels"], "training": result, "model": folder, "run": str(run)})
    else:
        Console().print(f"{_told(result)}\nmodel: {folder}", highlight=False, markup=False, soft_wrap=True)


def _neutral(text: str) -> Json:
    """A number where `text` is one; names are checked with the recipe."""
    try:
        return float(text)
    except ValueError:
        return text


def _told(result: Mapping[str, Json]) -> str:
    """What was learned from, what was left out, and how well what was held out was said."""
    figures, lines = cast("Mapping[str, Json]", result["figures"]), []
    lines.append(f"taught: {figures['labels']} labels on {figures['traces']} traces of {figures['problems']} problems")
    for title in ("excluded", "notes"):
        counted = cast("Mapping[str, Json]", result[title])
        lines += [f"{'left out' if title == 'excluded' else 'noted'}: {n} {what}" for what, n in counted.items()]
    loss = figures.get("held_out_loss")
    lines.append(
        f"held-out loss: {loss:.4f}" if isinstance(loss, float) else "held-out loss: none, no problem was held out"
    )
    return "\n".join(lines)
