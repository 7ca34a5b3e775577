"""Is one system better than another, and is it still when many are compared.

    McNemar          two systems on the same items: b right for the first alone, c for the second alone; under the null
                     b ~ Binomial(b + c, 1/2). exact = min(1, 2 P(X <= min(b, c))); mid-p counts half of the observed
                     case, P(X = min) less, and is 1 at b = c: nearer its level (Fagerland et al. 2013)
    sign flips       one difference per problem: how often a random choice of their signs gives a mean as far from 0;
                     for items that cluster by problem, where McNemar's independence fails
    Holm             p-values up: the k-th smallest of m times m - k + 1, never falling: bounds any false claim
    Benjamini-Hochberg  the k-th smallest times m / k, from the largest down: bounds the share of false claims

Degenerate cases: without a pair that differs both tests give p = 1; nothing to compare raises `LabelError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stepward.errors import ConfigError, LabelError
from stepward.metrics.checks import Floats, finite, flags, same_count

CHUNK = 4_000_000
"""Signs drawn at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemar:
    """A comparison of two systems on the same items, and two-sided p-values."""

    first_only: int
    """Items that the first alone has right."""
    second_only: int
    exact: float
    mid_p: float


def mcnemar(first_N: ArrayLike, second_N: ArrayLike) -> McNemar:
    """Compare 0/1 correctness on N independent items. `LabelError` where there is none, or the counts differ."""
    first, second = flags(first_N), flags(second_N)
    same_count(list(first), list(second), "results of both systems")
    if not len(first):
        raise LabelError("a comparison needs at least one item")
    b, c = int((first & ~second).sum()), int((~first & second).sum())
    exact, mid_p = _mcnemar_ps(b, c)
    return McNemar(first_only=b, second_only=c, exact=exact, mid_p=mid_p)


def _mcnemar_ps(b: int, c: int) -> tuple[float, float]:
    from scipy.stats import binom, binomtest

    if b == c:
        return 1.0, 1.0
    exact = float(binomtest(b, b + c).pvalue)
    return exact, exact - float(binom.pmf(b, b + c, 0.5))


def sign_flip_p(differences_P: ArrayLike, *, draws: int = 9999, seed: int) -> float:
    """Two-sided p of the mean difference, one number per problem; exact where all 2^P signs are at most `draws`."""
    from scipy.stats import permutation_test

    differences = finite(differences_P)
    moving = differences[differences != 0]
    if len(moving) == 0:
        return 1.0
    if draws < 1:
        raise ConfigError("a test by sign flips needs at least one draw", got=draws)
    if len(moving) == 1:
        return 1.0  # both signs are as far from 0
    found = permutation_test(
        (moving,),
        _mean,
        permutation_type="samples",
        n_resamples=draws,
        batch=max(1, CHUNK // len(moving)),
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def _mean(values: Floats, axis: int = -1) -> Floats:
    return np.asarray(values.mean(axis=axis))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values in the order given."""
    p = _checked(p_values)
    order = np.argsort(p, kind="stable")
    raised = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return [float(each) for each in adjusted]


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values in the order given, for independent or positively dependent tests."""
    from scipy.stats import false_discovery_control

    return [float(each) for each in false_discovery_control(_checked(p_values), method="bh")]


def _checked(p_values: Sequence[float]) -> Floats:
    p = finite(p_values)
    if p.min() < 0 or p.max() > 1:
        raise LabelError("p-values lie in [0, 1]", got=(float(p.min()), float(p.max())))
    return p
