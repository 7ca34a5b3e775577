"""Particle filtering over steps: sequential Monte Carlo with the scorer as the potential.

N particles, each a prefix. A round writes one step behind every unfinished particle and weighs it by its score p:

    g_i = logit(clip(p_i)) / tau
    incremental   log w_i += g_i - g_i(before);  where ESS = 1 / sum W_i^2 < ess N: resample, log w = 0      (default)
    replace       log w_i = g_i; resample every round                                     (the paper, for replication)

W = softmax(log w). The increments telescope: before any resampling a particle weighs what its present score says, not
the product of all its scores. A finished particle is not moved; its increment is 0 and it takes part in resampling, so
finished and unfinished prefixes are weighed against each other: this is the one search here that compares across
depths, and the target distribution (soft-max of the present score at every time) says that it means to.

Resampling is systematic: one uniform number, N equally spaced pointers, so that a particle of weight W gets floor(NW)
or ceil(NW) copies. Copies of a prefix draw independent continuations.

Gibbs (`sweeps` > 1): after a sweep one particle, drawn by weight, becomes the reference of the next sweep, in which it
is kept whatever its weight (conditional SMC); candidates of all sweeps vote. Ancestor sampling is not used.

Degenerate cases: one particle is a plain sample; failed branches weigh nothing, and where all failed the search ends.

Source: Puri et al., arXiv 2502.01618; Andrieu et al. 2010 (particle Gibbs).
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from stepward.errors import ConfigError
from stepward.protocols import AnswerReader, Resources, SearchResult
from stepward.search.growth import Growing, Growth
from stepward.search.tree import Branch, best
from stepward.search.voting import weighted_majority
from stepward.types import Problem, content_key

Pick = Literal["vote", "heaviest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticleFilter:
    """A `Search`: `particles` prefixes, `sweeps` times. Scores must be probabilities."""

    particles: int = 8
    tau: float = 1.0
    """Temperature of the potential."""
    weights: Literal["incremental", "replace"] = "incremental"
    ess: float = 0.5
    """Share of `particles` below which the effective number of particles calls for resampling."""
    sweeps: int = 1
    clip: float = 1e-4
    """Scores are held this far from 0 and 1."""
    choose: Pick = "vote"
    """vote: answers by summed weight; heaviest: the particle of the largest weight."""
    seed: int = 0
    """Of the resampling; draws have the sampling's."""
    growing: Growing = field(default_factory=Growing)

    def __post_init__(self) -> None:
        if min(self.particles, self.sweeps) < 1 or not (self.tau > 0 and 0 <= self.ess <= 1 and 0 < self.clip < 0.5):
            raise ConfigError("particles, sweeps >= 1, tau > 0, ess in [0, 1], clip in (0, 0.5)", got=self)

    async def solve(self, problem: Problem, resources: Resources) -> SearchResult:
        """The finished trace that the particles' weights choose."""
        growth = Growth.of(problem, resources, self.growing)
        chance = random.Random(content_key("particle", self.seed, problem.id, problem.text))
        weight: dict[int, float] = defaultdict(float)
        reference: Branch | None = None
        for _ in range(self.sweeps):
            swarm = _Swarm(self, growth, chance, reference)
            await swarm.sweep()
            for branch, share in swarm.finished():
                weight[branch.id] += share
            reference = swarm.drawn()
            if growth.over:
                break
        finished = [branch for branch in growth.tree.finished() if weight[branch.id] > 0]
        return growth.result(self._chosen(finished, weight, resources.need_answers()))

    def _chosen(self, finished: Sequence[Branch], weight: dict[int, float], answers: AnswerReader) -> Branch | None:
        heaviest = min(finished, key=lambda b: (-weight[b.id], b.id), default=None)
        if self.choose == "heaviest" or heaviest is None:
            return heaviest
        said = [answers.canonical(b.trace.answer) if b.trace.answer is not None else None for b in finished]
        vote = weighted_majority(said, [weight[b.id] for b in finished])
        return best([finished[i] for i in vote.groups[0].members]) if vote.groups else heaviest


class _Swarm:
    """The particles of one sweep. With a reference, particle 0 follows it and survives every resampling."""

    def __init__(self, how: ParticleFilter, growth: Growth, chance: random.Random, reference: Branch | None) -> None:
        self.how, self.growth, self.chance = how, growth, chance
        self.route = reference.path if reference else ()
        self.at = [growth.tree.root] * how.particles
        self.potential = [0.0] * how.particles
        self.log_weight = [0.0] * how.particles

    async def sweep(self) -> None:
        while moving := [i for i, branch in enumerate(self.at) if branch.state == "open"]:
            if not await self._move(moving):
                return
            weights = normalised(self.log_weight)
            if not weights:
                return
            limit = self.how.ess * self.how.particles
            if self.how.weights == "replace" or effective(weights) < limit:
                self._resample(weights)

    async def _move(self, moving: Sequence[int]) -> bool:
        """One more step for every particle in `moving`; whether anything came."""
        led = {0} if self.route else set()
        free: dict[int, list[int]] = defaultdict(list)
        for i in moving:
            if i not in led:
                free[self.at[i].id].append(i)
        asks = [(self.growth.tree.branches[at], len(members)) for at, members in free.items()]
        grown = await self.growth.expand(asks)
        for members, row in zip(free.values(), grown, strict=True):
            for i, branch in zip(members, row, strict=False):
                self._put(i, branch)
        for i in led & set(moving):
            self._put(i, self.route[self.at[i].depth])
        return any(grown) or bool(led & set(moving))

    def _put(self, i: int, branch: Branch) -> None:
        """Particle `i` stands at `branch` now."""
        before = self.potential[i]
        self.at[i] = branch
        usable = branch.score is not None and branch.state in ("open", "finished")
        now = log_odds(branch.score or 0.0, self.how.clip) / self.how.tau if usable else -math.inf
        self.potential[i] = now
        self.log_weight[i] = now if self.how.weights == "replace" else self.log_weight[i] + now - before

    def _resample(self, weights: Sequence[float]) -> None:
        chosen = systematic(weights, len(weights), self.chance.random())
        if self.route:
            chosen[0] = 0
        self.at = [self.at[i] for i in chosen]
        self.potential = [self.potential[i] for i in chosen]
        self.log_weight = list(self.potential) if self.how.weights == "replace" else [0.0] * len(chosen)

    def finished(self) -> list[tuple[Branch, float]]:
        """Each particle that ended with its share of the weight."""
        weights = normalised(self.log_weight) or [0.0] * len(self.at)
        return [(b, w) for b, w in zip(self.at, weights, strict=True) if b.state == "finished"]

    def drawn(self) -> Branch | None:
        """One finished particle, drawn by weight."""
        ended = self.finished()
        if not ended or not sum(weight for _, weight in ended):
            return None
        return self.chance.choices([b for b, _ in ended], [w for _, w in ended])[0]


def log_odds(p: float, clip: float) -> float:
    """Logit of `p`, held `clip` away from 0 and 1."""
    held = min(max(p, clip), 1 - clip)
    return math.log(held / (1 - held))


def normalised(log_weights: Sequence[float]) -> list[float]:
    """softmax; nothing where every weight is 0."""
    top = max(log_weights, default=-math.inf)
    if top == -math.inf:
        return []
    raw = [math.exp(each - top) for each in log_weights]
    return [each / math.fsum(raw) for each in raw]


def effective(weights: Sequence[float]) -> float:
    """1 / sum w^2 of normalised weights: how many equal particles they are worth."""
    return 1.0 / math.fsum(w * w for w in weights)


def systematic(weights: Sequence[float], n: int, u: float) -> list[int]:
    """`n` indexes drawn by normalised `weights` with pointers at (u + i) / n, `u` in [0, 1)."""
    chosen: list[int] = []
    total, at = weights[0], 0
    for i in range(n):
        while (u + i) / n >= total and at < len(weights) - 1:
            at += 1
            total += weights[at]
        chosen.append(at)
    return chosen
