"""`stepward export`: labelled steps and reward models in the forms that others read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Console

from stepward.cli.conduct import escaped, print_json, tell
from stepward.cli.stage_data import check_stage, stage_examples
from stepward.config import apply_overrides, build
from stepward.datasets.exchange import Writer, Written
from stepward.datasets.lines import STDIN
from stepward.datasets.native_write import NativeWriter
from stepward.datasets.reading import Example, Reader, read
from stepward.errors import ConfigError
from stepward.types import Json, Problem

app = typer.Typer(help="Write labelled steps, or a reward model, in the forms that others read.", no_args_is_help=True)

TARGETS = ("token-classification",)


@app.command()
def dataset(
    source: Annotated[str, typer.Argument(help='RUN, RUN/STAGE, or a file ("-" is standard input).')],
    to: Annotated[
        str,
        typer.Option(help="trl, math-shepherd, rlhflow, math-aps, fover, openrlhf, preferences or native."),
    ],
    out: Annotated[Path, typer.Option(help='Where the rows go; gzipped for .gz, "-" is standard output.')],
    from_: Annotated[str, typer.Option("--from", help="What reads a file: any dataset reader.")] = "native",
    set: Annotated[
        list[str] | None, typer.Option(help="A choice of the writer or reader: to.values=soft, from.neutral=drop.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Write step labels in a public format; what the format cannot hold is counted and said."""
    spec: dict[str, Json] = {"from": {"use": from_}, "to": {"use": to}}
    apply_overrides(spec, set or [])
    writer = cast("Writer", build("writer", spec["to"], "to"))
    examples, report = _examples(source, spec["from"])
    written = writer.write(out, examples)
    if not written.rows:
        out.unlink(missing_ok=True)
        raise ConfigError(f"there is nothing in {source} that {to} can hold", got=str(written))
    if json and str(out) != STDIN:
        print_json({"out": str(out), "format": to, "read": report, **_counts(written)})
    else:
        tell(escaped(f"read: {report}\nwritten to {out}: {written}"))


@app.command()
def model(
    checkpoint: Annotated[Path, typer.Argument(help="Folder of a reward model.")],
    out: Annotated[Path, typer.Option(help="Folder that the exported model goes into; new or empty.")],
    to: Annotated[str, typer.Option(help="token-classification: transformers, TRL and vLLM load it.")] = TARGETS[0],
    raw: Annotated[bool, typer.Option("--raw", help="Leave the calibrator out.")] = False,
    backbone: Annotated[Path | None, typer.Option(help="Where the backbone lies, if it has moved.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write a reward model as a folder that needs no Stepward: same scores, labels wrong and right."""
    from stepward.reward_models.export import export_token_classifier

    if to not in TARGETS:
        raise ConfigError("a model is not exported to this", got=to, mend=f"one of {', '.join(TARGETS)}")
    done = export_token_classifier(checkpoint, out, calibrated=not raw, backbone=backbone)
    marker = done.format.marker_ids[0]
    if json:
        found: dict[str, Json] = {"out": str(done.folder), "architecture": done.architecture, "notes": list(done.notes)}
        print_json(found | {"marker": done.format.marker, "marker_id": marker})
        return
    lines = [f"{done.folder}: {done.architecture}, scores at {done.format.marker} (id {marker}), label 1", *done.notes]
    Console().print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def export_stage(run: Path, stage: str, out: Path) -> int:
    """Write the traces or labels of `stage` of `run` as our own rows; the number of rows."""
    return NativeWriter().write(out, stage_examples(run / stage)).rows


def _examples(source: str, reader: Json) -> tuple[list[Example], str]:
    """What `source` holds, and one line on it."""
    folder = Path(source)
    check_stage(folder)
    if folder.is_dir():
        found = stage_examples(folder)
        return found, f"{source}: {len(found)} traces"
    reading = read(cast("Reader[Example | Problem]", build("dataset", reader, "from")), source)
    examples = [item for item in reading.items if isinstance(item, Example)]
    if not examples:
        raise ConfigError(f"{source} holds no traces", got=str(reading.report), mend="name a file with steps")
    return examples, str(reading.report)


def _counts(written: Written) -> Mapping[str, Json]:
    return {
        "rows": written.rows,
        "examples_left_out": written.examples_left_out,
        "steps_left_out": written.steps_left_out,
        "lost": dict(written.lost),
    }
