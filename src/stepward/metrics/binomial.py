"""What k successes in n trials say of the chance behind them.

    posterior        Beta(a + k, b + n - k); Jeffreys' prior is a = b = 1/2
    marginal         P(k | n) = C(n, k) B(a + k, b + n - k) / B(a, b): the chance itself integrated out
    empirical Bayes  the a, b under which many (k, n) are likeliest
    any of K         1 - (1 - q)^K: the value of a best-of-K policy whose single samples are worth q
    samples needed   ceil(log(1 - C) / log(1 - q)): then one of them succeeds with confidence C
    chance level     (q - 1/m) / (1 - 1/m): what is left of q where one of m options is right by guessing
    likelihood       -[k log p + (n - k) log(1 - p)]: unaffected by when the drawing stopped, which k / n is not

The Wilson interval stands in `bootstrap`, beside the other intervals.

Degenerate cases: q = 0 never suffices; n = 0 leaves the prior; a share below the chance level comes out negative.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stepward.errors import ConfigError, LabelError
from stepward.metrics.bootstrap import Interval
from stepward.metrics.checks import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class CountPosterior:
    """What k of n says of a value, under a Beta(a, b) prior; the default is Jeffreys'."""

    a: float = 0.5
    b: float = 0.5

    def __post_init__(self) -> None:
        if not (0 < self.a < math.inf and 0 < self.b < math.inf):
            raise ConfigError("a Beta prior needs a > 0 and b > 0", got=(self.a, self.b))

    def mean(self, successes: int, trials: int) -> float:
        """(a + k) / (a + b + n)."""
        return (self.a + successes) / (self.a + self.b + trials)

    def above(self, threshold: float, successes: int, trials: int) -> float:
        """The posterior probability that the value is over `threshold`. `LabelError` unless 0 <= k <= n."""
        from scipy.special import betaincc

        _check_counts(successes, trials)
        return float(betaincc(self.a + successes, self.b + trials - successes, min(1.0, max(0.0, threshold))))

    def interval(self, successes: int, trials: int, *, level: float = 0.8) -> Interval:
        """The mean, and the central interval that holds `level` of the posterior. `LabelError` unless 0 <= k <= n."""
        from scipy.special import betaincinv

        _check_counts(successes, trials)
        a, b = self.a + successes, self.b + trials - successes
        low, high = betaincinv(a, b, np.array([(1 - level) / 2, (1 + level) / 2])).tolist()
        return Interval(value=self.mean(successes, trials), low=low, high=high, level=level)

    def log_marginal(self, successes: int, trials: int) -> float:
        """Log-probability of this order of k successes and n - k failures, whatever the value is."""
        _check_counts(successes, trials)
        return _log_beta(self.a + successes, self.b + trials - successes) - _log_beta(self.a, self.b)


JEFFREYS = CountPosterior()


def fit_prior(successes_K: Sequence[int], trials_K: Sequence[int]) -> CountPosterior:
    """The prior under which the counts are likeliest (beta-binomial, empirical Bayes); a, b held in [0.01, 1000]."""
    from scipy.optimize import minimize
    from scipy.special import betaln

    k, n = np.asarray(successes_K), np.asarray(trials_K)
    if k.shape != n.shape or not len(k) or (k < 0).any() or (k > n).any():
        raise LabelError("counts must satisfy 0 <= k <= n, one pair a label", got=(k.shape, n.shape))

    def loss(logs: Floats) -> float:
        a, b = np.exp(logs)
        return -float((betaln(a + k, b + n - k) - betaln(a, b)).sum())

    span = (math.log(0.01), math.log(1000.0))
    found = minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=[span, span])
    a, b = np.exp(found.x).tolist()
    return CountPosterior(a=a, b=b)


def samples_needed(p_low: float, *, confidence: float = 0.99, most: int = 256) -> int:
    """Samples that hold a right one with `confidence` where each is right with chance `p_low`; at most `most`."""
    if not (0 <= p_low <= 1 and 0 < confidence < 1) or most < 1:
        raise ConfigError("p_low lies in [0, 1], confidence in (0, 1), most is at least 1", got=(p_low, confidence))
    if p_low in (0.0, 1.0):
        return most if p_low == 0.0 else 1
    return min(most, max(1, math.ceil(math.log1p(-confidence) / math.log1p(-p_low) - 1e-9)))


def any_of(share: float, draws: int) -> float:
    """The chance that at least one of `draws` succeeds: the value under a best-of-K policy. `LabelError` outside."""
    if not 0.0 <= share <= 1.0 or draws < 1:
        raise LabelError("any of K needs a share in [0, 1] and K >= 1", got=(share, draws))
    return 1.0 if share == 1.0 else -math.expm1(draws * math.log1p(-share))


def above_chance(share: float, options: int) -> float:
    """What `share` is worth beyond guessing among `options`: 1 stays 1, the chance level is 0, less is negative."""
    if not 0.0 <= share <= 1.0 or options < 2:
        raise LabelError("a chance level needs a share in [0, 1] and at least two options", got=(share, options))
    return (share - 1.0 / options) / (1.0 - 1.0 / options)


def binomial_loss(successes: int, trials: int, chance: float) -> float:
    """-[k log p + (n - k) log(1 - p)] in nats, without the constant of the order; infinite where p rules k out."""
    _check_counts(successes, trials)
    if not 0.0 <= chance <= 1.0:
        raise LabelError("a chance lies in [0, 1]", got=chance)
    sides = ((successes, chance), (trials - successes, 1.0 - chance))
    return sum((math.inf if p == 0.0 else -count * math.log(p)) for count, p in sides if count)


def _check_counts(successes: int, trials: int) -> None:
    if not 0 <= successes <= trials:
        raise LabelError("counts must satisfy 0 <= k <= n", got=(successes, trials))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
