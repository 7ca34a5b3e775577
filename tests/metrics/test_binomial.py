import math

import numpy as np
import pytest
from scipy.stats import beta, betabinom, binom

from stepward.errors import ConfigError, LabelError
from stepward.metrics.binomial import (
    JEFFREYS,
    CountPosterior,
    above_chance,
    any_of,
    binomial_loss,
    fit_prior,
    samples_needed,
)


@pytest.mark.parametrize(("low", "samples"), [(0.1, 44), (0.3, 13), (0.5, 7), (0.9, 2)])
def test_instance_adaptive_samples_agree_with_the_golden_vector(low: float, samples: int) -> None:
    assert samples_needed(low, confidence=0.99, most=1000) == samples


def test_samples_never_exceed_the_cap_and_grow_as_the_chance_falls() -> None:
    assert samples_needed(0.0, most=64) == 64 and samples_needed(1.0) == 1 and samples_needed(1e-9, most=64) == 64
    needed = [samples_needed(p / 100, most=10_000) for p in range(1, 100)]
    assert needed == sorted(needed, reverse=True)
    for p in (0.07, 0.2, 0.63):
        n = samples_needed(p, confidence=0.95)
        assert 1 - (1 - p) ** n >= 0.95 > 1 - (1 - p) ** (n - 1)
    with pytest.raises(ConfigError, match="p_low"):
        samples_needed(math.nan)
    with pytest.raises(ConfigError, match="confidence"):
        samples_needed(0.5, confidence=1.0)


def test_jeffreys_posterior_agrees_with_the_golden_vector() -> None:
    prior = CountPosterior()
    assert prior.mean(0, 8) == pytest.approx(0.0556, abs=1e-4) and prior.mean(8, 8) == pytest.approx(0.9444, abs=1e-4)
    found = prior.interval(3, 8, level=0.9)
    assert beta(3.5, 5.5).cdf(found.high) - beta(3.5, 5.5).cdf(found.low) == pytest.approx(0.9)
    assert found.low < found.value < found.high
    wide = prior.interval(0, 0, level=0.9)
    assert wide.low < 0.01 and wide.high > 0.99, "no rollout says nothing"
    with pytest.raises(LabelError, match="0 <= k <= n"):
        prior.interval(3, 2)
    with pytest.raises(ConfigError, match="Beta prior"):
        CountPosterior(a=0)


def test_the_prior_that_made_the_counts_is_found() -> None:
    k = betabinom.rvs(8, 2.0, 5.0, size=6000, random_state=0)
    found = fit_prior(k.tolist(), [8] * 6000)
    assert (found.a, found.b) == pytest.approx((2, 5), rel=0.15)
    alike = fit_prior([4] * 50, [8] * 50)
    assert alike.a == pytest.approx(alike.b, rel=0.05) and alike.a > 5, "equal counts: a narrow prior, held in bounds"
    with pytest.raises(LabelError, match="one pair a label"):
        fit_prior([1, 2], [8])


@pytest.mark.parametrize(("threshold", "k", "n"), [(0.05, 0, 8), (0.05, 1, 4), (0.3, 7, 32), (0.9, 0, 0), (0.0, 3, 5)])
def test_tail_probabilities_agree_with_scipy(threshold: float, k: int, n: int) -> None:
    prior = CountPosterior(a=0.7, b=2.5)
    assert prior.above(threshold, k, n) == pytest.approx(beta(0.7 + k, 2.5 + n - k).sf(threshold), abs=1e-9)


@pytest.mark.parametrize(("k", "n"), [(0, 8), (3, 8), (8, 8), (40, 128)])
def test_the_marginal_is_the_beta_binomial_s_without_the_order_and_intervals_are_scipy_s(k: int, n: int) -> None:
    prior = CountPosterior(a=1.3, b=0.4)
    orders = binom.logpmf(k, n, 0.5) - n * math.log(0.5)
    assert prior.log_marginal(k, n) + orders == pytest.approx(betabinom.logpmf(k, n, 1.3, 0.4), abs=1e-9)
    found = prior.interval(k, n, level=0.95)
    assert (found.low, found.high) == pytest.approx(tuple(beta(1.3 + k, 0.4 + n - k).ppf([0.025, 0.975])), abs=1e-9)


def test_a_tail_falls_with_its_threshold_and_grows_with_successes() -> None:
    assert JEFFREYS.above(0.0, 0, 8) == 1.0 and JEFFREYS.above(1.0, 8, 8) == 0.0
    assert JEFFREYS.above(0.1, 0, 8) > JEFFREYS.above(0.2, 0, 8)
    assert JEFFREYS.above(0.1, 1, 8) > JEFFREYS.above(0.1, 0, 8) > JEFFREYS.above(0.1, 0, 9)
    with pytest.raises(LabelError, match="0 <= k <= n"):
        JEFFREYS.above(0.1, 3, 2)


@pytest.mark.parametrize(("share", "best"), [(0.1, 0.3439), (0.5, 0.9375), (0.9, 0.9999), (0.0, 0.0), (1.0, 1.0)])
def test_best_of_four_values_agree_with_the_golden_vector(share: float, best: float) -> None:
    assert any_of(share, 4) == pytest.approx(best, abs=1e-4)


def test_eight_guesses_among_four_options_nearly_always_hold_the_right_one() -> None:
    assert any_of(0.25, 8) == pytest.approx(0.8999, abs=1e-4)
    assert above_chance(0.25, 4) == 0.0 and above_chance(1.0, 4) == 1.0
    assert above_chance(0.625, 4) == pytest.approx(0.5) and above_chance(0.0, 4) == pytest.approx(-1 / 3)
    with pytest.raises(LabelError, match="two options"):
        above_chance(0.5, 1)
    with pytest.raises(LabelError, match="K >= 1"):
        any_of(0.5, 0)


def test_a_rare_success_among_few_draws_keeps_its_digits() -> None:
    assert any_of(1e-12, 4) == pytest.approx(4e-12, rel=1e-9)


def test_the_likelihood_agrees_with_the_golden_vector_and_with_scipy() -> None:
    assert binomial_loss(3, 8, 0.4) == pytest.approx(5.3030, abs=1e-3)
    orders = -math.log(math.comb(8, 3))
    assert binomial_loss(3, 8, 0.4) == pytest.approx(-binom.logpmf(3, 8, 0.4) - orders, abs=1e-9)
    assert binomial_loss(0, 8, 0.0) == 0.0 and binomial_loss(8, 8, 1.0) == 0.0
    assert binomial_loss(1, 8, 0.0) == math.inf


def test_when_drawing_stopped_moves_the_share_but_not_the_likelihood_s_maximum() -> None:
    """Stopping at the first success: the mean of k / n is over the chance, the likeliest chance of all counts is it."""
    draws = np.random.default_rng(0).geometric(0.3, 40_000)
    assert (1 / draws).mean() > 0.5
    assert len(draws) / draws.sum() == pytest.approx(0.3, abs=0.01)
