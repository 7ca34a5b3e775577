"""Who is told how a training goes, and who may end it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from stepward.training.trackers.opening import check_trackers

Progress: TypeAlias = Callable[[Mapping[str, float]], None]


def _silent(report: Mapping[str, float]) -> None:
    """Tell nobody."""


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who is told of progress, and who may end it."""

    progress: Progress = _silent
    """Gets named numbers: step, steps, loss, held_out_loss, feature_tokens and the like."""
    stop: Callable[[], bool] = _never
    """Asked between steps; True saves and ends."""
    track: tuple[str, ...] = ()
    """Names of trackers that get every step's numbers, beside metrics.jsonl: tensorboard, wandb, trackio, mlflow."""

    def __post_init__(self) -> None:
        check_trackers(self.track)


SILENT = Watch()
