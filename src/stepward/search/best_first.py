"""Best-first search: always go on from the most promising prefix, wherever it stands.

    score   the prefix's score
    astar   g + h = sum_k log p_k + left(depth) mean_k log p_k: what the steps so far cost in surprise, and what the
            rest will at the same rate, where left = max(0, expected_steps - depth); p held 1e-4 from 0

**Prefixes of different depth compete here**, which a product-like score decides in favour of short ones; `astar` with a
fair `expected_steps` is the remedy, `last` and `min` reduced scores have a bias of their own (a deep prefix had more
chances to be found wrong). The result's note says so.

A round takes the `pops` best open prefixes and draws `width` next steps behind each; the search ends with `solutions`
finished traces, after `expansions` prefixes, or when nothing is open. At most `most_open` prefixes wait, the worst are
given up.

Degenerate cases: pops = 1, width = 1 never looks back, because its only open prefix is the last one.

Source: Hart, Nilsson and Raphael 1968; tree search with step scores as in arXiv 2305.20050's successors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from stepward.errors import ConfigError
from stepward.protocols import Resources, SearchResult
from stepward.search.choosing import Choose, choose
from stepward.search.growth import Growing, Growth
from stepward.search.tree import Branch
from stepward.types import Problem

Priority = Literal["score", "astar"]
HELD = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class BestFirst:
    """A `Search`: `width` draws behind the `pops` best open prefixes, until there are `solutions`."""

    pops: int = 1
    width: int = 4
    solutions: int = 4
    expansions: int = 64
    most_open: int = 256
    priority: Priority = "score"
    expected_steps: int = 6
    """For astar: chunks of a usual solution."""
    choose: Choose = "best"
    growing: Growing = field(default_factory=Growing)

    def __post_init__(self) -> None:
        if min(self.pops, self.width, self.solutions, self.expansions, self.most_open, self.expected_steps) < 1:
            raise ConfigError("every count of best-first search must be at least 1", got=self)

    async def solve(self, problem: Problem, resources: Resources) -> SearchResult:
        """The chosen one of the finished traces."""
        growth = Growth.of(problem, resources, self.growing)
        waiting, left = [growth.tree.root], self.expansions
        while waiting and left > 0 and len(growth.tree.finished()) < self.solutions and not growth.over:
            now = waiting[: min(self.pops, left)]
            left -= len(now)
            grown = await growth.expand([(branch, self.width) for branch in now])
            fresh = dict.fromkeys(b for row in grown for b in row if b.state == "open" and not b.draws)
            waiting = sorted(dict.fromkeys([*waiting[len(now) :], *fresh]), key=self._order)
            for branch in waiting[self.most_open :]:
                branch.stop("pruned", f"more than {self.most_open} better prefixes wait")
            waiting = waiting[: self.most_open]
        chosen = choose(growth.tree.finished(), resources.need_answers(), self.choose)
        gone_on = f"{self.expansions - left} of at most {self.expansions} prefixes were gone on from"
        return growth.result(chosen, f"prefixes of different depth were compared; {gone_on}")

    def _order(self, branch: Branch) -> tuple[float, int]:
        return -self.promise(branch), branch.id

    def promise(self, branch: Branch) -> float:
        """How early `branch` is gone on from: the higher the earlier."""
        if self.priority == "score" or not branch.steps:
            return -math.inf if branch.score is None else branch.score
        logs = [math.log(min(1.0, max(HELD, p))) for p in branch.steps]
        so_far = math.fsum(logs)
        return so_far + max(0, self.expected_steps - branch.depth) * so_far / len(logs)
