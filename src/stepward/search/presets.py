"""Every search by name and size, with the settings that a comparison at equal samples would take.

`size` is the number of traces that are under way at a time: n of best-of-n and of votes, the width of a beam,
particles, trees times width, simulations times branching. It makes methods alike in the work that they may do, not in
what they do; what they did spend is for the comparison to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isqrt

from stepward.errors import ConfigError
from stepward.spelling import suggest
from stepward.types import Json

Spec = dict[str, Json]

WHOLE = ("best_of_n", "majority", "weighted_majority", "sequential_majority", "adaptive_best_of_n")
"""Searches that draw whole traces; the others go step by step."""
UNSCORED = ("majority", "sequential_majority")
"""Searches that need no reward model."""

_SIZES: Mapping[str, Callable[[int], Spec]] = {
    "best_of_n": lambda n: {"n": n},
    "majority": lambda n: {"n": n},
    "weighted_majority": lambda n: {"n": n},
    "sequential_majority": lambda n: {"most": n, "batch": min(2, n)},
    "adaptive_best_of_n": lambda n: {"most": n, "batch": min(2, n), "enough": 0.95},
    "beam": lambda n: {"width": n, "beams": max(1, isqrt(n))},
    "dvts": lambda n: {"trees": max(1, n // max(1, isqrt(n))), "width": max(1, isqrt(n))},
    "rebase": lambda n: {"width": n},
    "particle_filter": lambda n: {"particles": n},
    "best_first": lambda n: {"width": max(1, isqrt(n)), "solutions": max(1, isqrt(n)), "expansions": 4 * n},
    "step_rejection": lambda n: {"chains": max(1, n // 4), "retries": min(3, n - 1)},
    "speculative_rejection": lambda n: {"n": n},
    "mcts": lambda n: {"simulations": n, "branching": max(2, isqrt(n))},
}
METHODS = tuple(sorted(_SIZES))


def preset(method: str, size: int, *, sampling: Mapping[str, Json], reduce: str) -> Spec:
    """The recipe entry of `method` at `size`. `ConfigError` for an unknown method or a size below 1."""
    if method not in _SIZES:
        raise ConfigError(f"no search is called {method!r}", mend=suggest(method, METHODS))
    if size < 1:
        raise ConfigError("a search needs a size of at least 1", got=size)
    spec: Spec = {"use": method, **_SIZES[method](size)}
    if method not in WHOLE:
        return {**spec, "growing": {"reduce": reduce, "sampling": dict(sampling)}}
    scored: Spec = {} if method in UNSCORED else {"reduce": reduce}
    return {**spec, **scored, "sampling": dict(sampling)}
