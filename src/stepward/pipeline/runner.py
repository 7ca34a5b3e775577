"""Runs a recipe: its stages in order, each once, in a run folder that a killed run goes on from.

    name: my-run
    seed: 0
    stages:
      problems: {use: world, count: 100, seed: 1}
      traces: {use: sample, source: problems, policy: {path: quickstart}, n: 4}
      ...

A stage is a frozen dataclass of the registry's kind `stage`; its key in `stages` is its name and the
name of its folder. The resolved recipe, every default filled in, is written to the run and must be the
same when the run is resumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from stepward.config import build, describe, load_recipe
from stepward.errors import ConfigError
from stepward.pipeline.workshop import Progress, Silent, Stage, Workshop
from stepward.spelling import suggest
from stepward.storage.run import CONFIG, Run
from stepward.types import Json

FIELDS = ("name", "about", "seed", "stages")
REPORTING = ("WriteReport", "EvaluateScorers")
"""Stages that write a page, and name it in their result."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Named stages in order. `Recipe.of` reads one from a mapping."""

    name: str
    stages: Mapping[str, Stage]
    about: str = ""
    seed: int = 0

    @classmethod
    def of(cls, mapping: Mapping[str, Json]) -> Recipe:
        """The recipe in `mapping`; `ConfigError` names the path of whatever is wrong in it."""
        for key in mapping:
            if key not in FIELDS:
                raise ConfigError(f"{key} is no field of a recipe", mend=suggest(key, FIELDS))
        name, stages, seed = mapping.get("name"), mapping.get("stages"), mapping.get("seed", 0)
        if not isinstance(name, str) or not isinstance(seed, int) or not (isinstance(stages, Mapping) and stages):
            raise ConfigError("a recipe needs a name, stages, and a whole number for its seed", got=list(mapping))
        built = {key: cast("Stage", build("stage", spec, f"stages.{key}")) for key, spec in stages.items()}
        recipe = cls(name=name, stages=built, about=str(mapping.get("about", "")), seed=seed)
        recipe._check_sources()
        return recipe

    @property
    def sources(self) -> dict[str, str]:
        """Source of each stage that has one."""
        return {name: stage.source for name, stage in self.stages.items() if getattr(stage, "source", "")}  # type: ignore[attr-defined]

    def resolved(self) -> dict[str, Json]:
        """The mapping from which `of` makes this recipe again, defaults filled in, without what moves no result."""
        stages: dict[str, Json] = {name: _settings(stage) for name, stage in self.stages.items()}
        return {"name": self.name, "about": self.about, "seed": self.seed, "stages": stages}

    def _check_sources(self) -> None:
        earlier: list[str] = []
        for name in self.stages:
            source = self.sources.get(name)
            if source is not None and source not in earlier:
                raise ConfigError(
                    f"stages.{name}.source names no earlier stage", got=source, mend=suggest(source, earlier)
                )
            earlier.append(name)


@dataclass(frozen=True, kw_only=True)
class Conduct:
    """How a run is watched and stopped; never part of its results."""

    progress: Progress = field(default_factory=Silent)
    stopping: Callable[[], bool] = lambda: False
    again: frozenset[str] = frozenset()
    """Stages that are gone through once more although they are finished, for what failed in them."""


def run_recipe(recipe: Recipe, folder: Path, conduct: Conduct | None = None) -> dict[str, Json]:
    """Run every stage that is not finished in `folder`, and return each stage's result by name.

    Raises `Stopped` when asked to stop: everything finished is kept, and calling again goes on.
    """
    conduct = conduct or Conduct()
    results: dict[str, Json] = {}
    with Run.open(folder, recipe.resolved()) as run:
        for name, stage in recipe.stages.items():
            finished = run.is_done(name) and name not in conduct.again
            seconds = None if finished else _work(stage, _shop(run, recipe, name, conduct))
            conduct.progress.end(name, seconds)
            results[name] = run.result(name)
        run.finish(_headline(results))
    return results


def _work(stage: Stage, shop: Workshop) -> float:
    """Run one stage and mark it finished; the seconds that it took."""
    started = time.perf_counter()
    result = stage.run(shop)
    seconds = time.perf_counter() - started
    shop.run.records("times").append(f"{shop.stage}-{time.time_ns()}", {"seconds": seconds})
    shop.run.mark_done(shop.stage, result)
    return seconds


def write_again(folder: Path) -> Path:
    """Run the report stage of the finished run in `folder` once more; the page it wrote."""
    recipe = Recipe.of(load_recipe(folder / CONFIG))
    with Run.open(folder, recipe.resolved()) as run:
        for name, stage in recipe.stages.items():
            if not run.is_done(name):
                raise ConfigError(f"the run in {folder} is not finished", got=name, mend="go on with `stepward run`")
            if type(stage).__name__ in REPORTING:
                result = stage.run(_shop(run, recipe, name, Conduct()))
                run.mark_done(name, result)
                return folder / str(cast("Mapping[str, Json]", result)["report"])
    raise ConfigError(f"the recipe of {folder} has no report stage", got=list(recipe.stages))


def _shop(run: Run, recipe: Recipe, name: str, conduct: Conduct) -> Workshop:
    return Workshop(
        run=run,
        stage=name,
        seed=recipe.seed,
        stages=tuple(recipe.stages),
        sources=recipe.sources,
        progress=conduct.progress,
        stopping=conduct.stopping,
    )


def _settings(stage: Stage) -> dict[str, Json]:
    """`stage` described, without the settings that it names as moving none of its results."""
    free = getattr(stage, "CONDUCT", ())
    return {name: value for name, value in describe(stage).items() if name not in free}


def _headline(results: Mapping[str, Json]) -> str:
    """The last stage's own sentence, if it gave one."""
    for result in reversed(list(results.values())):
        if isinstance(result, Mapping) and "headline" in result:
            return str(result["headline"])
    return ""
