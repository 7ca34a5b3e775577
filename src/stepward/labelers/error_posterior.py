"""Where the first error of a trace stands, as a distribution that completions sharpen.

Let D be the first prefix, counted in steps, from which a right end is no longer in reach: D = 0 is a problem that the
completer cannot solve, D = d says that step d - 1 (from 0) is the first error, D beyond the last that there is none.
Before any completion Pr(D = 0) = `unsolvable`, and each step is the first error with chance `hazard`.

What a completion of the prefix of i steps says:

    it ends right or not      theta_i | D > i ~ Beta(alive),   theta_i | D <= i ~ Beta(dead)    (recovery, luck)
    it ends right, and goes   a right end repeats a step of the trace with chance q where the step is fine, and with
    through prefixes i..j     chance `astray` where it is the first error; q is unknown and integrated over a grid

So a right completion that follows the trace up to prefix j vouches for all of j, and one that leaves it there hints at
step j: strongly among solutions that all read alike (q near 1), hardly in free text (q near 0).

Degenerate cases: with no completion this is the prior; probabilities of theta_i are independent given D, so completions
that contradict each other leave the posterior flat instead of breaking it.

Source: noisy bisection (Horstein 1963; Waeber et al., SIAM J. Control Optim. 51, 2013), with counts integrated out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stepward.errors import ConfigError
from stepward.metrics.binomial import CountPosterior

Floats = NDArray[np.float64]

ALIKE = np.array([0.02, 0.2, 0.4, 0.6, 0.8, 0.95])
"""Chances that two right solutions agree on their next step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beliefs:
    """What is believed before anything is drawn. The defaults suit problems that are half solved."""

    hazard: float = 0.2
    """Chance that a step is the first error."""
    unsolvable: float = 0.03
    alive: tuple[float, float] = (1.0, 1.0)
    """a and b of theta's Beta prior where a right end is in reach."""
    dead: tuple[float, float] = (0.12, 1.0)
    """The same behind an error: mostly 0, with some recoveries."""
    astray: float = 0.03
    """Chance that a completion that ends right repeats the step that is the first error."""

    def __post_init__(self) -> None:
        shares = (self.hazard, self.unsolvable, self.astray)
        if not all(0 < share < 1 for share in shares):
            raise ConfigError("hazard, unsolvable and astray lie in (0, 1)", got=shares)
        alive, dead = (CountPosterior(a=a, b=b).mean(0, 0) for a, b in (self.alive, self.dead))
        if not dead < alive:
            raise ConfigError("completions of a dead prefix must end right less often", got=(dead, alive))


@dataclass(eq=False, kw_only=True)
class ErrorPosterior:
    """The distribution of D for a trace of `steps` steps.

    `spotless` says whether D may lie beyond the last step: for a trace that is right, or that is not finished.
    """

    steps: int
    spotless: bool
    beliefs: Beliefs = Beliefs()
    successes: list[int] = field(init=False)
    """For the prefix of i steps, i from 0."""
    failures: list[int] = field(init=False)
    _paths_DQ: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.successes, self.failures = [0] * (self.steps + 1), [0] * (self.steps + 1)
        self._paths_DQ = np.zeros((self.steps + 1 + self.spotless, len(ALIKE)))

    @property
    def blank(self) -> bool:
        """Whether no completion has said anything yet."""
        return not any((*self.successes, *self.failures))

    def failed(self, origin: int) -> None:
        """A completion of the prefix of `origin` steps ended wrong."""
        self.failures[origin] += 1

    def succeeded(self, origin: int) -> None:
        """A completion of the prefix of `origin` steps ended right."""
        self.successes[origin] += 1

    def went(self, origin: int, reached: int) -> None:
        """A right solution that has the first `origin` steps goes on like the trace up to `reached` steps."""
        wrong = np.arange(len(self._paths_DQ))[:, None]
        for step in range(origin + 1, min(reached + 1, self.steps) + 1):
            follows = np.where(wrong == step, self.beliefs.astray, ALIKE)
            self._paths_DQ += np.log(follows if step <= reached else 1 - follows)

    def chances(self) -> Floats:
        """Pr(D = d | everything drawn) for d from 0."""
        alive, dead = self._evidence(self.beliefs.alive), self._evidence(self.beliefs.dead)
        size = len(self._paths_DQ)
        counts_D = np.array([alive[:d].sum() + dead[d:].sum() for d in range(size)])
        joint_DQ = self._prior()[:, None] + counts_D[:, None] + self._paths_DQ
        weights_D = np.exp(joint_DQ - joint_DQ.max()).sum(axis=1)
        return np.asarray(weights_D / weights_D.sum())

    def tells(self, origins: int) -> Floats:
        """By how many nats the next completion of each of the first `origins` prefixes lowers the entropy, expected."""
        chances_D = self.chances()
        won = [self._next(self.beliefs.alive, i) for i in range(origins)]
        lost = [self._next(self.beliefs.dead, i) for i in range(origins)]
        above = np.arange(len(chances_D))[None, :] > np.arange(origins)[:, None]
        right_OD = chances_D * np.where(above, np.array(won)[:, None], np.array(lost)[:, None])
        return np.asarray(_entropy(chances_D) - _entropy(right_OD) - _entropy(chances_D - right_OD))

    def _prior(self) -> Floats:
        h = self.beliefs.hazard
        first = h * (1 - h) ** np.arange(self.steps)
        rest = [(1 - h) ** self.steps] if self.spotless else []
        tail = np.array([*first, *rest])
        return np.log([self.beliefs.unsolvable, *(1 - self.beliefs.unsolvable) * tail / tail.sum()])

    def _evidence(self, prior: tuple[float, float]) -> Floats:
        """Log-probability of the counts at each prefix."""
        beta = CountPosterior(a=prior[0], b=prior[1])
        pairs = zip(self.successes, self.failures, strict=True)
        return np.array([beta.log_marginal(k, k + f) for k, f in pairs])

    def _next(self, prior: tuple[float, float], origin: int) -> float:
        k, f = self.successes[origin], self.failures[origin]
        return CountPosterior(a=prior[0], b=prior[1]).mean(k, k + f)


def _entropy(weights: Floats) -> Floats:
    """Entropy over the last axis in nats, times the mass of each row."""
    mass = weights.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(weights > 0, weights * np.log(weights), 0.0).sum(axis=-1)
        total = np.where(mass > 0, mass * np.log(mass), 0.0)
    return np.asarray(total - terms)
