"""Diverse verifier tree search (DVTS): beams that never compete with each other.

    `trees` independent subtrees; in each, `width` draws of a next step, of which the best goes on

A tree ends when its best new step finishes the solution. Because no tree can take another's place, the answers differ
more than a beam's, which pays when many samples are affordable and the scorer's favourites resemble each other. Every
finished trace is a candidate, and by default they vote.

The first round draws trees x width steps behind the empty prefix and deals them out in draw order; two trees may begin
with the same step, and then draw on independently. The new steps of one tree all have the same depth.

Degenerate cases: one tree is greedy step-wise best-of-`width`; width 1 is a plain sample per tree.

Source: search-and-learn, `diverse_verifier_tree_search`.
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
class DiverseTrees:
    """A `Search`: `trees` subtrees, each `width` draws a round."""

    trees: int = 4
    width: int = 4
    choose: Choose = "vote"
    growing: Growing = field(default_factory=Growing)

    def __post_init__(self) -> None:
        if self.trees < 1 or self.width < 1:
            raise ConfigError("trees and width must be at least 1", got=(self.trees, self.width))

    async def solve(self, problem: Problem, resources: Resources) -> SearchResult:
        """The chosen one of the finished traces."""
        growth = Growth.of(problem, resources, self.growing)
        (first,) = await growth.expand([(growth.tree.root, self.trees * self.width)])
        rows = [first[at : at + self.width] for at in range(0, len(first), self.width)]
        alive = _going(rows)
        while alive:
            alive = _going(await growth.expand([(branch, self.width) for branch in alive]))
        return growth.result(choose(growth.tree.finished(), resources.need_answers(), self.choose))


def _going(rows: list[list[Branch]]) -> list[Branch]:
    """The best new branch of each tree, where it is not finished."""
    picked = [best([b for b in row if b.state in ("open", "finished")]) for row in rows]
    return [branch for branch in picked if branch is not None and branch.state == "open"]
