"""Opens trackers by name, and closes them whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from stepward.errors import ConfigError
from stepward.training.trackers.contract import Run, Tracker
from stepward.training.trackers.mlflow import MLflow
from stepward.training.trackers.tensorboard import TensorBoard
from stepward.training.trackers.trackio import Trackio
from stepward.training.trackers.wandb import WeightsAndBiases

TRACKERS: Mapping[str, Callable[[Run], Tracker]] = {
    "mlflow": MLflow,
    "tensorboard": TensorBoard,
    "trackio": Trackio,
    "wandb": WeightsAndBiases,
}


def check_trackers(names: Sequence[str]) -> None:
    """Raise `ConfigError` for a name that no tracker has."""
    unknown = sorted(set(names) - set(TRACKERS))
    if unknown:
        raise ConfigError("a tracker of this name is not known", got=unknown, mend=f"take one of {sorted(TRACKERS)}")


@contextmanager
def tracking(names: Sequence[str], run: Run) -> Iterator[tuple[Tracker, ...]]:
    """The trackers with these names, closed at the end. Raises `ConfigError` and `MissingExtraError`."""
    check_trackers(names)
    with ExitStack() as stack:
        found = []
        for name in names:
            tracker = TRACKERS[name](run)
            stack.callback(tracker.close)
            found.append(tracker)
        yield tuple(found)
