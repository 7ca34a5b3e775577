"""Weights & Biases. A run that went on continues its curves: its id is the training's key."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from stepward.errors import MissingExtraError
from stepward.training.trackers.contract import Run


class WeightsAndBiases:
    """Raises `MissingExtraError` where wandb is not installed. Its own settings come from its environment variables."""

    def __init__(self, run: Run) -> None:
        try:
            library: Any = importlib.import_module("wandb")
        except ImportError as error:
            raise MissingExtraError.of("wandb", "track") from error
        self._run = library.init(
            project=run.project,
            name=run.name,
            id=run.key,
            resume="allow",
            dir=str(run.folder),
            config=dict(run.settings),
        )

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """One row; the service keeps the first of a step that is given twice."""
        self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        """Send what is waiting."""
        self._run.finish()
