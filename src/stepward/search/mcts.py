"""Monte-Carlo tree search over steps, valued by a step scorer.

A simulation walks from the root to a prefix that was never gone on from, draws `branching` next steps behind it, values
each by its score, and backs up: a prefix's value is the visit-weighted mean of its children's.

    uct    V + c sqrt(ln N(parent) / N)
    puct   V + c P sqrt(N(parent)) / (1 + N),   P = exp(mean token log-probability), normalised over siblings
    rest   V + c sqrt(2 ln N(parent) / N);  c = 0.7, branching 3, and a leaf's value is (1 - a) v + a v_max, where v_max
           is the best score along `roll` greedy steps behind it (ReST-MCTS*: a = 0.5, roll 3)

A new child counts one visit with its own value, so nothing is unvisited. A walk never ends at a finished trace: its
score is known, and stays in its parent's mean. `parallel` simulations of a round share a batch; each walks as if the
earlier ones of the round had come back with value 0 (virtual loss). Ties go to the earlier branch.

The search ends after `simulations`, when every prefix is finished or failed, or when a finished trace scores `enough`.
Values mix prefixes of different depth by design: V is about what comes of a prefix.

Source: Kocsis and Szepesvari 2006; AlphaZero's PUCT with a policy prior as in AlphaMath, arXiv 2405.03553; ReST-MCTS*,
arXiv 2406.03816.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from stepward.errors import ConfigError
from stepward.protocols import Resources, SearchResult
from stepward.search.choosing import Choose, choose
from stepward.search.growth import Growing, Growth
from stepward.search.tree import Branch
from stepward.types import Problem

Form = Literal["uct", "puct", "rest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSearch:
    """A `Search` by MCTS. Scores should lie in [0, 1], or `c` be chosen to their scale."""

    form: Form = "puct"
    simulations: int = 32
    branching: int = 4
    c: float = 1.0
    parallel: int = 1
    roll: int = 0
    """Greedy steps behind a new prefix, outside the tree, whose best score enters its value."""
    roll_share: float = 0.5
    enough: float | None = None
    """A finished trace with this score ends the search."""
    choose: Choose = "best"
    growing: Growing = field(default_factory=Growing)

    def __post_init__(self) -> None:
        if min(self.simulations, self.branching, self.parallel) < 1 or self.roll < 0:
            raise ConfigError("simulations, branching and parallel must be at least 1, roll 0", got=self)
        if not 0 <= self.roll_share <= 1 or self.c < 0:
            raise ConfigError("roll_share must lie in [0, 1], c be at least 0", got=(self.roll_share, self.c))

    async def solve(self, problem: Problem, resources: Resources) -> SearchResult:
        """The chosen one of the finished traces."""
        growth = Growth.of(problem, resources, self.growing)
        done = 0
        while done < self.simulations and not growth.over and not self._decided(growth):
            leaves = self._walk(growth, min(self.parallel, self.simulations - done))
            if not leaves:
                break
            done += len(leaves)
            await self._grow(growth, leaves)
        chosen = choose(growth.tree.finished(), resources.need_answers(), self.choose)
        return growth.result(chosen, f"{done} of at most {self.simulations} simulations")

    def _decided(self, growth: Growth) -> bool:
        scores = [branch.score for branch in growth.tree.finished() if branch.score is not None]
        return self.enough is not None and max(scores, default=-math.inf) >= self.enough

    def _walk(self, growth: Growth, count: int) -> list[Branch]:
        """The ends of `count` walks; a prefix is the end of one walk at most."""
        loss: dict[int, int] = {}
        ends: list[Branch] = []
        for _ in range(count):
            end = self._descend(growth.tree.root, loss, ends)
            if end is None:
                break
            ends.append(end)
            for branch in (growth.tree.root, *end.path):
                loss[branch.id] = loss.get(branch.id, 0) + 1
        return ends

    def _descend(self, root: Branch, loss: dict[int, int], taken: Sequence[Branch]) -> Branch | None:
        """Where one walk ends; None where it meets nothing that it could go on from."""
        at = root
        while at.children:
            alive = [child for child in at.children if not child.exhausted and child not in taken]
            if not alive:
                return None
            priors = _priors(alive)
            at = max(alive, key=lambda child: (self.urgency(child, priors[child.id], loss), -child.id))
        return None if at.exhausted or at in taken else at

    def urgency(self, child: Branch, prior: float, loss: dict[int, int]) -> float:
        """The selection rule; `loss` counts the walks of this round that went through each branch."""
        parent = child.parent
        n = child.visits + loss.get(child.id, 0)
        value = (child.value or 0.0) * child.visits / n if n else 0.0
        above = max(1, parent.visits + loss.get(parent.id, 0)) if parent else 1
        if self.form == "puct":
            return value + self.c * prior * math.sqrt(above) / (1 + n)
        scale = 2.0 if self.form == "rest" else 1.0
        return value + self.c * math.sqrt(scale * math.log(above) / max(1, n))

    async def _grow(self, growth: Growth, ends: Sequence[Branch]) -> None:
        grown = await growth.expand([(branch, self.branching) for branch in ends])
        for branch, row in zip(ends, grown, strict=True):
            for child in dict.fromkeys(row):
                child.exhausted = child.state != "open"
                if child.score is not None and child.state in ("open", "finished"):
                    child.visits, child.value = 1, await self._value(growth, child)
            branch.exhausted = not row or all(child.exhausted for child in row)
        for branch in ends:
            _back_up(branch)

    async def _value(self, growth: Growth, child: Branch) -> float:
        own = child.score or 0.0
        if not self.roll or child.state != "open" or growth.over:
            return own
        seen = await growth.roll(child, self.roll, replace(self.growing.sampling, temperature=0.0))
        ahead = await growth.scores_of(seen)
        top = max((own, *ahead[len(child.trace) :]))
        return (1 - self.roll_share) * own + self.roll_share * top


def _priors(children: Sequence[Branch]) -> dict[int, float]:
    """The policy's preference, equal where it does not tell."""
    raw = [math.exp(child.logprob) if child.logprob is not None else 1.0 for child in children]
    return {child.id: each / math.fsum(raw) for child, each in zip(children, raw, strict=True)}


def _back_up(branch: Branch) -> None:
    """Visits, values and what is exhausted, from `branch` up to the root."""
    at: Branch | None = branch
    while at is not None:
        seen = [child for child in at.children if child.visits]
        if seen:
            at.visits = sum(child.visits for child in seen)
            at.value = math.fsum(child.visits * (child.value or 0.0) for child in seen) / at.visits
        if at.children:
            at.exhausted = all(child.exhausted for child in at.children)
        at = at.parent
