"""Shows the stages of a run in a terminal: how far, how fast, at what cost."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from stepward.types import Spend


class TerminalProgress:
    """A bar per stage on standard error; a line per finished stage where that is no terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.task: TaskID | None = None

    def begin(self, stage: str, total: int, unit: str) -> None:
        """Put up a bar."""
        if self.task is None:
            self.bar.start()
        else:
            self.bar.remove_task(self.task)
        self.task = self.bar.add_task(f"{stage} ({unit})", total=total or None, note="")

    def advance(self, done: int, spend: Spend, note: str = "") -> None:
        """Move the bar and tell the cost."""
        if self.task is not None:
            self.bar.update(self.task, completed=done, note=note or cost_text(spend))

    def end(self, stage: str, seconds: float | None) -> None:
        """Take the bar down and leave one line."""
        if self.task is not None:
            self.bar.remove_task(self.task)
            self.task = None
            self.bar.stop()
        took = "before" if seconds is None else f"{seconds:.1f} s"
        self.console.print(f"[green]done[/] {stage} [dim]{took}", highlight=False)


def cost_text(spend: Spend) -> str:
    """What was spent, in a few words."""
    parts = [
        (spend.policy_tokens, "tokens written"),
        (spend.prompt_tokens, "tokens read"),
        (spend.scorer_tokens, "tokens scored"),
    ]
    return ", ".join(f"{count:,} {what}" for count, what in parts if count)
