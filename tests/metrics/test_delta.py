import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy.stats import t

from stepward.errors import ConfigError, LabelError
from stepward.metrics.bootstrap import bootstrap_ratio
from stepward.metrics.confusion import Confusion
from stepward.metrics.delta import Measured, Share, f1, harmonic, ratio
from stepward.metrics.first_error import ProcessBenchScore, mean_f1


def numeric_se(of: Callable[..., float], at: Sequence[float], variances: Sequence[float]) -> float:
    """sqrt(sum (df/dx)^2 Var x) with derivatives by central differences."""
    total = 0.0
    for place, variance in enumerate(variances):
        up, down = list(at), list(at)
        up[place] += 1e-6
        down[place] -= 1e-6
        total += ((of(*up) - of(*down)) / 2e-6) ** 2 * variance
    return math.sqrt(total)


@pytest.mark.parametrize(("a", "b", "n", "m"), [(0.7, 0.85, 207, 193), (0.1, 0.9, 30, 12), (0.5, 0.5, 9, 400)])
def test_the_error_of_a_harmonic_mean_is_its_numeric_gradient(a: float, b: float, n: int, m: int) -> None:
    found = harmonic(Share(value=a, trials=n), Share(value=b, trials=m))
    expected = numeric_se(lambda x, y: 2 * x * y / (x + y), (a, b), (a * (1 - a) / n, b * (1 - b) / m))
    assert found.value == pytest.approx(2 * a * b / (a + b), abs=1e-12)
    assert found.se == pytest.approx(expected, abs=1e-9)


def test_harmonic_means_at_the_ends_have_intervals() -> None:
    nothing = harmonic(Share(value=0.0, trials=10), Share(value=0.0, trials=20))
    assert (nothing.value, nothing.se, nothing.units) == (0.0, 0.0, 10)
    assert nothing.interval().low == 0 and nothing.interval().high > 0.2
    every = harmonic(Share(value=1.0, trials=10), Share(value=1.0, trials=20)).interval()
    z = t.ppf(0.975, 9)
    assert (every.low, every.high) == pytest.approx((10 / (10 + z * z), 1.0))
    with pytest.raises(ConfigError, match="share"):
        Share(value=1.1, trials=3)


@pytest.mark.parametrize("seed", range(3))
def test_the_error_of_a_ratio_is_that_of_its_linear_part(seed: int) -> None:
    """Var(R) = grad' C grad, C the covariance of the mean sum and the mean size over problems."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 9, 40)
    sums = rng.binomial(sizes, rng.beta(2, 1, 40))
    found = ratio(sums, sizes)
    covariance = np.cov(np.stack([sums, sizes])) / 40
    grad = np.array([1 / sizes.mean(), -sums.mean() / sizes.mean() ** 2])
    assert found.se == pytest.approx(math.sqrt(grad @ covariance @ grad), abs=1e-9)
    drawn = bootstrap_ratio(sums, sizes, draws=4000, seed=0, level=0.683)
    assert found.se == pytest.approx((drawn.high - drawn.low) / 2, rel=0.1)


def test_a_mean_over_equal_problems_has_the_usual_error() -> None:
    values = np.random.default_rng(0).random(12)
    found = ratio(values, np.ones(12))
    assert found.se == pytest.approx(values.std(ddof=1) / math.sqrt(12), abs=1e-12)


def test_f1_over_problems_is_that_of_the_counts() -> None:
    rng = np.random.default_rng(0)
    rows = [(rng.random(5) < 0.5, rng.random(5) < 0.4) for _ in range(20)]
    parts = [Confusion.of(said, true) for said, true in rows]
    whole = sum(parts[1:], parts[0])
    found = f1([p.true_positive for p in parts], [p.false_positive + p.false_negative for p in parts])
    assert found.value == pytest.approx(whole.f1, abs=1e-12)
    assert found.units == 20 and 0 < found.se < 0.2
    limits = found.interval()
    assert 0 < limits.low < found.value < limits.high < 1


def test_ratios_without_two_problems_or_anything_below_the_line_are_refused() -> None:
    with pytest.raises(LabelError, match="two of them"):
        ratio([1.0], [2.0])
    with pytest.raises(LabelError, match="two of them"):
        ratio([1.0, 0.0], [2.0, 0.0])
    with pytest.raises(LabelError, match="not all 0"):
        ratio([0.0, 0.0], [0.0, 0.0])
    with pytest.raises(LabelError, match="as many sizes"):
        ratio([0.0, 0.0], [1.0])


def test_a_benchmarks_average_has_an_interval_narrower_than_its_parts() -> None:
    parts = [ProcessBenchScore(error_accuracy=0.7, correct_accuracy=0.85, errors=207, correct=193) for _ in range(4)]
    average, single = mean_f1(parts).interval(), parts[0].measured.interval()
    assert (single.high - single.low) / 2 == pytest.approx(1.97 * 0.0218, abs=1e-3)
    assert average.high - average.low == pytest.approx((single.high - single.low) / 2, rel=0.02)


def test_a_wider_level_gives_a_wider_interval() -> None:
    found = Measured(value=0.6, se=0.05, units=30)
    assert found.interval(level=0.99).low < found.interval().low < 0.6
