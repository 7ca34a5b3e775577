"""Steps in one text, a marker after each, and a list of labels beside it: what openr and OpenRLHF train on.

A label is "+" or "-", true or false, or a number. The text must end with a marker and hold one for each label: where
they differ a step would get its neighbour's label, so the row is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stepward.datasets.rows import Row
from stepward.types import Json, StepLabel

SIGNS = {"+": 1.0, "-": 0.0}


def split_marked(row: Row, name: str, text: str, marker: str) -> list[str]:
    """The pieces of `text`, of field `name`, before each `marker`; `DataError` where it ends without one."""
    pieces = text.split(marker)
    if len(pieces) < 2 or pieces[-1].strip():
        raise row.error(name, f"must end with the marker {marker!r}", got=text[-40:])
    return pieces[:-1]


def listed_labels(row: Row, name: str, count: int, like: StepLabel) -> tuple[StepLabel, ...]:
    """`count` labels like `like`, with the values in the list `name`; `DataError` where there are more or fewer."""
    items = row.items(name)
    if len(items) != count:
        raise row.error(name, f"must hold one label for each of {count} markers", got=len(items))
    with row.blame(name):
        return tuple(replace(like, value=_value(row, f"{name}[{i}]", item)) for i, item in enumerate(items))


def join_marked(texts: Sequence[str], marker: str, between: str) -> str:
    """`texts`, each followed by a space and `marker`, with `between` between a marker and the next text."""
    return between.join(f"{text} {marker}" for text in texts)


def _value(row: Row, name: str, item: Json) -> float:
    if isinstance(item, str) and item.strip() in SIGNS:
        return SIGNS[item.strip()]
    if isinstance(item, bool | int | float):
        return float(item)
    raise row.error(name, 'must be "+", "-", true, false or a number', got=item)
