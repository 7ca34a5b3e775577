"""TensorBoard: event files in the run's folder `tensorboard`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stepward.errors import MissingExtraError
from stepward.training.trackers.contract import Run


class TensorBoard:
    """Raises `MissingExtraError` where tensorboard is not installed."""

    def __init__(self, run: Run) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError.of("tensorboard", "track") from error
        writer: Any = SummaryWriter
        self._writer = writer(log_dir=str(run.folder / "tensorboard"))

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """One point a name."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush the event file."""
        self._writer.close()
