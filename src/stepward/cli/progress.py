"""Shows the stages of a run in a terminal: how far, how fast, at what cost."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from stepward.types import Spend

QUIET = 60.0
"""Seconds between two lines about a stage where there is no terminal."""


class TerminalProgress:
    """A bar per stage on standard error; where that is no terminal, a line now and then and one per finished stage."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=9)),
            TimeElapsedColumn(table_column=Column(no_wrap=True, min_width=7)),
            TextColumn("[dim]{task.fields[note]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
            console=self.console,
            expand=True,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.task: TaskID | None = None
        self._stage, self._total, self._said = "", 0, 0.0

    def begin(self, stage: str, total: int, unit: str) -> None:
        """Put up a bar."""
        if self.task is None:
            self.bar.start()
        else:
            self.bar.remove_task(self.task)
        self.task = self.bar.add_task(f"{stage} ({unit})", total=total or None, note="")
        self._stage, self._total, self._said = stage, total, time.monotonic()

    def advance(self, done: int, spend: Spend, note: str = "") -> None:
        """Move the bar and tell the cost."""
        told = note or cost_text(spend)
        if self.task is not None:
            self.bar.update(self.task, completed=done, note=told)
        if not self.console.is_terminal and time.monotonic() - self._said > QUIET:
            self._said = time.monotonic()
            self.console.print(f"{self._stage} {done}/{self._total} {told}", highlight=False, soft_wrap=True)

    def end(self, stage: str, seconds: float | None) -> None:
        """Take the bar down and leave one line."""
        self.close()
        took = "before" if seconds is None else f"{seconds:.1f} s"
        self.console.print(f"[green]done[/] {stage} [dim]{took}", highlight=False)

    def close(self) -> None:
        """Take the bar down, if one is up."""
        if self.task is not None:
            self.bar.remove_task(self.task)
            self.task = None
            self.bar.stop()


def cost_text(spend: Spend) -> str:
    """What was spent, in a few words."""
    parts = [
        (spend.policy_tokens, "tokens written"),
        (spend.prompt_tokens, "tokens read"),
        (spend.scorer_tokens, "tokens scored"),
    ]
    return ", ".join(f"{count:,} {what}" for count, what in parts if count)
