"""Beam search over steps.

    each of `beams` prefixes gets width / beams draws of a next step; all new prefixes are scored together;
    the best `beams` go on; finished ones are collected

All prefixes of a round have the same number of chunks, so an unfinished prefix is only compared with others of its
depth; a finished one takes no place in the beam and is compared with the finished ones alone, at the end. Equal steps
are merged, so the beam holds different ideas (public code copies survivors instead and lets duplicates fill the beam).
With `lookahead` a prefix is scored together with what a greedy policy writes behind it.

Degenerate cases: one beam and width 1 is a single sample; a beam whose branches all failed ends the search.

Source: Snell et al., arXiv 2408.03314; search-and-learn's `beam_search`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stepward.errors import ConfigError
from stepward.protocols import Resources, SearchResult
from stepward.search.choosing import Choose, choose
from stepward.search.growth import Growing, Growth, ranked
from stepward.search.tree import Branch
from stepward.types import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Beam:
    """A `Search`: `beams` prefixes at a time, `width` draws a round."""

    beams: int = 4
    width: int = 16
    choose: Choose = "best"
    growing: Growing = field(default_factory=Growing)

    def __post_init__(self) -> None:
        if not 1 <= self.beams <= self.width:
            raise ConfigError("a beam needs 1 <= beams <= width", got=(self.beams, self.width))

    async def solve(self, problem: Problem, resources: Resources) -> SearchResult:
        """The chosen one of the finished traces."""
        growth = Growth.of(problem, resources, self.growing)
        beam: list[Branch] = [growth.tree.root]
        while beam:
            asks = list(zip(beam, shares(self.width, len(beam)), strict=True))
            grown = await growth.expand(asks)
            beam = ranked([branch for row in grown for branch in row])[: self.beams]
        return growth.result(choose(growth.tree.finished(), resources.need_answers(), self.choose))


def shares(total: int, among: int) -> list[int]:
    """`total` draws as evenly as they go, the earlier ones first: 16 among 3 is 6, 5, 5."""
    return [total // among + (place < total % among) for place in range(among)]
