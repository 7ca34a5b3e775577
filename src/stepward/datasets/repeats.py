"""One example per trace, where several people labelled the same one.

PRM800K's quality-control solutions stand in up to 380 rows, and Verify-then-Generate's pupils' solutions in up to 8:
trained on as they are, these few would outweigh the rest. A step's merged label is the mean over those who
labelled it (None where nobody did), so disagreement stays visible as a value between 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from stepward.datasets.reading import Example
from stepward.errors import LabelError
from stepward.types import StepLabel


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Examples with distinct traces, in order of first sight."""

    examples: tuple[Example, ...]
    merged: int
    """Examples that were merged into an earlier one."""
    disputed: int
    """Traces with a step on which labels differed, or on which only some said anything."""


def one_per_trace(examples: Iterable[Example]) -> Merged:
    """Merge examples of equal traces. Problem, verdict, scores and `meta` are those of the first.

    Raises `LabelError` where the labels of one trace have different targets, or carry rollout counts.
    """
    groups: dict[str, list[Example]] = {}
    for example in examples:
        groups.setdefault(example.labeled.trace.id, []).append(example)
    return Merged(
        examples=tuple(_merge(group) for group in groups.values()),
        merged=sum(len(group) - 1 for group in groups.values()),
        disputed=sum(_disputed(group) for group in groups.values()),
    )


def _merge(group: Sequence[Example]) -> Example:
    first = group[0]
    if len(group) == 1:
        return first
    columns = zip(*(example.labeled.labels for example in group), strict=True)
    labels = tuple(_mean([label for label in column if label is not None]) for column in columns)
    return replace(first, labeled=replace(first.labeled, labels=labels))


def _mean(labels: Sequence[StepLabel]) -> StepLabel | None:
    if not labels:
        return None
    if len({label.target for label in labels}) > 1 or any(label.trials is not None for label in labels):
        raise LabelError(
            "labels of different targets, or with counts, have no plain mean", mend="merge them explicitly"
        )
    value = math.fsum(label.value for label in labels) / len(labels)
    return replace(labels[0], value=value, note=f"mean of {len(labels)}")


def _disputed(group: Sequence[Example]) -> bool:
    views = {tuple(None if label is None else label.value for label in example.labeled.labels) for example in group}
    return len(views) > 1
