"""Step-level rejection: a step that the scorer rejects is written again before anything is built on it.

Each of `chains` prefixes draws one step; where it scores at least `accept` it stands, otherwise it is discarded and
drawn again, at most `retries` times; after the last, the best of the rejected ones stands. Good steps cost one draw, so
most of the budget goes where the trouble is.

The score of a new step is what `growing.reduce` makes of the prefix: `last` judges the step alone. Only draws from one
prefix are compared. The threshold should come from data that is not tested on (`pruning.calibrate_pruning`).

Degenerate cases: accept = 0 (with scores in [0, 1]) or retries = 0 is plain sampling; accept > 1 draws retries + 1
steps everywhere and takes the best, which is a greedy search.

Source: chunk reset of StepWiser, arXiv 2508.19229; rejection sampling of steps, arXiv 2501.19324.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stepward.errors import ConfigError
from stepward.protocols import Resources, SearchResult
from stepward.search.choosing import Choose, choose
from stepward.search.growth import Growing, Growth
from stepward.search.tree import Branch, best
from stepward.types import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRejection:
    """A `Search`: `chains` traces whose steps score at least `accept`, or are the best of `retries` + 1."""

    chains: int = 4
    accept: float = 0.5
    retries: int = 3
    choose: Choose = "best"
    growing: Growing = field(default_factory=Growing)

    def __post_init__(self) -> None:
        if self.chains < 1 or self.retries < 0:
            raise ConfigError("chains must be at least 1, retries 0", got=(self.chains, self.retries))

    async def solve(self, problem: Problem, resources: Resources) -> SearchResult:
        """The chosen one of the finished traces."""
        growth = Growth.of(problem, resources, self.growing)
        chains = [growth.tree.root] * self.chains
        while chains:
            moved = await self._step(growth, chains)
            chains = [branch for branch in moved if branch is not None and branch.state == "open"]
        return growth.result(choose(growth.tree.finished(), resources.need_answers(), self.choose))

    async def _step(self, growth: Growth, chains: list[Branch]) -> list[Branch | None]:
        """Where each chain goes; None for one that has nowhere to go."""
        tried: list[list[Branch]] = [[] for _ in chains]
        unsettled = list(range(len(chains)))
        for _ in range(self.retries + 1):
            grown = await growth.expand([(chains[i], 1) for i in unsettled])
            for i, row in zip(unsettled, grown, strict=True):
                tried[i].extend(b for b in row if b.state in ("open", "finished") and b.score is not None)
            unsettled = [i for i in unsettled if not any(self._good(branch) for branch in tried[i])]
            if not unsettled or growth.over:
                break
        return [next((b for b in row if self._good(b)), best(row)) for row in tried]

    def _good(self, branch: Branch) -> bool:
        return branch.score is not None and branch.score >= self.accept
