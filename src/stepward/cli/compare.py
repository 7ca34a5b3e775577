"""`stepward compare`: searches side by side on one problem set, at visible cost."""

from __future__ import annotations

import json as json_lines
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stepward.cli.conduct import print_json
from stepward.cli.verb import Verb, data_stage
from stepward.errors import ConfigError
from stepward.types import Json


def command(
    problems: Annotated[Path, typer.Argument(help="JSON lines with problem and answer.")],
    policy: Annotated[str, typer.Option(help="A model folder, smollm2 or quickstart.")] = "smollm2",
    model: Annotated[str, typer.Option(help="Folder of the step scorer (PRM).")] = "",
    orm: Annotated[str, typer.Option(help="Folder of an outcome scorer, for best-of-n beside the PRM.")] = "",
    methods: Annotated[
        str, typer.Option(help="Searches, by comma; see `stepward search --help`.")
    ] = "majority,best_of_n,weighted_majority,beam,dvts,rebase,particle_filter",
    n: Annotated[str, typer.Option("-n", help="Sizes, by comma.")] = "4,16",
    seeds: Annotated[str, typer.Option(help="Seeds, by comma.")] = "0",
    reduce: Annotated[str, typer.Option(help="How step scores become one number.")] = "min",
    tokens: Annotated[
        int, typer.Option(help="Most tokens of a trace, or of a step where a search goes by steps.")
    ] = 256,
    temperature: Annotated[float, typer.Option(help="Of sampling.")] = 1.0,
    format: Annotated[str, typer.Option(help="Format of the problems file.")] = "problems",
    set: Annotated[list[str] | None, typer.Option(help="Any other setting: stages.compared.chunk=8.")] = None,
    to: Annotated[Path | None, typer.Option(help="Run folder.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Compare searches; a table, a Pareto figure and the search trees are in the report that it writes."""
    sizes = _numbers(n, "-n")
    sampling: dict[str, Json] = {"max_tokens": tokens, "temperature": temperature}
    arms = _arms([name.strip().replace("-", "_") for name in methods.split(",")], sizes, sampling, reduce, (model, orm))
    compared: dict[str, Json] = {
        "use": "compare",
        "source": "problems",
        "policy": {"path": policy},
        "arms": arms,
        "seeds": _numbers(seeds, "--seeds"),
    }
    pool = f"best_of_n@{max(sizes)}"
    if pool in arms:
        compared["pool"] = compared["against"] = pool
    stages = {"problems": data_stage(problems, format), "compared": compared}
    run, results = Verb(name="compare", stages=stages, overrides=set or [], to=to).run()
    if json:
        print_json({**results, "run": str(run)})
        return
    from stepward.pipeline.searches.page import Compared
    from stepward.reports.tables import rich_table

    record = json_lines.loads((run / "compared" / "comparison.json").read_text(encoding="utf-8"))
    Console().print(rich_table(Compared.of(record).short()))
    Console().print(f"report: {run / 'compared' / 'report.html'}", highlight=False, soft_wrap=True)


def _arms(
    methods: list[str], sizes: list[int], sampling: dict[str, Json], reduce: str, models: tuple[str, str]
) -> dict[str, Json]:
    """Every method at every size, and best-of-n by the outcome scorer where there is one."""
    from stepward.search.presets import UNSCORED, preset

    prm, orm = models
    arms: dict[str, Json] = {}
    for method in methods:
        for size in sizes:
            arm: dict[str, Json] = {"search": preset(method, size, sampling=sampling, reduce=reduce)}
            if method not in UNSCORED and not prm:
                raise ConfigError(f"{method} scores steps", got="no --model", mend="name a PRM's folder with --model")
            arms[f"{method}@{size}"] = arm if method in UNSCORED else {**arm, "model": prm}
    for size in sizes if orm else ():
        arms[f"orm_best_of_n@{size}"] = {
            "search": preset("best_of_n", size, sampling=sampling, reduce="last"),
            "model": orm,
        }
    return arms


def _numbers(text: str, option: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"{option} takes whole numbers by comma", got=text, mend="such as 4,16") from None
