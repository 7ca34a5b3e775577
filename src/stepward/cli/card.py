"""`stepward card`: what a set of labelled traces is made of, and what to be warned of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from stepward.cli.conduct import print_json
from stepward.cli.stage_data import check_stage, stage_examples
from stepward.codec import to_json
from stepward.config import build
from stepward.datasets.card import Beside, CardTally
from stepward.datasets.card_text import card_text
from stepward.datasets.reading import Example, Reader, read
from stepward.types import Problem


def command(
    source: Annotated[Path, typer.Argument(help="RUN, RUN/STAGE, or a file of labelled traces.")],
    format: Annotated[str, typer.Option(help="What reads a file: any dataset reader.")] = "native",
    against: Annotated[list[Path] | None, typer.Option(help="Problems that must not stand in the set.")] = None,
    against_format: Annotated[str, typer.Option(help="What reads those problems.")] = "problems",
    json: Annotated[bool, typer.Option("--json", help="Print the card as one JSON document.")] = False,
) -> None:
    """Print the data card of labelled traces: provenance, balance, repeats, contamination, and warnings."""
    tally = CardTally()
    for example in _examples(source, format):
        tally.add(example.problem, example.labeled)
    references = {str(path): _problems(path, against_format) for path in against or []}
    card = tally.card(Beside(references=references))
    if json:
        print_json(to_json(card))
    else:
        typer.echo(card_text(card, f"Data card of {source}"), nl=False)


def _examples(source: Path, format: str) -> list[Example]:
    check_stage(source)
    if source.is_dir():
        return stage_examples(source)
    return list(read(cast("Reader[Example]", build("dataset", format, "format")), source).items)


def _problems(path: Path, format: str) -> list[Problem]:
    reader = cast("Reader[Example | Problem]", build("dataset", format, "against-format"))
    return [each.problem if isinstance(each, Example) else each for each in read(reader, path).items]
