"""Draws problems of the world with known truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stepward.errors import ConfigError
from stepward.pipeline.workshop import Chunks, Workshop
from stepward.types import Json, Problem, Spend
from stepward.world.problems import World


@dataclass(frozen=True, kw_only=True)
class DrawProblems:
    """`count` problems of `world`, none of them in an earlier stage of the recipe named in `unlike`."""

    count: int
    seed: int
    world: World = World()
    unlike: tuple[str, ...] = ()
    """Stages whose problems are left out, so that problems are disjoint."""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError("count must be at least 1", got=self.count)

    def run(self, shop: Workshop) -> Json:
        """Draw and keep them."""
        known = {problem.text for stage in self.unlike for problem in shop.problems(stage).values()}
        drawn = self.world.draw(self.count + len(known), self.seed)
        fresh = [problem for problem in drawn if problem.text not in known][: self.count]
        shop.work({p.id: p for p in fresh}, Chunks(what="problems", size=self.count, unit="problems"), _keep)
        return {"problems": len(fresh)}


def _keep(chunk: Sequence[tuple[str, Problem]]) -> list[tuple[str, object, Spend]]:
    return [(key, problem, Spend()) for key, problem in chunk]
