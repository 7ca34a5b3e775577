"""`stepward formats`: how each family of reward models reads a solution and what its scores mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stepward.cli.conduct import escaped, print_json

if TYPE_CHECKING:
    from stepward.reward_models.formats.layout import Frame, Piece
    from stepward.reward_models.formats.record import PRMFormat
    from stepward.reward_models.generative.record import JudgeFormat

app = typer.Typer(no_args_is_help=False, rich_markup_mode="rich", add_completion=False)

PROBLEM = "Ann has 3 ducks and buys 4 more. How many has she?"
STEPS = ("She starts with 3 and buys 4.", "3 + 4 = 7, so the answer is 7.")
"""What examples show."""

GROUPS = {
    "checkpoints": ("checkpoints", "architectures", "model_types", "reference", "images"),
    "text": ("layout", "assembly", "opening", "system", "prompt", "step", "steps_in", "generation_prompt", "answer",
             "passes", "strip", "line_breaks"),
    "marker": ("marker", "marker_ids", "one_token", "between", "keep_marker", "added", "marker_like", "inside"),
    "reading": ("read", "shift", "output", "answers", "answer_piece", "answer_ids", "classes", "head_keys",
                "coefficient"),
    "score": ("convention", "target", "polarity", "aggregation", "threshold", "context", "overflow"),
}  # fmt: skip
"""Fields in the order they are shown; name, summary, source and notes stand above and below."""

WIDE = 100
"""Columns from which a format's family stands beside its name."""

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@app.callback(invoke_without_command=True)
def command(context: typer.Context, json: AsJson = False) -> None:
    """List the formats of public reward models; `formats show NAME` shows one with an example."""
    if context.invoked_subcommand is not None:
        return
    from stepward.reward_models.formats.library import FORMATS

    judges = _judges()
    if json:
        print_json({
            "formats": [format.to_json() for format in FORMATS.values()],
            "judges": [judge.to_json() for judge in judges.values()],
        })  # fmt: skip
        return
    console = Console()
    console.print(_table(list(FORMATS.values()), summaries=console.width >= WIDE))
    if judges:
        console.print()
        console.print(_judge_table(list(judges.values())))
    console.print("[dim]stepward formats show NAME tells all of one; NAME may be a YAML file of your own[/]")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A format's name, or a YAML or JSON file that holds one.")],
    json: AsJson = False,
) -> None:
    """Show every field of one format, and how it writes a solution of two steps."""
    judges = _judges()
    if name in judges:
        _show_judge(judges[name], json)
        return
    from stepward.reward_models.formats.library import get_format

    format = get_format(name)
    if json:
        text = "\n".join("".join(piece.text for piece in pieces) for pieces in _examples(format))
        example = {"problem": PROBLEM, "steps": list(STEPS), "text": text}
        print_json({"format": format.to_json(), "example": example})
        return
    console = Console()
    console.print(f"[bold]{escaped(format.name)}[/]  {escaped(format.summary)}")
    console.print(Text(f"{format.source}\n", "dim"))
    for title, names in GROUPS.items():
        console.print(_group(title, format, names))
    _print_example(console, format)
    for note in format.notes:
        console.print(Padding(Text(f"• {note}"), (0, 0, 0, 2)))


def _table(formats: list[PRMFormat], *, summaries: bool) -> Table:
    table = Table(box=None, header_style="bold", expand=summaries, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("format", no_wrap=True)
    if summaries:
        table.add_column("family", no_wrap=True, overflow="ellipsis", ratio=1)
    for column in ("marker", "score", "joined by"):
        table.add_column(column, no_wrap=True)
    for format in formats:
        table.add_row(
            f"[cyan]{format.name}[/]",
            *([escaped(format.summary)] if summaries else []),
            f"turn {_shown(format.answer)}" if format.layout == "turns" else _shown(format.marker),
            _score(format),
            format.aggregation,
        )
    return table


def _judge_table(judges: list[JudgeFormat]) -> Table:
    table = Table(box=None, header_style="bold", expand=True, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("judge, writes text", no_wrap=True)
    table.add_column("family", no_wrap=True, overflow="ellipsis", ratio=1)
    for judge in judges:
        table.add_row(Text(judge.name, "cyan"), Text(judge.summary))
    return table


def _score(format: PRMFormat) -> str:
    """How the outputs become a score, in a few characters."""
    good = escaped(format.answers[0].strip()) if format.answers else ""
    return {
        "head": "own head",
        "tokens": f"P({good})",
        "token": f"P({good}) of all",
        "classes": f"class {'+'.join(map(str, format.classes))}",
        "scalar": "value head",
        "mean_logits": "mean logit",
        "log_ratio": "log-ratio",
    }[format.output] + ("" if format.convention in ("probability", "log_ratio") else f" ({format.convention})")


def _shown(text: str) -> str:
    """A marker with its white space visible."""
    return escaped(text.replace(" ", "␣").replace("\n", "↵")) or "[dim]none[/]"


def _group(title: str, format: PRMFormat, names: tuple[str, ...]) -> Table:
    defaults = {field.name: field.default for field in fields(format)}
    table = _fields_table()
    table.add_row(Text(title, "bold"), "")
    for name in names:
        value = getattr(format, name)
        table.add_row(Text(f"  {name}", "cyan"), Text(_value(value), "dim" if value == defaults[name] else ""))
    return table


def _fields_table() -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, min_width=19)
    table.add_column(overflow="fold")
    return table


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return ("\n" if any(len(str(each)) > 40 for each in value) else ", ").join(map(_value, value)) or "none"
    if value is None or value == "":
        return "none"
    if isinstance(value, str):
        return repr(value) if value != value.strip() or "\n" in value else value
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _examples(format: PRMFormat) -> Iterator[list[Piece]]:
    """The pieces of the example; one list per pass for a format that asks in passes."""
    from stepward.reward_models.formats.layout import layout, one_pass, step_text

    steps = [step_text(format, step) for step in STEPS]
    if not format.passes:
        yield layout(format, PROBLEM, steps, _stand_in)
    for index in range(len(format.passes)):
        found = [format.answers[0]] * (2 * index)
        yield one_pass(format, PROBLEM, steps, found, _stand_in)


def _stand_in(roles: tuple[str, ...], opened: bool) -> Frame:
    """Shows who speaks, where a checkpoint's chat template would write tokens of its own."""
    from stepward.reward_models.formats.layout import Frame

    heads = [f"⟨{role}⟩ " for role in (*roles, *(["assistant"] if opened else []))]
    texts = [heads[0], *(f"\n{head}" for head in heads[1:])]
    return Frame(texts=(*texts, *([""] if len(texts) == len(roles) else [])), trims=(False,) * len(roles))


def _print_example(console: Console, format: PRMFormat) -> None:
    console.print(Text("example", "bold"), Text("; a checkpoint's chat template stands for ⟨…⟩" if format.chat else ""),
                  sep="")  # fmt: skip
    for pieces in _examples(format):
        text = Text()
        for piece in pieces:
            text.append(*_styled(format, piece))
        console.print(Padding(text, (0, 0, 0, 2)))
    where = {
        "marker": "Each mark is read.",
        "before": "The token before each mark is read.",
        "prefix": "Each step is read where the dialogue that ends with it, encoded by itself, ends.",
    }[format.read]
    taken = "" if format.keep_marker else " Marks are taken out again."
    console.print(Padding(Text(where + taken, "italic"), (0, 0, 0, 2)))


def _styled(format: PRMFormat, piece: Piece) -> tuple[str, str]:
    if piece.role in ("mark", "drop"):
        seen = piece.text.replace("\n", "↵")
        return seen, "black on yellow" if piece.role == "mark" and format.keep_marker else "black on bright_black"
    return piece.text, "dim" if piece.role == "frame" else ""


def _judges() -> dict[str, JudgeFormat]:
    """Formats of judges that generate text, by name."""
    from stepward.reward_models.generative.library import JUDGES

    return dict(JUDGES)


def _show_judge(judge: JudgeFormat, json: bool) -> None:
    record = judge.to_json()
    if json:
        print_json({"judge": record})
        return
    console = Console()
    console.print(f"[bold]{escaped(judge.name)}[/]  {escaped(judge.summary)}")
    table = _fields_table()
    for name, value in record.items():
        if name not in ("name", "summary"):
            table.add_row(Text(f"  {name}", "cyan"), Text(value if isinstance(value, str) else f"{value}"))
    console.print(table)
