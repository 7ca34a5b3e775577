"""Counter-based uniform numbers: a sample is a function of its content, never of its batch.

Each draw owns a 64-bit key, a hash of (sampling seed, problem id, prefix, draw index). The number behind
the token at position t of that draw is

    u = splitmix64(key + (t + 1) * GAMMA) / 2^64

so no generator has a state that another row of the batch, or the order of requests, could move. The
temperature is no part of the key: two samplings that differ in it share their random numbers.

Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 (splitmix64).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stepward.types import SampleRequest, content_key

Keys: TypeAlias = NDArray[np.uint64]

GAMMA = np.uint64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio: the step of splitmix64."""


def splitmix64(state: Keys) -> Keys:
    """Scramble each 64-bit word; a bijection."""
    mixed = state
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def draw_keys(request: SampleRequest) -> Keys:
    """One key for each of the `n` draws of `request`."""
    base = np.uint64(int(content_key(request.sampling.seed, request.problem.id, request.prefix)[:16], 16))
    draws = np.arange(request.first_draw, request.first_draw + request.n, dtype=np.uint64)
    return splitmix64(base ^ splitmix64(draws * GAMMA))


def uniforms(keys: Keys, position: NDArray[np.int64] | int) -> NDArray[np.float64]:
    """Numbers in [0, 1) for the token at `position` of each draw, one position for all or one for each."""
    counter = np.atleast_1d(np.asarray(position, dtype=np.uint64)) + np.uint64(1)
    high_bits = splitmix64(keys + counter * GAMMA) >> np.uint64(11)
    return high_bits.astype(np.float64) * 2.0**-53
