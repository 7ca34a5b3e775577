"""trackio: a local dashboard with the face of Weights & Biases. A run is continued by its name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from stepward.errors import MissingExtraError
from stepward.training.trackers.contract import Run


class Trackio:
    """Raises `MissingExtraError` where trackio is not installed."""

    def __init__(self, run: Run) -> None:
        try:
            library: Any = importlib.import_module("trackio")
        except ImportError as error:
            raise MissingExtraError.of("trackio", "track") from error
        self._run = library.init(
            project=run.project, name=f"{run.name}-{run.key[:8]}", resume="allow", config=dict(run.settings)
        )

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """One row."""
        self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        """Write what is waiting."""
        self._run.finish()
