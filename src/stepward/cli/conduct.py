"""What every verb shares: running stages in a run folder, stopping on request, and errors without a traceback.

Exit codes: 0 finished; 1 a fault of Stepward's own; 2 the command or its input must be mended; 130
stopped on request (Ctrl-C or SIGTERM), everything finished is kept.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType

import typer
from rich.console import Console

from stepward.errors import StepwardError
from stepward.types import Json

RUNS = Path("runs")
MISTAKE, STOPPED = 2, 130


def execute(
    mapping: Mapping[str, Json], folder: Path, *, again: str, retry: frozenset[str] = frozenset()
) -> dict[str, Json]:
    """Run the recipe in `mapping`; `again` is the command that goes on after a stop.

    Stages in `retry` are gone through once more though they are finished, for what failed in them.
    """
    from stepward.cli.progress import TerminalProgress
    from stepward.pipeline.runner import Conduct, Recipe, run_recipe
    from stepward.pipeline.workshop import Stopped

    progress = TerminalProgress()
    try:
        with stop_request() as stopping, closing(progress):
            conduct = Conduct(progress=progress, stopping=stopping, again=retry)
            return run_recipe(Recipe.of(mapping), folder, conduct)
    except (Stopped, KeyboardInterrupt):
        tell(f"Stopped. Everything finished is kept in {folder}.\nTo go on: {again}")
        _leave_busy_threads()
        raise typer.Exit(STOPPED) from None


def _leave_busy_threads() -> None:
    """End the process now if an engine is in the middle of a call: nothing else can stop its thread."""
    me = threading.main_thread()
    busy = [each for each in threading.enumerate() if each is not me and not each.daemon]
    for each in busy:
        each.join(0.2)
    if any(each.is_alive() for each in busy):
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(STOPPED)


@contextmanager
def stop_request() -> Iterator[Callable[[], bool]]:
    """Within it, a first Ctrl-C or SIGTERM asks work to end at the next safe point, a second one ends it at once."""
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        tell("Stopping at the next safe point; press Ctrl-C again to stop at once.")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def no_traceback() -> Iterator[None]:
    """Turns the user's mistakes, and a stop, into a message and an exit code."""
    try:
        yield
    except StepwardError as error:
        tell(f"[bold red]error[/] {escaped(str(error))}")
        raise SystemExit(MISTAKE) from None
    except KeyboardInterrupt:
        tell("Stopped.")
        raise SystemExit(STOPPED) from None


def tell(text: str) -> None:
    """Say `text`, with rich markup, on standard error."""
    Console(stderr=True).print(text, highlight=False, soft_wrap=True)


def escaped(text: str) -> str:
    """`text` with control characters shown and markup taken literally."""
    from rich.markup import escape

    from stepward.reports.text import visible

    return escape("\n".join(visible(line) for line in text.split("\n")))


def print_json(value: Json) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def quiet_libraries() -> None:
    """Keep other libraries' progress bars and advice out of the terminal; their errors still come through."""
    import os

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # small models on shared cores: waiting threads must sleep
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    warnings.filterwarnings("ignore", module="transformers")
