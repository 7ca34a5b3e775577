"""`stepward evaluate`: from a checkpoint, or from scores in a file, to figures, tables, a page and a model card."""

from __future__ import annotations

import json as json_lines
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from stepward.cli.conduct import print_json
from stepward.cli.verb import Verb, data_stage
from stepward.codec import from_json
from stepward.errors import ConfigError
from stepward.types import Json

if TYPE_CHECKING:
    from stepward.evaluation.evaluated import Evaluated

STAGE = "evaluation"


def command(
    labels: Annotated[Path, typer.Argument(help="Labelled or judged traces, with scores where no --model is given.")],
    model: Annotated[str, typer.Option(help="Folder of a reward model; without it the file's own scores.")] = "",
    orm: Annotated[str, typer.Option(help="Folder of an outcome model that stands beside it.")] = "",
    scores: Annotated[list[str] | None, typer.Option(help="Scores in the file to judge; all if not given.")] = None,
    labeler: Annotated[
        str, typer.Option(help="Whose labels are taken for true, where several labeled the same traces.")
    ] = "",
    train_labels: Annotated[Path | None, typer.Option(help="Labels to fit the trivial baselines on.")] = None,
    format: Annotated[str, typer.Option(help="Format of the label files.")] = "native",
    rate: Annotated[
        list[str] | None, typer.Option(help="written=, read=, scored= (per million tokens), gpu_hour=, cpu_hour=.")
    ] = None,
    currency: Annotated[str, typer.Option(help="What the rates are in.")] = "",
    shown: Annotated[int, typer.Option(help="Traces shown in full in the report.")] = 40,
    seed: Annotated[int, typer.Option(help="Of the bootstrap and of random draws.")] = 0,
    set: Annotated[list[str] | None, typer.Option(help="Any other setting: stages.scores.chunk=64.")] = None,
    to: Annotated[Path | None, typer.Option(help="Run folder.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,
) -> None:
    """Judge a scorer: step AUROC, first errors, calibration, best of n, failures and cost, each with intervals."""
    stages: dict[str, Json] = {"labels": data_stage(labels, format)}
    if model or orm:
        stages["labelers"] = {"use": "check_labelers", "source": "labels", "labeler": labeler}
    judged: dict[str, Json] = {}
    for name, folder, stage in (("prm", model, "scores"), ("orm", orm, "orm_scores")):
        if folder:
            added = scoring(folder, stage)
            stages |= added
            before = f"{stage}_raw" if len(added) > 1 else ""
            judged[name] = {"stage": stage, "before": before} | ({"reduce": ["last"]} if name == "orm" else {})
    evaluation: dict[str, Json] = {"use": "evaluate", "labels": "labels", "name": labels.name, "shown": shown}
    evaluation |= {"scores": judged, "rates": _rates(rate or [], currency)}
    if scores or not model:
        evaluation["stored"] = list(scores or [])
    if model:
        evaluation["model"] = model
    if labeler:
        evaluation["labeler"] = labeler
    if train_labels:
        stages["train_labels"] = data_stage(train_labels, format)
        evaluation["baselines"] = "train_labels"
    stages[STAGE] = evaluation
    run, _ = Verb(name="evaluate", stages=stages, seed=seed, overrides=set or [], to=to).run()
    _show(run, json)


def scoring(folder: str, stage: str) -> dict[str, Json]:
    """Stages that score with the model in `folder`; a calibrated one raw first, so that both are there to compare."""
    score: dict[str, Json] = {"use": "score", "source": "labels", "model": folder}
    if not _is_calibrated(Path(folder)):
        return {stage: score}
    raw = f"{stage}_raw"
    return {raw: {**score, "read": "raw"}, stage: {"use": "calibrate_scores", "source": raw, "model": folder}}


def _is_calibrated(folder: Path) -> bool:
    """Whether the card in `folder` holds a calibrator; what is wrong with a card is said where it is opened."""
    try:
        card = json_lines.loads((folder / "stepward.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(card, dict) and bool(card.get("calibrator"))


def _rates(given: list[str], currency: str) -> Json:
    """`written=0.6` and the like as a section of the recipe."""
    rates: dict[str, Json] = {"currency": currency} if currency else {}
    for pair in given:
        name, _, number = pair.partition("=")
        try:
            rates[name.strip()] = float(number)
        except ValueError:
            raise ConfigError("a rate is a name and a number", got=pair, mend="such as --rate scored=0.1") from None
    return rates


def _show(run: Path, json: bool) -> None:
    from stepward.evaluation.evaluated import FILE, Evaluated

    found = json_lines.loads((run / STAGE / FILE).read_text(encoding="utf-8"))
    if json:
        print_json({"run": str(run), **found})
        return
    _print_tables(from_json(Evaluated, found))
    Console().print(f"report: {run / STAGE / 'report.html'}", highlight=False, soft_wrap=True)


def _print_tables(record: Evaluated) -> None:
    from stepward.pipeline.evaluating import cost_table, headline, summary
    from stepward.reports.tables import rich_table
    from stepward.reports.text import visible

    console = Console()
    console.print(rich_table(headline(record)))
    console.print(rich_table(cost_table(record)))
    for sentence in summary(record):
        console.print(visible(sentence), highlight=False, soft_wrap=True, markup=False)
