"""metrics.jsonl: one line of named numbers a step, beside the checkpoint. A run that went on holds every step once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NAME = "metrics.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsFile:
    """A tracker that is always there."""

    folder: Path

    def forget_after(self, step: int) -> None:
        """Drop the lines after `step`: they are about to be written again."""
        file = self.folder / NAME
        if file.is_file():
            lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
            kept = [line for line in lines if json.loads(line)["step"] <= step]
            file.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Add a line."""
        with (self.folder / NAME).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **metrics}) + "\n")

    def close(self) -> None:
        """Every line is already on disk."""
