"""`stepward score`: scores the steps of a solution and marks the first likely error."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from stepward.cli.conduct import escaped, print_json, tell
from stepward.cli.models import find_model
from stepward.cli.progress import cost_text
from stepward.datasets.lines import read_text
from stepward.errors import ConfigError
from stepward.protocols import StepScorerEngine
from stepward.types import Spend


def command(
    trace: Annotated[
        Path, typer.Option(help='Solution as text (with --problem) or JSON lines; "-" is standard input.')
    ] = Path("-"),
    problem: Annotated[str, typer.Option(help="The problem's text; JSON lines bring their own.")] = "",
    model: Annotated[str, typer.Option(help="Folder of a reward model; by default the newest in runs/.")] = "",
    format: Annotated[str, typer.Option(help="Name or file of a published model's format, if it is not told.")] = "",
    base: Annotated[str, typer.Option(help="For an adapter: folder of the model that it changes.")] = "",
    reference: Annotated[
        str, typer.Option(help="For an implicit model: folder of the one it started from; or none.")
    ] = "",
    judge: Annotated[str, typer.Option(help="Name or file of a judge's format: --policy scores, not a model.")] = "",
    policy: Annotated[str, typer.Option(help="For --judge: model folder, or smollm2.")] = "smollm2",
    votes: Annotated[int | None, typer.Option(help="For --judge: critiques; by default the format's.")] = None,
    prior: Annotated[float | None, typer.Option(help="For --judge: the score of a step that nobody judged.")] = None,
    segmenter: Annotated[str, typer.Option(help="What cuts a text into steps.")] = "protect",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Print each step with its score, mark the first likely error, say which model and at what cost."""
    from stepward import api

    attempts = _attempts(trace, problem, segmenter)
    engine, name = _judge(judge, policy, votes, prior) if judge else _model(model, format, base, reference)
    results = [api.score(asked, attempt, model=engine, segmenter=segmenter) for asked, attempt in attempts]
    if json:
        print_json([_document(result) for result in results])
        return
    console = Console()
    for result in results:
        console.print(result)
    spend = sum((result.scores.spend for result in results if result.scores), Spend())
    revision = engine.origin.revision[:12]
    tell(f"[dim]model {escaped(name)}, {engine.origin.maker} of revision {revision}; {cost_text(spend)}")


def _model(folder: str, format: str, base: str, reference: str) -> tuple[StepScorerEngine, str]:
    """The reward model in `folder`, of Stepward or published, and what to call it."""
    from stepward.reward_models.formats.library import get_format
    from stepward.reward_models.public.load import Opening, open_scorer

    found = find_model(folder)
    opening = Opening(
        format=get_format(format) if format else None,
        base=Path(base) if base else None,
        reference=Path(reference) if reference else None,
    )
    return open_scorer(found, opening), str(found)


def _judge(judge: str, policy: str, votes: int | None, prior: float | None) -> tuple[StepScorerEngine, str]:
    """The judge over a policy, and what to call it. Phases that run a model's code are left out, and that is said."""
    from stepward.pipeline.parts import PolicyChoice
    from stepward.pipeline.stages.judge_traces import JudgeChoice
    from stepward.reward_models.generative.library import judge_format

    format = judge_format(judge)
    skip = tuple(phase.name for phase in format.phases if phase.code_stop)
    if skip:
        tell(f"[dim]{escaped(format.name)} goes without {', '.join(skip)}: it would run code that the model writes")
    choice = JudgeChoice(policy=PolicyChoice(path=policy), name=judge, votes=votes, skip=skip)
    return replace(choice.load(), prior=prior), policy


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
        "convention": scores.convention,
        "target": scores.target,
        "sees": scores.sees,
        "likely_error": result.likely_error,
        "scorer": {"maker": scores.scorer.maker, "revision": scores.scorer.revision},
        "spend": {name: value for name, value in asdict(scores.spend).items() if value},
    }
