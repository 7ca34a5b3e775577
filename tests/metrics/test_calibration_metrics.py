import math

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from stepward.errors import ConfigError, ScoreError
from stepward.metrics.bootstrap import wilson
from stepward.metrics.calibration import (
    brier,
    brier_parts,
    ece,
    ece_equal_mass,
    equal_mass_bins,
    equal_width_bins,
    nll,
)

PROBS = [0.1, 0.3, 0.35, 0.8, 0.9, 0.95]
GOOD = [0, 1, 0, 1, 1, 0]


def test_golden_ece_and_brier() -> None:
    assert ece(PROBS, GOOD, bins=5) == pytest.approx(0.25)
    assert brier(PROBS, GOOD) == pytest.approx(0.2625)


def test_brier_and_nll_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    probs, good = rng.random(500), rng.random(500) < 0.6
    assert brier(probs, good) == pytest.approx(brier_score_loss(good, probs), abs=1e-12)
    assert nll(probs, good) == pytest.approx(log_loss(good, probs), abs=1e-12)


def test_a_certain_and_wrong_probability_has_a_finite_nll() -> None:
    assert nll([0.0, 1.0], [1, 0]) == pytest.approx(log_loss([1, 0], [0.0, 1.0]))


def test_bins_are_right_closed_and_the_first_holds_zero() -> None:
    edges = [k / 15 for k in range(16)]
    bins = equal_width_bins(edges, [1] * 16, bins=15)
    assert [b.count for b in bins] == [2] + [1] * 14
    assert [b.high for b in bins] == edges[1:]


def test_empty_bins_are_left_out_and_rates_carry_wilson_intervals() -> None:
    low, high = equal_width_bins([0.05, 0.06, 0.95], [0, 1, 1], bins=10)
    assert (low.low, low.high, low.count, low.score) == (0.0, 0.1, 2, pytest.approx(0.055))
    assert low.rate == wilson(1, 2)
    assert high.gap == pytest.approx(-0.05)


def test_equal_mass_bins_hold_as_many_items_and_keep_ties_together() -> None:
    rng = np.random.default_rng(0)
    probs, good = rng.random(300) ** 3, rng.random(300) < 0.5
    assert [b.count for b in equal_mass_bins(probs, good, bins=15)] == [20] * 15
    assert [b.count for b in equal_mass_bins([0.5] * 10 + [0.9] * 2, [1] * 12, bins=4)] == [10, 2]


def test_equal_mass_ece_sees_what_equal_width_bins_average_away() -> None:
    probs, good = [0.91, 0.92, 0.98, 0.99], [1, 1, 0, 1]
    assert ece(probs, good, bins=5) == pytest.approx(0.2)
    assert ece_equal_mass(probs, good, bins=2) == pytest.approx((0.085 + 0.485) / 2)


def test_murphy_parts_add_up_and_hide_nothing_for_distinct_scores() -> None:
    rng = np.random.default_rng(0)
    probs, good = rng.integers(0, 11, 400) / 10, rng.random(400) < 0.4
    parts = brier_parts(probs, good, bins=10)
    assert parts.brier == pytest.approx(parts.reliability - parts.resolution + parts.uncertainty + parts.within)
    assert parts.uncertainty == pytest.approx(good.mean() * (1 - good.mean()))
    exact = brier_parts(np.where(probs > 0.5, 0.75, 0.25), good, bins=4)
    assert exact.within == pytest.approx(0, abs=1e-12)


def test_what_is_no_probability_is_refused() -> None:
    for broken in (1.01, -0.01, math.nan):
        with pytest.raises(ScoreError):
            ece([0.5, broken], [0, 1])
    with pytest.raises(ScoreError):
        brier([], [])
    with pytest.raises(ConfigError):
        ece([0.5], [1], bins=0)
