"""One trace on a terminal and in a notebook.

Every step stands with its number, its score as text, a bar and a tint, its label, and its own words;
the first likely error is said in words. So nothing is lost without colour (NO_COLOR, a pipe, a
colour-blind reader). Text past `longest` characters of a step is counted, never silently cut.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass

from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.style import Style
from rich.table import Table as Grid
from rich.text import Text

from stepward.reports.model import NO_ERROR, TraceView
from stepward.reports.palette import INK, TONES, on_white, rgba, tint
from stepward.reports.tables import number_text
from stepward.reports.text import count, one_line, visible
from stepward.types import StepLabel

WORDS = {"equal": "correct", "different": "wrong", "unparsable": "unparsable", "undecided": "undecided"}
"""What a reader calls a verdict."""
NARROW = 64
"""Columns below which a step's words stand under its score instead of beside it."""
BAR = 6


def verdict_word(view: TraceView) -> str:
    """What the verifier said: "correct", "wrong", "unparsable", "undecided" or "not judged"."""
    return WORDS[view.verdict] if view.verdict else "not judged"


def label_text(label: StepLabel | None) -> str:
    """A label in words, such as "value 5/8 by rollout" or "prefix: wrong by human"; empty where there is none."""
    if label is None:
        return ""
    if label.trials is not None:
        return f"{label.target} {label.successes}/{label.trials} by {label.source}"
    if label.target in ("value", "progress"):
        return f"{label.target} {number_text(label.value, 2)} by {label.source}"
    grade = "" if label.value in (0.0, 1.0) else f" ({number_text(label.value, 2)})"
    return f"{label.target}: {'right' if label.good else 'wrong'}{grade} by {label.source}"


def marks(view: TraceView, index: int) -> tuple[str, ...]:
    """What to say of step `index` beside its numbers: whose first error it is."""
    said = []
    if view.predicted_error == index:
        said.append("first likely error")
    if view.true_error == index:
        said.append("first error by label")
    return tuple(said)


def score_text(value: float | None) -> str:
    """A score with two decimals, or a dash."""
    return "–" if value is None else number_text(value, 2)


def facts(view: TraceView) -> tuple[str, ...]:
    """Answer, verdict, first errors, outcome score, tags and note: one phrase each, foreign text made visible."""
    said = [f"answer {visible(view.answer)}" if view.answer is not None else "states no answer"]
    if view.reference is not None:
        said.append(f"reference {visible(view.reference)}")
    said.append(verdict_word(view))
    said.append(f"first error by label: {_error_text(view.true_error)}")
    said.append(f"first likely error: {_error_text(view.predicted_error)}")
    if view.outcome_score is not None:
        said.append(f"outcome score {score_text(view.outcome_score)}")
    return tuple(said) + tuple(visible(text) for text in (*view.tags, view.note) if text)


def _error_text(index: int | None) -> str:
    return "not known" if index is None else "none" if index == NO_ERROR else f"step {index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalTrace:
    """A trace for a rich console, as wide as the console is."""

    view: TraceView
    longest: int = 2000
    """Characters shown of one step, and of the problem; the rest is counted."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        view, dot = self.view, " | " if options.ascii_only else " · "
        yield Text.assemble(("trace ", "dim"), (visible(view.id), "bold"))
        yield Padding(Text(self._shown(view.problem)), (0, 0, 1, 2))
        if view.tracks:
            yield Text("  scores by " + dot.join(visible(track.scorer) for track in view.tracks), style="dim")
        if not view.steps:
            yield Text("  (no steps)", style="dim")
        elif options.max_width < NARROW:
            yield from self._stacked(options.ascii_only)
        else:
            yield self._grid(options.ascii_only)
        yield Padding(Text(dot.join(facts(view)), style="dim"), (1, 0, 0, 2))

    def _grid(self, ascii_only: bool) -> Grid:
        grid = Grid.grid(padding=(0, 1))
        grid.add_column(justify="right", no_wrap=True, style="dim")
        for _ in self.view.tracks:
            grid.add_column(no_wrap=True)
        grid.add_column(ratio=1, overflow="fold")
        for index in range(len(self.view.steps)):
            grid.add_row(f"  {index}", *self._chips(index, ascii_only), self._words(index, ascii_only))
        return grid

    def _stacked(self, ascii_only: bool) -> Iterator[Text | Padding]:
        for index in range(len(self.view.steps)):
            yield Text(" ").join([Text(f"step {index}", style="dim"), *self._chips(index, ascii_only)])
            yield Padding(self._words(index, ascii_only), (0, 0, 0, 2))

    def _chips(self, index: int, ascii_only: bool) -> list[Text]:
        return [
            _chip(track.values[index], shade, ascii_only)
            for track in self.view.tracks
            for shade in [track.shades()[index]]
        ]

    def _words(self, index: int, ascii_only: bool) -> Text:
        words = Text(self._shown(self.view.steps[index].strip("\n")))
        if said := marks(self.view, index):
            words.append(f"\n{'<--' if ascii_only else '◀'} {', '.join(said)}", style="bold")
        if self.view.labels and (label := label_text(self.view.labels[index])):
            words.append(f"\n{label}", style="dim")
        return words

    def _shown(self, text: str) -> str:
        rest = len(text) - self.longest
        return visible(text) if rest <= 0 else f"{visible(text[: self.longest])} ... ({count(rest, 'more character')})"


def _chip(value: float | None, shade: float | None, ascii_only: bool) -> Text:
    """The number and a bar on a tint: "0.31 ██    "."""
    if value is None or shade is None:
        return Text(f" {'-' if ascii_only else '–':>5} {'':{BAR}} ", style="dim")
    bar = ("#" if ascii_only else "█") * round(shade * BAR)
    number = score_text(value).replace("−", "-") if ascii_only else score_text(value)
    ground = Style(color=Color.parse(INK), bgcolor=Color.from_rgb(*on_white(shade)))
    drawn = Style(color=Color.parse(INK if ascii_only else TONES[tint(shade)[0]].light))
    return Text.assemble(f" {number:>5} ", Text(f"{bar:{BAR}} ", style=drawn), style=ground)


def notebook_html(view: TraceView, longest: int = 2000) -> str:
    """A self-contained HTML fragment: no script, all foreign text escaped, readable on light and dark grounds."""
    scorers = "".join(f"<th {_cell('right')}>{_escape(one_line(track.scorer, 24))}</th>" for track in view.tracks)
    label = f"<th {_cell()}>label</th>" if view.labels else ""
    rows = "".join(_notebook_row(view, index, longest) for index in range(len(view.steps)))
    return (
        f'<div style="max-width:60em"><p {_words()}>{_clipped(view.problem, longest)}</p>'
        '<table style="border-collapse:collapse;color:inherit;font-size:inherit">'
        f"<thead><tr><th {_cell('right')}>step</th>{scorers}<th {_cell()}>text</th>{label}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
        f'<p style="opacity:.75;overflow-wrap:anywhere">{_escape(" · ".join(facts(view)))}</p></div>'
    )


def _notebook_row(view: TraceView, index: int, longest: int) -> str:
    shades = [track.shades()[index] for track in view.tracks]
    scores = "".join(
        f"<td {_cell('right', shade)}>{_escape(score_text(track.values[index]))}</td>"
        for track, shade in zip(view.tracks, shades, strict=True)
    )
    said = "".join(f"<br><strong>◀ {_escape(mark)}</strong>" for mark in marks(view, index))
    words = _clipped(view.steps[index].strip("\n"), longest)
    label = f"<td {_cell()}>{_escape(label_text(view.labels[index]))}</td>" if view.labels else ""
    ground = shades[0] if shades else None
    return f"<tr><td {_cell('right')}>{index}</td>{scores}<td {_words(ground)}>{words}{said}</td>{label}</tr>"


def _cell(side: str = "left", shade: float | None = None) -> str:
    return f'style="{_ground(shade)}text-align:{side};white-space:nowrap;font-variant-numeric:tabular-nums"'


def _words(shade: float | None = None) -> str:
    return f'dir="auto" style="{_ground(shade)}text-align:start;white-space:pre-wrap;overflow-wrap:anywhere"'


def _ground(shade: float | None) -> str:
    tint = "" if shade is None else f"background:{rgba(shade)};"
    return f"{tint}vertical-align:top;padding:.25em .6em;"


def _clipped(text: str, longest: int) -> str:
    rest = len(text) - longest
    if rest <= 0:
        return _escape(text)
    return f"{_escape(text[:longest])}<br><em>{count(rest, 'more character')}</em>"


def _escape(text: str) -> str:
    return html.escape(visible(text), quote=True)
