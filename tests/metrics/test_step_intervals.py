import numpy as np
import pytest

from stepward.errors import LabelError, ScoreError
from stepward.metrics.bootstrap import ClusteredSteps, bootstrap
from stepward.metrics.calibration import brier, ece, ece_equal_mass
from stepward.metrics.ranking import average_precision
from stepward.metrics.step_intervals import (
    average_precision_draws,
    bootstrap_average_precision,
    bootstrap_brier,
    bootstrap_brier_difference,
    bootstrap_ece,
    bootstrap_ece_equal_mass,
)

Rows = list[tuple[np.ndarray, np.ndarray]]


def problems(seed: int, count: int = 12) -> Rows:
    rng = np.random.default_rng(seed)
    rows = [(rng.integers(0, 9, size) / 9, rng.random(size) < 0.6) for size in rng.integers(2, 9, count)]
    for _, good in rows:
        good[0], good[-1] = True, False
    return rows


def clustered(rows: Rows) -> ClusteredSteps:
    return ClusteredSteps(
        scores_S=np.concatenate([s for s, _ in rows]),
        good_S=np.concatenate([g for _, g in rows]),
        problem_S=[f"p{i}" for i, (s, _) in enumerate(rows) for _ in s],
    )


def joined(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([s for s, _ in rows]), np.concatenate([g for _, g in rows])


@pytest.mark.parametrize("seed", range(4))
def test_the_fast_average_precision_equals_the_plain_bootstrap_with_ties(seed: int) -> None:
    rows = problems(seed)
    plain = bootstrap(lambda drawn: average_precision(*joined(drawn)), rows, draws=100, seed=3, span=(0, 1))
    fast = bootstrap_average_precision(clustered(rows), draws=100, seed=3)
    assert (fast.value, fast.low, fast.high) == pytest.approx((plain.value, plain.low, plain.high), abs=1e-12)


def test_a_draw_without_an_error_has_no_average_precision() -> None:
    rows = [(np.array([0.9, 0.8]), np.array([True, True])), (np.array([0.1]), np.array([False]))]
    values = average_precision_draws(clustered(rows), draws=200, seed=0)
    assert values[0] == 1.0
    assert 20 < np.isnan(values).sum() < 90
    with pytest.raises(LabelError, match="one class"):
        bootstrap_average_precision(clustered(rows[:1]), seed=0)


def test_brier_intervals_equal_the_plain_bootstrap() -> None:
    rows, other = problems(1), [(np.sqrt(s), g) for s, g in problems(1)]
    plain = bootstrap(lambda drawn: brier(*joined(drawn)), rows, draws=100, seed=3, span=(0, 1))
    fast = bootstrap_brier(clustered(rows), draws=100, seed=3)
    assert (fast.value, fast.low, fast.high) == pytest.approx((plain.value, plain.low, plain.high), abs=1e-12)
    gain = bootstrap_brier_difference(clustered(rows), clustered(other), draws=100, seed=3)
    assert gain.value == pytest.approx(brier(*joined(rows)) - brier(*joined(other)), abs=1e-12)
    same = bootstrap_brier_difference(clustered(rows), clustered(rows), draws=100, seed=3)
    assert (same.low, same.high) == (0, 0)
    with pytest.raises(LabelError, match="same steps"):
        bootstrap_brier_difference(clustered(rows), clustered(other[:-1]), seed=0)


def test_calibration_intervals_hold_their_value_which_is_the_metrics_own() -> None:
    steps = clustered(problems(2))
    for make, metric in ((bootstrap_ece, ece), (bootstrap_ece_equal_mass, ece_equal_mass)):
        found = make(steps, bins=5, draws=200, seed=0)
        assert found.value == pytest.approx(metric(steps.scores_S, steps.good_S, bins=5), abs=1e-12)
        assert 0 <= found.low < found.value < found.high <= 1


def calibrated(shift: float) -> ClusteredSteps:
    rng = np.random.default_rng(0)
    probs = rng.random((80, 6)) * 0.8
    return clustered([(p + shift, rng.random(6) < p) for p in probs])


def test_a_calibrated_score_has_no_error_in_its_interval_and_a_shifted_one_its_shift() -> None:
    right, off = bootstrap_ece(calibrated(0.0), draws=400, seed=0), bootstrap_ece(calibrated(0.2), draws=400, seed=0)
    assert right.value > 0.03 and right.low == 0
    assert off.low > 0.1 and off.low < 0.2 < off.high


def test_one_problem_says_nothing_of_calibration_and_what_is_no_probability_is_refused() -> None:
    one = ClusteredSteps(scores_S=[0.2, 0.9], good_S=[0, 1], problem_S=["a", "a"])
    found = bootstrap_ece(one, seed=0)
    assert (found.low, found.high) == (0, 1)
    with pytest.raises(ScoreError, match="no probability"):
        bootstrap_ece(ClusteredSteps(scores_S=[1.2, 0.9], good_S=[0, 1], problem_S=["a", "b"]), seed=0)
    with pytest.raises(LabelError, match="problem ids"):
        bootstrap_brier(ClusteredSteps(scores_S=[0.2, 0.9], good_S=[0, 1], problem_S=["a"]), seed=0)
