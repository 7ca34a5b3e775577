"""What a tracker is: named numbers of one step in, nothing out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from stepward.types import Json


@runtime_checkable
class Tracker(Protocol):
    """Who keeps numbers. A run that went on may give a step twice, with the same numbers."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Keep the numbers of one 1-based step."""
        ...

    def close(self) -> None:
        """Send what is still waiting."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is tracked."""

    folder: Path
    """Where local files go."""
    name: str
    key: str
    """Stays the same when an interrupted run goes on, so that services continue its curves."""
    project: str = "stepward"
    settings: Mapping[str, Json] = field(default_factory=dict)
