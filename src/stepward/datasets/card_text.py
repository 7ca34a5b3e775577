"""A data card as a page of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from stepward.datasets.card import SHOWN, Balance, DataCard
from stepward.types import Json


def card_text(card: DataCard, title: str = "Data card") -> str:
    """`card` as Markdown, warnings first."""
    parts = [f"# {title}", _warnings(card), _headline(card)]
    parts += [_balances("Labels by place of the step", card.by_position)]
    parts += [_balances("Labels by length of the trace", card.by_length)]
    parts += [
        _table("First errors (place of the step)", card.first_errors, card.traces),
        _table("Verdicts on whole traces", card.verdicts, card.traces),
        _table("What labels mean", card.targets, card.labels),
        _table("Where labels come from", card.sources, card.labels),
        _table("Who made the labels", card.makers, card.labels),
        _table("Who wrote the traces", card.writers, card.traces),
        _table("Kinds of answers", card.kinds, card.problems),
        _table("In no label", card.counted, None),
        _table("Why labelling a trace ended", card.stopped, card.traces),
        _table("Problems that failed", card.failures, None),
        _contamination(card),
        _table("Cost", card.cost, None),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _warnings(card: DataCard) -> str:
    return "\n".join(f"- **Warning**: {_cell(each)}" for each in card.warnings)


def _headline(card: DataCard) -> str:
    share = f"{card.good / card.labels:.1%} good" if card.labels else "none"
    rows = {
        "problems": f"{card.problems:,}",
        "traces": f"{card.traces:,}",
        "steps": f"{card.steps:,}",
        "labels": f"{card.labels:,}, {share}",
        "completions or votes behind them": f"{card.trials:,}",
        "repeated traces": f"{card.repeats:,}, {card.disputed:,} with other labels",
    }
    return _rows(("", ""), rows.items())


def _balances(title: str, groups: Sequence[Balance]) -> str:
    if not groups:
        return ""
    shown = [(each.group, f"{each.labels:,}", f"{each.good / each.labels:.1%}") for each in groups[:SHOWN]]
    rest = groups[SHOWN:]
    if rest:
        labels, good = sum(each.labels for each in rest), sum(each.good for each in rest)
        shown.append((f"{rest[0].group} and more", f"{labels:,}", f"{good / labels:.1%}"))
    return f"## {title}\n\n" + _rows(("", "labels", "good"), shown)


def _table(title: str, counted: Mapping[str, Json], whole: int | None) -> str:
    if not counted:
        return ""
    shown = [(name, _value(count), _share(count, whole)) for name, count in list(counted.items())[:SHOWN]]
    if len(counted) > SHOWN:
        shown.append((f"{len(counted) - SHOWN} more", "", ""))
    columns = ("", "count", "share") if whole else ("", "")
    return f"## {title}\n\n" + _rows(columns, [row[: len(columns)] for row in shown])


def _contamination(card: DataCard) -> str:
    parts = []
    for each in card.contamination:
        parts.append(
            f"- {_cell(each.references)} ({each.size:,} problems): {each.problems:,} problems share words with it"
        )
        parts += [f"  - {_cell(pair[0])} and {_cell(pair[1])}: {_cell(pair[2])[:120]}" for pair in each.pairs]
    return "## Contamination\n\n" + "\n".join(parts) if parts else ""


def _rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join([*head, *(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows)])


def _cell(text: str) -> str:
    """`text` on one line of a table, with nothing that Markdown would read as its own."""
    flat = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "|`*<>[]" else letter for letter in flat)


def _value(count: Json) -> str:
    return f"{count:,}" if isinstance(count, int) else f"{count:,.4g}" if isinstance(count, float) else str(count)


def _share(count: Json, whole: int | None) -> str:
    return f"{count / whole:.1%}" if whole and isinstance(count, int) else ""
