"""What filters share: leaving labels out, and the one label that counts cannot judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from stepward.types import LabeledTrace, StepLabel


def only(labeled: LabeledTrace, keep: Callable[[int, StepLabel], bool]) -> LabeledTrace:
    """`labeled` with None for every label that `keep`, asked with its step and itself, does not keep."""
    labels = tuple(
        label if label is not None and keep(step, label) else None for step, label in enumerate(labeled.labels)
    )
    return replace(labeled, labels=labels)


def emptied(labeled: LabeledTrace) -> LabeledTrace:
    """`labeled` without any label."""
    return replace(labeled, labels=(None,) * len(labeled.labels))


def is_own_verdict(labeled: LabeledTrace, step: int) -> bool:
    """Whether the label of `step` is the trace's verdict, not an estimate: one trial where nothing is left to write."""
    label = labeled.labels[step]
    last = step == len(labeled.labels) - 1 and labeled.trace.finish == "stop"
    return last and label is not None and label.trials == 1
