"""`stepward search`: spends a policy and a reward model on problems, and says what was chosen at what cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stepward.cli.conduct import print_json
from stepward.cli.verb import Verb, data_stage
from stepward.errors import ConfigError
from stepward.search.presets import METHODS, UNSCORED, preset
from stepward.types import Json


def command(
    problems: Annotated[Path, typer.Argument(help="JSON lines with problem and, to be judged, answer.")],
    method: Annotated[str, typer.Option(help=f"One of {', '.join(METHODS)}.")] = "best_of_n",
    policy: Annotated[str, typer.Option(help="A model folder, smollm2 or quickstart.")] = "smollm2",
    model: Annotated[str, typer.Option(help="Folder of a reward model, for methods that score.")] = "",
    n: Annotated[int, typer.Option("-n", help="Traces, beams or simulations under way: the method's size.")] = 8,
    reduce: Annotated[str, typer.Option(help="How step scores become one number.")] = "min",
    tokens: Annotated[int, typer.Option(help="Most tokens of a trace, or of a step where it goes by steps.")] = 256,
    format: Annotated[str, typer.Option(help="Format of the problems file.")] = "problems",
    seed: Annotated[int, typer.Option(help="Fixes every trace.")] = 0,
    set: Annotated[list[str] | None, typer.Option(help="Any other setting: stages.found.chunk=8.")] = None,
    to: Annotated[Path | None, typer.Option(help="Run folder.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Search answers; every token is counted, the traces not chosen included."""
    name = method.replace("-", "_")
    technique = preset(name, n, sampling={"seed": seed, "max_tokens": tokens}, reduce=reduce)
    if name not in UNSCORED and not model:
        raise ConfigError(f"{name} scores steps", got="no --model", mend="name a PRM's folder with --model")
    found: dict[str, Json] = {
        "use": "search",
        "source": "problems",
        "search": technique,
        "policy": {"path": policy},
        "model": model,
    }
    stages = {"problems": data_stage(problems, format), "found": found}
    run, results = Verb(name="search", stages=stages, seed=seed, overrides=set or [], to=to).run()
    if json:
        print_json({**results, "run": str(run)})
        return
    result = results["found"]
    headline = result["headline"] if isinstance(result, dict) else ""
    Console().print(f"{headline}\nanswers: {run / 'found' / 'results.jsonl'}", highlight=False, soft_wrap=True)
