"""`stepward label`: a labeler puts a label on every step of every trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.markup import escape

from stepward.cli.conduct import escaped, print_json, tell
from stepward.cli.export import export_stage
from stepward.cli.verb import Verb, data_stage
from stepward.errors import ConfigError
from stepward.types import Json


def command(
    traces: Annotated[Path | None, typer.Argument(help="JSON lines with problem, answer and steps.")] = None,
    out: Annotated[Path, typer.Option(help="Where the labelled traces go, as JSON lines.")] = Path("labels.jsonl"),
    labeler: Annotated[str, typer.Option(help="Who labels; --list shows them all.")] = "rollout",
    show: Annotated[bool, typer.Option("--list", help="List the labelers, and what each one does.")] = False,
    policy: Annotated[str, typer.Option(help="The completer or judge: a folder, smollm2 or quickstart.")] = "",
    url: Annotated[str, typer.Option(help="An OpenAI-compatible server; --policy is the model's name there.")] = "",
    model: Annotated[str, typer.Option(help="Folder of a reward model, for labelers that read its scores.")] = "",
    reference: Annotated[str, typer.Option(help="For an implicit model: folder of the model it started from.")] = "",
    n: Annotated[int | None, typer.Option("-n", help="Completions of each prefix, or the labeler's own n.")] = None,
    harvest: Annotated[bool, typer.Option(help="Keep the traces that the labeler finds on its way.")] = False,
    workers: Annotated[int, typer.Option(help="1: this process; more: so many processes, a model each.")] = 1,
    concurrency: Annotated[int, typer.Option(help="Problems in flight at a time in each worker.")] = 32,
    against: Annotated[list[Path] | None, typer.Option(help="Problems that must not stand in the set.")] = None,
    format: Annotated[str, typer.Option(help="Format of the traces file.")] = "native",
    seed: Annotated[int, typer.Option(help="Fixes every rollout.")] = 0,
    set: Annotated[list[str] | None, typer.Option(help="Any other setting: labeler.n=4, retries.attempts=9.")] = None,
    retry_failed: Annotated[bool, typer.Option(help="Try problems that failed in a finished job again.")] = False,
    to: Annotated[Path | None, typer.Option(help="Run folder.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Label steps as a job that may be stopped or killed at any time: the same command goes on with it.

    Problems that fail are rows of failures.jsonl, and the job goes on. Undecided outcomes are counted, never called
    wrong. At the end a data card says what the set is made of.
    """
    if show:
        _show_labelers()
        return
    if traces is None:
        raise ConfigError("no traces are named", mend="stepward label TRACES, or --list to see the labelers")
    labels: dict[str, Json] = {"use": "label", "source": "traces", "labeler": _technique(labeler, n, seed)}
    labels |= {"workers": workers, "concurrency": concurrency, "harvest": harvest}
    if model:
        labels["scorer"] = {"path": model, "reference": reference}
    labels["benchmarks"] = [str(each) for each in against or []]
    if policy or url:
        labels["policy"] = {"path": policy, **({"engine": "openai", "url": url} if url else {})}
    stages = {"traces": data_stage(traces, format), "labels": labels}
    retry = frozenset({"labels"} if retry_failed else ())
    overrides = [each if each.startswith("stages.") else f"stages.labels.{each}" for each in set or []]
    run, results = Verb(name="label", stages=stages, seed=seed, overrides=overrides, to=to, retry=retry).run()
    rows = export_stage(run, "labels", out)
    if json:
        print_json({**results, "rows": rows, "out": str(out), "run": str(run)})
    else:
        _show(run, cast("Mapping[str, Any]", results["labels"]), f"{rows} labelled traces: {out}")


def _technique(labeler: str, n: int | None, seed: int) -> dict[str, Json]:
    """The labeler's settings: `n` and a sampling seed where it has such fields."""
    from stepward import registry

    found = registry.resolve("labeler", labeler)
    known = [each.name for each in fields(found)] if is_dataclass(found) else []
    if n is not None and "n" not in known:
        raise ConfigError(
            f"labeler {labeler!r} takes no -n", got=n, mend=f"its settings, for --set labeler.NAME=: {', '.join(known)}"
        )
    settings: dict[str, Json] = {"use": labeler}
    if n is not None:
        settings["n"] = n
    if "sampling" in known:
        settings["sampling"] = {"seed": seed}
    return settings


def _show_labelers() -> None:
    """One row a labeler: its name and the first sentence about it."""
    from rich.table import Table

    from stepward import registry
    from stepward.errors import MissingExtraError

    table = Table.grid(padding=(0, 2))
    for name in registry.names("labeler"):
        try:
            about = (registry.resolve("labeler", name).__doc__ or "").strip().split("\n\n")[0]
        except MissingExtraError as error:
            about = str(error)
        table.add_row(f"[bold]{name}[/]", escape(" ".join(about.split())))
    Console().print(table, highlight=False)


def _show(run: Path, result: Mapping[str, Any], written: str) -> None:
    """What came of it, and what to look at."""
    console, folder = Console(), run / "labels"
    console.print(escaped(result["headline"]), highlight=False, soft_wrap=True)
    console.print(written, highlight=False, soft_wrap=True, markup=False)
    console.print(f"data card: {folder / 'card.md'}\nrun folder: {run}", highlight=False, soft_wrap=True, markup=False)
    for warning in result["warnings"]:
        tell(f"[bold yellow]warning[/] {escaped(warning)}")
    if result["failed"]:
        why = ", ".join(f"{count} {name}" for name, count in result["failures"].items())
        where = escaped(f"{result['failed']} problems ({why}): {folder / 'failures.jsonl'}")
        tell(f"[bold red]failed[/] {where}\nTo try them again: the same command with --retry-failed")
