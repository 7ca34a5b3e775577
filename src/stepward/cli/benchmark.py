"""`stepward benchmark`: a reward model or a judge on a public benchmark, by that benchmark's own protocol."""

from __future__ import annotations

import json as json_lines
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console

from stepward.cli.conduct import print_json
from stepward.cli.models import find_model
from stepward.cli.verb import Verb
from stepward.errors import ConfigError
from stepward.types import Json


def command(
    name: Annotated[str, typer.Argument(help="Such as processbench, prmbench or mr-ben.")],
    files: Annotated[list[Path], typer.Argument(help="The benchmark's files, as published.")],
    model: Annotated[str, typer.Option(help="Folder of a reward model: the classifier protocol.")] = "",
    judge: Annotated[str, typer.Option(help="Name or file of a judge's format: the critic protocol.")] = "",
    policy: Annotated[str, typer.Option(help="For --judge: model folder, or smollm2.")] = "smollm2",
    votes: Annotated[int | None, typer.Option(help="For --judge: critiques; by default the format's.")] = None,
    threshold: Annotated[float | None, typer.Option(help="A step that scores below it is called wrong [0.5].")] = None,
    development: Annotated[
        list[Path] | None, typer.Option(help="Files of other problems that choose the threshold instead.")
    ] = None,
    development_name: Annotated[str, typer.Option(help="What they are called in the result.")] = "",
    development_format: Annotated[str, typer.Option(help="Their format, by default the benchmark's.")] = "",
    reasons: Annotated[Path | None, typer.Option(help="MR-Score: a judge's verdicts on reasons, JSON lines.")] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    set: Annotated[list[str] | None, typer.Option(help="Any other setting: stages.scores.chunk=64.")] = None,
    to: Annotated[Path | None, typer.Option(help="Run folder.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run a benchmark by its protocol and print every measure with its interval, and what compares with what."""
    if bool(model) == bool(judge):
        raise ConfigError("name what is judged: one of --model and --judge", got=(model, judge))
    _refuse(
        {
            "--threshold: a critic names steps without one": bool(judge) and threshold is not None,
            "--development: a critic has no threshold to choose": bool(judge) and bool(development),
            "--threshold: --development chooses it": bool(development) and threshold is not None,
            "--development-name: there is no --development": bool(development_name) and not development,
            "--development-format: there is no --development": bool(development_format) and not development,
            "--votes: only a judge casts them": bool(model) and votes is not None,
        }
    )
    scorer = _judging(judge, policy, votes) if judge else {"use": "score", "model": str(find_model(model))}
    reads = _reads(name)
    benchmark: dict[str, Json] = {"use": name, "threshold": {"tau": 0.5 if threshold is None else threshold}}
    stages: dict[str, Json] = {
        "rows": {"use": "read", "format": reads, "paths": [str(path) for path in files]},
        "scores": {**scorer, "source": "rows"},
    }
    last: dict[str, Json] = {"use": "benchmark", "benchmark": benchmark, "source": "rows", "scores": "scores"}
    if model:
        last["model"] = str(find_model(model))
    if development:
        paths = [str(path) for path in development]
        stages["development"] = {"use": "read", "format": development_format or reads, "paths": cast("Json", paths)}
        stages["development_scores"] = {**scorer, "source": "development"}
        last |= {"development": "development", "development_scores": "development_scores"}
        last["development_name"] = development_name or ", ".join(path.name for path in development)
    if reasons:
        last["reasons"] = str(reasons)
    stages["result"] = last
    run, results = Verb(name="benchmark", stages=stages, seed=seed, overrides=set or [], to=to).run()
    found = json_lines.loads((run / "result" / "result.json").read_text(encoding="utf-8"))
    if json:
        print_json(found)
        return
    _show(found, results)


def _refuse(useless: Mapping[str, bool]) -> None:
    """`ConfigError` for the first choice that was made and has no effect."""
    for why, made in useless.items():
        if made:
            raise ConfigError(f"no effect of {why}", mend="leave it out")


def _reads(name: str) -> Json:
    """The reader that the benchmark's files need."""
    from stepward import registry

    return cast("Json", cast("Any", registry.resolve("benchmark", name)).READS)


def _judging(judge: str, policy: str, votes: int | None) -> dict[str, Json]:
    """The judge's stage. Phases that run a model's code are left out."""
    from stepward.reward_models.generative.library import judge_format

    skip = [phase.name for phase in judge_format(judge).phases if phase.code_stop]
    return {
        "use": "judge",
        "judge": {"name": judge, "policy": {"path": policy}, "votes": votes, "skip": cast("Json", skip)},
    }


def _show(found: Json, results: dict[str, Json]) -> None:
    from stepward.codec import from_json
    from stepward.evaluation.benchmarks.result import BenchmarkResult
    from stepward.pipeline.benchmark_tables import benchmark_tables
    from stepward.reports.tables import rich_table

    console = Console()
    result = from_json(BenchmarkResult, found)
    for table in benchmark_tables(result):
        console.print(rich_table(table))
    rows = results.get("rows")
    told = [f"rows: {rows['report']}"] if isinstance(rows, dict) else []
    for line in (*result.told(), *told, result.sentence):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
