"""`stepward score`: scores the steps of a solution and marks the first likely error."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from stepward.cli.conduct import escaped, print_json, tell
from stepward.cli.models import find_model
from stepward.cli.progress import cost_text
from stepward.datasets.lines import read_text
from stepward.errors import ConfigError
from stepward.types import Spend


def command(
    trace: Annotated[
        Path, typer.Option(help='Solution as text (with --problem) or JSON lines; "-" is standard input.')
    ] = Path("-"),
    problem: Annotated[str, typer.Option(help="The problem's text; JSON lines bring their own.")] = "",
    model: Annotated[str, typer.Option(help="Folder of a reward model; by default the newest in runs/.")] = "",
    segmenter: Annotated[str, typer.Option(help="What cuts a text into steps.")] = "protect",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Print each step with its score, mark the first likely error, say which model and at what cost."""
    from stepward import api
    from stepward.reward_models.process import ProcessRewardModel

    folder = find_model(model)
    attempts = _attempts(trace, problem, segmenter)
    engine = ProcessRewardModel.load(folder)
    results = [api.score(asked, attempt, model=engine, segmenter=segmenter) for asked, attempt in attempts]
    if json:
        print_json([_document(result) for result in results])
        return
    console = Console()
    for result in results:
        console.print(result)
    spend = sum((result.scores.spend for result in results if result.scores), Spend())
    revision = engine.origin.revision[:12]
    tell(f"[dim]model {escaped(str(folder))}, {engine.origin.maker} of revision {revision}; {cost_text(spend)}")


def _attempts(trace: Path, problem: str, segmenter: str) -> list[tuple[Any, Any]]:
    """Problem and solution of every attempt in the input: one text with --problem, JSON lines without."""
    from stepward.config import build
    from stepward.datasets.native import NativeExamples
    from stepward.datasets.reading import read

    if problem:
        return [(problem, read_text(trace))]
    if trace.suffix not in (".jsonl", ".gz") and str(trace) != "-":
        raise ConfigError("a solution given as text needs its problem", got=str(trace), mend='add --problem "..."')
    examples = read(NativeExamples(segmenter=build("segmenter", segmenter)), str(trace)).items
    return [(example.problem, example.labeled.trace) for example in examples]


def _document(result: Any) -> dict[str, Any]:
    scores = result.scores
    return {
        "problem": result.problem.text,
        "steps": list(result.labeled.trace.step_texts),
        "scores": list(scores.values),
        "likely_error": result.likely_error,
        "scorer": {"maker": scores.scorer.maker, "revision": scores.scorer.revision},
        "spend": {name: value for name, value in asdict(scores.spend).items() if value},
    }
