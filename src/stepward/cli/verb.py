"""Verbs over files: each is a recipe of a few stages, so that it resumes, stops and is recorded like any run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stepward.cli.conduct import RUNS, execute
from stepward.config import apply_overrides
from stepward.types import Json, content_key


@dataclass(frozen=True, kw_only=True)
class Verb:
    """One call of a verb."""

    name: str
    stages: Mapping[str, Json]
    seed: int = 0
    overrides: Sequence[str] = ()
    """`stages.traces.n=8` and the like, for settings that have no option of their own."""
    to: Path | None = None
    """Run folder; by default one named after verb and settings, so that the same call goes on with its work."""
    retry: frozenset[str] = frozenset()
    """Finished stages in which what failed is tried again."""

    def run(self) -> tuple[Path, dict[str, Json]]:
        """Run it; the run folder and every stage's result."""
        from stepward.pipeline.runner import Recipe

        mapping: dict[str, Json] = {"name": self.name, "seed": self.seed, "stages": dict(self.stages)}
        apply_overrides(mapping, self.overrides)
        folder = self.to or RUNS / f"{self.name}-{content_key(Recipe.of(mapping).resolved())[:8]}"
        return folder, execute(mapping, folder, again="the same command", retry=self.retry)


def data_stage(path: Path, format: str) -> dict[str, Json]:
    """The stage that reads a file of problems, traces or labels."""
    return {"use": "read", "format": format, "paths": [str(path)]}
