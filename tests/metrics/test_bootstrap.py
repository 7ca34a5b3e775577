import numpy as np
import pytest
from scipy.stats import binomtest

from stepward.errors import ConfigError, LabelError, ScoreError
from stepward.metrics.bootstrap import (
    ClusteredSteps,
    Interval,
    bootstrap,
    bootstrap_auroc,
    bootstrap_auroc_difference,
    bootstrap_mean,
    bootstrap_means,
    bootstrap_ratio,
    paired_difference,
    resamples,
    wilson,
)
from stepward.metrics.ranking import auroc, pooled_auroc


def problems(seed: int, count: int = 12) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 9, count)
    return [(rng.integers(0, 9, size) / 9, rng.random(size) < 0.6) for size in sizes]


def clustered(rows: list[tuple[np.ndarray, np.ndarray]]) -> ClusteredSteps:
    return ClusteredSteps(
        scores_S=np.concatenate([s for s, _ in rows]),
        good_S=np.concatenate([g for _, g in rows]),
        problem_S=[f"p{i}" for i, (s, _) in enumerate(rows) for _ in s],
    )


def auroc_of(rows: list[tuple[np.ndarray, np.ndarray]]) -> float:
    return pooled_auroc([s for s, _ in rows], [g for _, g in rows])


@pytest.mark.parametrize(
    ("trials", "successes", "low", "high"),
    [(8, 0, 0, 0.324), (8, 1, 0.022, 0.471), (8, 4, 0.215, 0.785), (8, 8, 0.676, 1), (4, 0, 0, 0.490)],
)
def test_golden_wilson(trials: int, successes: int, low: float, high: float) -> None:
    interval = wilson(successes, trials)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-3)
    rival = binomtest(successes, trials).proportion_ci(method="wilson")
    assert (interval.low, interval.high) == pytest.approx((rival.low, rival.high), abs=1e-9)


def test_wilson_refuses_impossible_counts_and_levels() -> None:
    for counts in [(1, 0), (-1, 3), (4, 3)]:
        with pytest.raises(LabelError):
            wilson(*counts)
    with pytest.raises(ConfigError):
        wilson(1, 2, level=95)


def test_the_fast_auroc_draws_equal_the_plain_bootstrap() -> None:
    rows = problems(0)
    plain = bootstrap(auroc_of, rows, draws=200, seed=3)
    fast = bootstrap_auroc(clustered(rows), draws=200, seed=3)
    assert (fast.value, fast.low, fast.high) == pytest.approx((plain.value, plain.low, plain.high), abs=1e-12)
    assert fast.value == pytest.approx(auroc(clustered(rows).scores_S, clustered(rows).good_S))


def test_the_fast_means_equal_the_plain_bootstrap() -> None:
    values = np.random.default_rng(0).random(20)
    plain = bootstrap(lambda drawn: float(np.mean(drawn)), values.tolist(), draws=300, seed=5)
    fast = bootstrap_mean(values, draws=300, seed=5)
    assert (fast.value, fast.low, fast.high) == pytest.approx((plain.value, plain.low, plain.high))
    rows = problems(1)
    ratio = bootstrap_ratio([s.sum() for s, _ in rows], [len(s) for s, _ in rows], draws=300, seed=5)
    slow = bootstrap(lambda drawn: float(np.mean(np.concatenate([s for s, _ in drawn]))), rows, draws=300, seed=5)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((slow.value, slow.low, slow.high))


def test_paired_differences_agree_and_are_zero_against_oneself() -> None:
    first, second = problems(0), [(s[::-1], g) for s, g in problems(0)]
    plain = paired_difference(auroc_of, list(zip(first, second, strict=True)), draws=100, seed=1)
    fast = bootstrap_auroc_difference(clustered(first), clustered(second), draws=100, seed=1)
    assert (fast.low, fast.high) == pytest.approx((plain.low, plain.high), abs=1e-12)
    same = bootstrap_auroc_difference(clustered(first), clustered(first), draws=100, seed=1)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    with pytest.raises(LabelError, match="same problems"):
        bootstrap_auroc_difference(clustered(first), clustered(second[:-1]), draws=100, seed=1)


def test_whole_problems_are_drawn_so_copies_of_a_trace_do_not_narrow_the_interval() -> None:
    values = np.random.default_rng(2).random(15)
    once = bootstrap_ratio(values, np.ones(15), draws=500, seed=0)
    tenfold = bootstrap_ratio(values * 10, np.full(15, 10), draws=500, seed=0)
    assert (once.low, once.high) == pytest.approx((tenfold.low, tenfold.high))


def test_one_seed_gives_one_interval_and_rows_share_their_draws() -> None:
    values = np.random.default_rng(0).random((2, 10))
    both = bootstrap_means(values, draws=50, seed=9)
    alone = [bootstrap_mean(row, draws=50, seed=9) for row in values]
    assert [(i.low, i.high) for i in both] == [pytest.approx((i.low, i.high)) for i in alone]
    assert alone[0] == bootstrap_mean(values[0], draws=50, seed=9)
    assert alone[0] != bootstrap_mean(values[0], draws=50, seed=10)
    assert (resamples(7, 40, 1).sum(axis=1) == 7).all()


def test_undefined_draws_are_counted_not_hidden() -> None:
    rows = [(np.array([0.9, 0.8]), np.array([True, True])), (np.array([0.1]), np.array([False]))]
    interval = bootstrap_auroc(clustered(rows), draws=400, seed=0)
    assert interval.draws + interval.undefined == 400
    assert 150 < interval.undefined < 250
    assert bootstrap(auroc_of, rows, draws=400, seed=0) == interval


def test_a_level_sets_the_width_and_an_interval_prints_itself() -> None:
    values = np.random.default_rng(0).random(30)
    narrow, wide = (bootstrap_mean(values, seed=0, level=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high
    assert str(Interval(value=0.5, low=0.25, high=0.75)) == "0.500 [0.250, 0.750]"


def test_a_bootstrap_refuses_what_it_cannot_draw_from() -> None:
    with pytest.raises(LabelError):
        bootstrap(lambda rows: float(len(rows)), [], seed=0)
    with pytest.raises(ConfigError):
        bootstrap_mean([1.0], draws=0, seed=0)
    with pytest.raises(ScoreError):
        bootstrap_mean([1.0, float("nan")], seed=0)
    with pytest.raises(LabelError):
        bootstrap_ratio([1.0], [0.0], seed=0)
    with pytest.raises(LabelError, match="problem ids"):
        bootstrap_auroc(ClusteredSteps(scores_S=[0.1, 0.2], good_S=[0, 1], problem_S=["a"]), seed=0)


@pytest.mark.slow
def test_nominal_95_percent_intervals_of_a_mean_cover_95_percent() -> None:
    """100 problems of 8 alike traces each; the mean of 1,500 worlds must lie in 93-97 % of the intervals."""
    rng = np.random.default_rng(0)
    covered = 0
    for world in range(1500):
        chance_P = rng.beta(2, 2, 100)
        interval = bootstrap_ratio(rng.binomial(8, chance_P), np.full(100, 8), draws=600, seed=world)
        covered += interval.low <= 0.5 <= interval.high
    assert 0.93 <= covered / 1500 <= 0.97


@pytest.mark.slow
def test_nominal_95_percent_intervals_of_an_auroc_cover_95_percent() -> None:
    """Scores N(y + u_p, 1) with a shift u_p ~ N(0, 1/4) per problem: AUROC = Phi(1 / sqrt(2.5))."""
    rng, truth, covered = np.random.default_rng(1), 0.736455, 0
    for world in range(600):
        good = rng.random((100, 6)) < 0.5
        scores = rng.normal(good + rng.normal(0, 0.5, (100, 1)))
        steps = ClusteredSteps(
            scores_S=scores.ravel(), good_S=good.ravel(), problem_S=np.repeat(np.arange(100), 6).tolist()
        )
        interval = bootstrap_auroc(steps, draws=500, seed=world)
        covered += interval.low <= truth <= interval.high
    assert 0.93 <= covered / 600 <= 0.97
