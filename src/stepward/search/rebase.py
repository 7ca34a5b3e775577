"""REBASE: reward-balanced search. A prefix gets children in proportion to the soft-max of its score.

At each depth, with width W less the traces finished so far, over the unfinished prefixes from the best to the worst:

    n_i = ceil( W_left exp(s_i / T) / S_left ),   W_left -= n_i,   S_left -= exp(s_i / T)

so that a clear favourite takes nearly all and equals share evenly; the rounding up favours the better. All prefixes of
a round have the same number of chunks. Scores s_i are the scorer's own, so T is on its scale.

Example: W = 16, T = 0.2, s = .9, .8, .5, .2 -> 10, 5, 1, 0.

Degenerate cases: T -> 0 is greedy, T -> infinity an even split; a finished trace holds its place of the width for good,
and where none is left the search ends. The public code forgets its parent's tokens when it adds up a trace's cost; here
every draw is metered.

Source: Wu et al., arXiv 2408.00724.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from stepward.errors import ConfigError
from stepward.protocols import Resources, SearchResult
from stepward.search.choosing import Choose, choose
from stepward.search.growth import Growing, Growth, ranked
from stepward.types import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebase:
    """A `Search`: `width` draws a depth, balanced by score at `temperature`."""

    width: int = 16
    temperature: float = 0.2
    choose: Choose = "vote"
    growing: Growing = field(default_factory=Growing)

    def __post_init__(self) -> None:
        if self.width < 1 or not (self.temperature > 0 and math.isfinite(self.temperature)):
            raise ConfigError("rebase needs width >= 1 and temperature > 0", got=(self.width, self.temperature))

    async def solve(self, problem: Problem, resources: Resources) -> SearchResult:
        """The chosen one of the finished traces."""
        growth = Growth.of(problem, resources, self.growing)
        asks = [(growth.tree.root, self.width)]
        while asks:
            grown = await growth.expand(asks)
            going = ranked([branch for row in grown for branch in row])
            left = self.width - sum(branch.copies for branch in growth.tree.finished())
            counts = balance([branch.score or 0.0 for branch in going], max(0, left), self.temperature)
            asks = [(branch, n) for branch, n in zip(going, counts, strict=True) if n]
        return growth.result(choose(growth.tree.finished(), resources.need_answers(), self.choose))


def balance(scores: Sequence[float], width: int, temperature: float) -> list[int]:
    """Children for each of `scores`, which come best first; they sum to `width` (to 0 where there is no score)."""
    if not scores:
        return []
    weights = [math.exp((score - scores[0]) / temperature) for score in scores]
    counts = []
    left = width
    for at, weight in enumerate(weights):
        share = left * weight / math.fsum(weights[at:])
        counts.append(min(left, math.ceil(share - 1e-9)))  # 5.0000000001 is five
        left -= counts[-1]
    return counts
