"""MLflow: server and credentials come from its own environment variables, MLFLOW_TRACKING_URI first."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from stepward.errors import MissingExtraError
from stepward.training.trackers.contract import Run
from stepward.types import Json

LONGEST = 500
"""Characters of a parameter that every MLflow server takes."""


class MLflow:
    """Raises `MissingExtraError` where mlflow is not installed."""

    def __init__(self, run: Run) -> None:
        try:
            library: Any = importlib.import_module("mlflow")
        except ImportError as error:
            raise MissingExtraError.of("mlflow", "track") from error
        self._library = library
        library.set_experiment(run.project)
        self._run = library.start_run(run_name=run.name, tags={"stepward.key": run.key})
        library.log_params({name: _short(value) for name, value in run.settings.items()})

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """One point a name."""
        self._library.log_metrics(dict(metrics), step=step, run_id=self._run.info.run_id)

    def close(self) -> None:
        """End the run."""
        self._library.end_run()


def _short(value: Json) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
