import math

import numpy as np
import pytest

from stepward.combine.uncertainty import (
    Band,
    UncertainScores,
    ensemble_scores,
    fit_band,
    quantile_scores,
)
from stepward.errors import ConfigError, LabelError, ScoreError
from stepward.types import StepScores


def test_an_ensemble_is_its_mean_its_deviation_and_its_range() -> None:
    found = ensemble_scores(StepScores(values=(0.0, 0.0)), [[0.2, 0.4, 0.6], [0.9, 0.9, 0.9]], level=1.0)
    assert found.scores.values == pytest.approx((0.4, 0.9))
    assert found.deviations == pytest.approx((0.2, 0.0))
    assert found.lows == pytest.approx((0.2, 0.9)) and found.highs == pytest.approx((0.6, 0.9))
    assert found.lower().values == found.lows
    skewed = ensemble_scores(StepScores(values=(0.0,)), [[0.0] * 9 + [1.0]], level=0.5)
    assert skewed.highs[0] >= skewed.scores.values[0], "a mean outside its heads' middle stretches the range"
    assert len(ensemble_scores(StepScores(values=()), np.zeros((0, 4))).lows) == 0
    with pytest.raises(ScoreError, match="two heads"):
        ensemble_scores(StepScores(values=(0.5,)), [[0.5]])


def test_trust_looks_up_to_the_first_error_and_asks_for_agreement() -> None:
    def made(values: tuple[float, ...], spread: float = 0.0) -> UncertainScores:
        probs = [[value - spread, value, value + spread] for value in values]
        return ensemble_scores(StepScores(values=(0.0,) * len(values)), probs)

    assert made((0.95, 0.97)).trusted() and made((0.95, 0.05, 0.5)).trusted()
    assert not made((0.95, 0.6)).trusted(), "not sure of its second step"
    assert not made((0.95, 0.95), spread=0.03).trusted(), "the heads disagree"
    with pytest.raises(ScoreError, match="ensemble"):
        quantile_scores(StepScores(values=(0.5,)), [[0.2, 0.5, 0.9]]).trusted()


def test_quantiles_that_cross_are_put_in_order() -> None:
    found = quantile_scores(StepScores(values=(0.0,)), [[0.5, 0.3, 0.9]])
    assert (found.lows, found.scores.values, found.highs) == ((0.3,), (0.5,), (0.9,))
    assert len(quantile_scores(StepScores(values=()), np.zeros((0, 3))).lows) == 0
    with pytest.raises(ScoreError, match="odd number"):
        quantile_scores(StepScores(values=(0.5,)), [[0.5, 0.6]])


def test_ends_that_do_not_hold_their_score_are_refused() -> None:
    scores = StepScores(values=(0.5,))
    for lows, highs in (((0.6,), (0.9,)), ((0.1,), (1.2,)), ((math.nan,), (0.9,)), ((), (0.9,))):
        with pytest.raises(ScoreError):
            UncertainScores(scores=scores, lows=lows, highs=highs, how="band")


def test_a_band_is_the_right_order_statistic() -> None:
    """Worst misses by problem 0.1, 0.2, 0.3 (two labels), -0.1: level 0.6 of 4 problems takes the third smallest."""
    lows, highs = [0.4] * 5, [0.6] * 5
    values = [0.7, 0.8, 0.5, 0.9, 0.5]
    found = fit_band(lows, highs, values, ["a", "b", "c", "c", "d"], level=0.6)
    assert found == Band(margin=pytest.approx(0.2), level=0.6, problems=4)
    with pytest.raises(LabelError, match="more problems"):
        fit_band(lows, highs, values, ["a", "b", "c", "c", "d"], level=0.9)
    with pytest.raises(ConfigError, match="level"):
        fit_band(lows, highs, values, list("abccd"), level=1.0)


def test_bands_cover_the_labels_of_new_problems_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)

    def world(problems: int) -> tuple[np.ndarray, np.ndarray, list[int]]:
        centre = np.repeat(rng.random(problems), 4)
        noise = np.repeat(rng.normal(0, 0.1, problems), 4) + rng.normal(0, 0.05, 4 * problems)
        return centre, np.clip(centre + noise, 0, 1), np.repeat(np.arange(problems), 4).tolist()

    covered = []
    for _ in range(200):
        centre, values, problems = world(60)
        band = fit_band(centre - 0.05, centre + 0.05, values, problems, level=0.8)
        centre, values, _ = world(40)
        inside = np.abs(values - centre) <= 0.05 + band.margin
        covered.append(inside.reshape(40, 4).all(axis=1).mean())
    error = np.std(covered, ddof=1) / math.sqrt(200)
    assert 0.8 - 4 * error <= np.mean(covered) <= 0.85


def test_widening_stays_within_the_unit_interval_and_around_the_score() -> None:
    scores = quantile_scores(StepScores(values=(0.0, 0.0)), [[0.1, 0.5, 0.95], [0.4, 0.5, 0.6]])
    wide = Band(margin=0.2, level=0.9, problems=9).widen(scores)
    assert wide.lows == pytest.approx((0.0, 0.2)) and wide.highs == pytest.approx((1.0, 0.8)) and wide.how == "band"
    narrow = Band(margin=-0.3, level=0.9, problems=9).widen(scores)
    assert narrow.lows == pytest.approx((0.4, 0.5)) and narrow.highs == pytest.approx((0.65, 0.5))
