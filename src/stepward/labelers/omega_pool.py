"""Which wrong rollout OmegaPRM searches next.

The pool holds pairs of a state s, a prefix with 0 < MC(s) < 1, and a wrong rollout r from it. The next is the argmax of

    Q(s, r) + U(s),   Q = alpha^(1 - MC(s)) beta^(len(r) / L),   U = c_puct sqrt(sum_i N(s_i)) / (1 + N(s))

N(s) counts the searches of rollouts from s; the sum runs over every state that the pool has or had, not over all nodes
of the tree. len(r) is in tokens. alpha < 1 draws to states that should have ended right, beta < 1 to short rollouts, U
to states that were seldom searched. A pair is taken out when it is chosen. Ties go to the pair that came first. Equal
rollouts of one state stand once.

Source: Luo et al., arXiv 2406.06592.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from stepward.errors import ConfigError
from stepward.labelers.rolling import Ending
from stepward.tree import Node
from stepward.types import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The paper's constants."""

    alpha: float = 0.5
    beta: float = 0.9
    length: float = 500.0
    """L, in tokens."""
    c_puct: float = 0.125

    def __post_init__(self) -> None:
        if not (0 < self.alpha <= 1 and 0 < self.beta <= 1):
            raise ConfigError("alpha and beta must lie in (0, 1]", got=(self.alpha, self.beta))
        if not (0 < self.length < math.inf and 0 <= self.c_puct < math.inf):
            raise ConfigError("length must be above 0 and c_puct at least 0", got=(self.length, self.c_puct))

    def quality(self, value: float, tokens: float) -> float:
        """Q of a wrong rollout of `tokens` from a state with MC `value`."""
        return float(self.alpha ** (1.0 - value) * self.beta ** (tokens / self.length))

    def exploration(self, visits: int, total: int) -> float:
        """U of a state searched `visits` times, of `total` searches."""
        return self.c_puct * math.sqrt(total) / (1 + visits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A wrong rollout from a state."""

    state: Node
    trace: Trace
    """From the problem to the wrong end; its first `state.depth` steps are the state."""
    tokens: float
    """Length of what stands behind the state."""
    ending: Ending | None = None
    """The completion behind the state; None for a trace that was given."""


@dataclass(eq=False, kw_only=True)
class Pool:
    """Candidates that wait. Live state of one tree."""

    selection: Selection
    waiting: list[Candidate] = field(default_factory=list)
    """In order of arrival."""
    _states: dict[int, Node] = field(default_factory=dict)
    _known: set[tuple[int, str]] = field(default_factory=set)

    def extend(self, candidates: Iterable[Candidate]) -> None:
        """Take rollouts in, but for those of which an equal one was there."""
        for candidate in candidates:
            key = (candidate.state.id, candidate.trace.text)
            if key not in self._known:
                self._known.add(key)
                self._states[candidate.state.id] = candidate.state
                self.waiting.append(candidate)

    def pop(self) -> Candidate | None:
        """The best candidate, taken out, with the visit counted on its state; None from an empty pool."""
        if not self.waiting:
            return None
        total = sum(state.visits for state in self._states.values())
        best = max(range(len(self.waiting)), key=lambda at: (self._rank(self.waiting[at], total), -at))
        chosen = self.waiting.pop(best)
        chosen.state.visits += 1
        return chosen

    def _rank(self, candidate: Candidate, total: int) -> float:
        state = candidate.state
        value = 1.0 if state.value is None else state.value
        quality = self.selection.quality(value, candidate.tokens)
        return quality + self.selection.exploration(state.visits, total)
