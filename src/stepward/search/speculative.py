"""Speculative rejection: best-of-N that stops paying for losers.

Start `n` traces. At every checkpoint, `every` steps further on, score the unfinished prefixes and go on with the best
(1 - reject) share of them (rounded up). Finished traces stay in the ranking. With reject = 1/2 and checkpoints at 1, 2,
... steps, later steps are written for half, a quarter, ... of the traces, and the saving is what best-of-N would have
spent on the rest.

All prefixes of a checkpoint have the same number of steps. (The paper's checkpoints are where a batch fills the memory,
which compares prefixes of equal length in tokens.)

Degenerate cases: reject = 0 is best-of-n; a scorer that sees nothing in the middle of a trace makes it a random choice.

Source: Sun et al., arXiv 2410.20290.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from stepward.errors import ConfigError
from stepward.protocols import Resources, SearchResult
from stepward.search.choosing import Choose, choose
from stepward.search.growth import Growing, Growth, ranked
from stepward.search.tree import Branch
from stepward.types import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeculativeRejection:
    """A `Search`: `n` traces, of which the worst `reject` are given up every `every` steps."""

    n: int = 16
    reject: float = 0.5
    every: int = 1
    choose: Choose = "best"
    growing: Growing = field(default_factory=Growing)

    def __post_init__(self) -> None:
        if self.n < 1 or self.every < 1 or not 0 <= self.reject < 1:
            raise ConfigError("n and every must be at least 1, reject in [0, 1)", got=(self.n, self.every, self.reject))

    async def solve(self, problem: Problem, resources: Resources) -> SearchResult:
        """The chosen one of the finished traces."""
        growth = Growth.of(problem, resources, self.growing)
        alive: dict[Branch, int] = {growth.tree.root: self.n}
        steps = 0
        while alive:
            grown = await growth.expand(list(alive.items()))
            steps += 1
            alive = _counted([branch for row in grown for branch in row])
            if steps % self.every == 0:
                alive = self._keep(alive)
        return growth.result(choose(growth.tree.finished(), resources.need_answers(), self.choose))

    def _keep(self, alive: dict[Branch, int]) -> dict[Branch, int]:
        """The best share, copies of a prefix counted as the traces that they are."""
        places = math.ceil((1 - self.reject) * sum(alive.values()) - 1e-9)
        kept: dict[Branch, int] = {}
        for branch in ranked(list(alive)):
            kept[branch] = min(alive[branch], places)
            places -= kept[branch]
            if kept[branch] == 0:
                del kept[branch]
                branch.stop("pruned", "not among the best at a checkpoint")
        return kept


def _counted(branches: list[Branch]) -> dict[Branch, int]:
    """Traces that stand at each open, scored branch."""
    counted: dict[Branch, int] = {}
    for branch in branches:
        if branch.state == "open" and branch.score is not None:
            counted[branch] = counted.get(branch, 0) + 1
    return counted
