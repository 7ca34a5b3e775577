"""The command `stepward`."""

from __future__ import annotations

import typer

from stepward.cli import (
    benchmark,
    card,
    compare,
    doctor,
    evaluate,
    export,
    formats,
    label,
    leaderboard,
    quickstart,
    report,
    run,
    runs,
    sample,
    score,
    search,
    segment,
    train,
)
from stepward.cli.conduct import no_traceback, quiet_libraries

EPILOG = (
    "Exit codes: 0 finished, 1 a fault of Stepward, 2 your command or input must be mended, 130 stopped on request."
)

app = typer.Typer(
    name="stepward",
    help="Judge every step of an LLM's reasoning: label, train, score, evaluate, search.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for verb in (
    quickstart,
    run,
    sample,
    segment,
    label,
    card,
    train,
    score,
    evaluate,
    benchmark,
    search,
    compare,
    report,
    leaderboard,
    runs,
    doctor,
):
    app.command(name=verb.__name__.rpartition(".")[2])(verb.command)
app.add_typer(formats.app, name="formats")
app.add_typer(export.app, name="export")


def main() -> None:
    """Run the command line; the user's mistakes end it with a message and exit code 2."""
    quiet_libraries()
    with no_traceback():
        app()


if __name__ == "__main__":
    main()
