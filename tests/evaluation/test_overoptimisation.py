import math
from itertools import combinations

import pytest

from stepward.errors import ConfigError, ScoreError
from stepward.evaluation.robustness.overoptimisation import expected_best, overoptimisation
from stepward.search.replay import Pool


def pool(problem, correct, scores):
    return Pool(problem_id=problem, answers=("a",) * len(correct), correct=correct, scores={"prm": scores})


GAMED = [pool(str(i), (False, True, True, False), (0.9, 0.5, 0.6, 0.1)) for i in range(8)]


def test_the_expected_best_is_the_mean_over_all_subsets():
    scores = (0.3, 0.1, 0.3, 0.9, 0.2)
    for n in range(1, 6):
        subsets = [max(each) for each in combinations(scores, n)]
        assert expected_best(scores, n) == pytest.approx(sum(subsets) / len(subsets))


def test_a_score_that_likes_the_wrong_sample_best_peaks_and_falls():
    """Of wrong .9, right .5, right .6, wrong .1: half right for one and for two, a quarter for three, none for four."""
    found = overoptimisation(GAMED, "prm", [1, 2, 3, 4], seed=0)
    assert [point.gold.value for point in found.points] == pytest.approx([1 / 2, 1 / 2, 1 / 4, 0])
    assert [point.proxy.value for point in found.points] == sorted(point.proxy.value for point in found.points)
    assert (found.peak.n, found.peak.distance) == (1, 0.0)
    end = math.sqrt(math.log(4) - 3 / 4)
    assert found.slope.value == pytest.approx(-1 / 2 / end)
    assert found.points[3].gap.value == pytest.approx(0.9)


def test_a_score_that_knows_has_no_slope_behind_its_peak():
    knowing = [pool(str(i), (False, True), (0.1, 0.9)) for i in range(4)]
    found = overoptimisation(knowing, "prm", [1, 2], seed=0)
    assert found.peak.n == 2
    assert math.isnan(found.slope.value)


def test_bad_pools_and_numbers_are_refused():
    with pytest.raises(ConfigError, match="ascending"):
        overoptimisation(GAMED, "prm", [2, 1], seed=0)
    with pytest.raises(ConfigError, match="ascending"):
        overoptimisation([], "prm", [1], seed=0)
    with pytest.raises(ConfigError, match="n must lie between"):
        overoptimisation(GAMED, "prm", [5], seed=0)
    with pytest.raises(ConfigError, match="no scores 'orm'"):
        overoptimisation(GAMED, "orm", [1], seed=0)
    with pytest.raises(ScoreError, match="1 samples of the pool"):
        overoptimisation([pool("p", (True, False), (0.5, None))], "prm", [1], seed=0)
