import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binomtest, t

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
    bootstrap_share,
    bounded_interval,
    interval,
    paired_difference,
    rarer_problems,
    resamples,
    wilson,
    wilson_from_error,
)
from stepward.metrics.ranking import auroc, pooled_auroc


def problems(seed: int, count: int = 12) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 9, count)
    rows = [(rng.integers(0, 9, size) / 9, rng.random(size) < 0.6) for size in sizes]
    for _, good in rows:
        good[0], good[-1] = True, False
    return rows


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
    found = wilson(successes, trials)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-3)
    rival = binomtest(successes, trials).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((rival.low, rival.high), abs=1e-9)


def test_wilson_refuses_impossible_counts_and_levels() -> None:
    for counts in [(1, 0), (-1, 3), (4, 3)]:
        with pytest.raises(LabelError):
            wilson(*counts)
    with pytest.raises(ConfigError):
        wilson(1, 2, level=95)


def test_the_fast_auroc_draws_equal_the_plain_bootstrap() -> None:
    rows = problems(0)
    plain = bootstrap(auroc_of, rows, draws=200, seed=3, span=(0, 1))
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
    first, second = problems(0), [(s[::-1], g[::-1]) for s, g in problems(1)]
    second = [(np.resize(s, len(t)), h) for (s, _), (t, h) in zip(second, first, strict=True)]
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
    found = bootstrap_auroc(clustered(rows), draws=400, seed=0)
    assert found.draws + found.undefined == 400
    assert 150 < found.undefined < 250
    assert (found.value, found.low, found.high) == (1.0, 0.0, 1.0), "one problem with an error says nothing"
    plain = bootstrap(auroc_of, rows, draws=400, seed=0)
    assert (plain.draws, plain.undefined) == (found.draws, found.undefined)


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


def test_an_interval_is_students_where_the_number_of_problems_is_told_and_else_percentiles() -> None:
    draws = np.random.default_rng(0).normal(size=4001)
    found, plain = interval(0.1, draws, problems=10), interval(0.1, draws)
    half = t.ppf(0.975, 9) * draws.std() * math.sqrt(10 / 9)
    assert (found.low, found.high) == pytest.approx((0.1 - half, 0.1 + half), abs=1e-9)
    assert (plain.low, plain.high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=1e-9)


def test_the_interval_of_a_mean_is_the_textbooks() -> None:
    values = np.random.default_rng(0).normal(size=25)
    found = bootstrap_mean(values, draws=20_000, seed=0)
    book = t.interval(0.95, 24, loc=values.mean(), scale=values.std(ddof=1) / 5)
    assert (found.low, found.high) == pytest.approx(book, abs=0.01)
    alone = bootstrap_mean([0.3], seed=0)
    assert (alone.low, alone.high) == (0.3, 0.3)


@pytest.mark.parametrize(("value", "se", "units"), [(0.8, 0.05, 12), (0.02, 0.01, 200), (0.5, 0.3, 2), (0.97, 0.2, 5)])
def test_wilson_shaped_limits_are_where_the_score_test_just_rejects(value: float, se: float, units: int) -> None:
    """The limits L solve |v - L| = t sqrt(L (1 - L) / n) with n = v (1 - v) / se^2."""
    trials, z = value * (1 - value) / se**2, t.ppf(0.975, units - 1)
    found = wilson_from_error(value, se, units=units)

    def excess(limit: float) -> float:
        return (value - limit) ** 2 - z**2 * limit * (1 - limit) / trials

    assert found.low == pytest.approx(brentq(excess, 0, value, xtol=1e-14), abs=1e-9)
    assert found.high == pytest.approx(brentq(excess, value, 1, xtol=1e-14), abs=1e-9)
    wide = wilson_from_error(4 * value - 1, 4 * se, units=units, span=(-1, 3))
    assert (wide.low, wide.high) == pytest.approx((4 * found.low - 1, 4 * found.high - 1), abs=1e-9)


def test_a_share_of_independent_items_gets_wilsons_interval_but_for_students_factor() -> None:
    hits = np.arange(400) % 4 == 0
    se = math.sqrt(0.25 * 0.75 / 400)
    ours, theirs = wilson_from_error(0.25, se, units=10**7), wilson(100, 400)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-6)
    drawn = bootstrap_share(hits, np.ones(400), seed=0)
    assert (drawn.low, drawn.high) == pytest.approx((theirs.low, theirs.high), abs=4e-3)


def test_degenerate_shares_have_intervals_that_own_what_is_not_known() -> None:
    every = bootstrap_share([3, 3, 3, 3], [3, 3, 3, 3], seed=0)
    z = t.ppf(0.975, 3)
    assert (every.low, every.high) == pytest.approx((4 / (4 + z * z), 1.0)), "four problems, not twelve items"
    alone = bootstrap_share([2], [3], seed=0)
    assert (alone.low, alone.high) == (0, 1)
    alike = bounded_interval(0.5, np.full(50, 0.5), problems=9)
    assert (alike.low, alike.high) == (0.5, 0.5)
    none = bootstrap_share([0, 0], [4, 4], seed=0)
    assert none.low == 0 and none.high > 0.5
    with pytest.raises(LabelError, match="between 0 and the sizes"):
        bootstrap_share([5, 1], [4, 4], seed=0)
    with pytest.raises(LabelError, match="between 0 and the sizes"):
        bootstrap_share([-1, 1], [4, 4], seed=0)
    with pytest.raises(ConfigError, match=r"value in \[0, 1\]"):
        wilson_from_error(1.2, 0.1, units=5)
    with pytest.raises(LabelError, match="every bootstrap draw"):
        bounded_interval(0.5, np.array([np.nan]), problems=3)


def test_the_rarer_class_bounds_what_an_auroc_knows() -> None:
    rows = problems(0)
    assert rarer_problems(clustered(rows)) == 12
    mostly_right = [(s, np.ones_like(g) if i > 2 else g) for i, (s, g) in enumerate(rows)]
    assert rarer_problems(clustered(mostly_right)) == 3


@pytest.mark.slow
@pytest.mark.parametrize("count", [12, 100])
def test_nominal_95_percent_intervals_of_a_share_cover_95_percent(count: int) -> None:
    """Problems of 8 alike traces, chances ~ Beta(5, 1); 5/6 must lie in 93-97 % of the intervals of 1,500 worlds."""
    rng, covered = np.random.default_rng(0), 0
    for world in range(1500):
        hits = rng.binomial(8, rng.beta(5, 1, count))
        found = bootstrap_share(hits, np.full(count, 8), draws=400, seed=world)
        covered += found.low <= 5 / 6 <= found.high
    assert 0.93 <= covered / 1500 <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("count", [12, 100])
def test_nominal_95_percent_intervals_of_a_mean_cover_95_percent(count: int) -> None:
    rng, covered = np.random.default_rng(2), 0
    for world in range(1500):
        found = bootstrap_mean(rng.normal(0.1, 1, count), draws=400, seed=world)
        covered += found.low <= 0.1 <= found.high
    assert 0.93 <= covered / 1500 <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(("count", "gap", "truth"), [(12, 2.5, 0.943077), (100, 1.0, 0.736455)])
def test_nominal_95_percent_intervals_of_an_auroc_cover_95_percent(count: int, gap: float, truth: float) -> None:
    """Scores N(gap y + u_p, 1) with a shift u_p ~ N(0, 1/4) per problem: AUROC = Phi(gap / sqrt(2.5))."""
    rng, covered = np.random.default_rng(1), 0
    for world in range(800):
        good = rng.random((count, 6)) < 0.6
        scores = rng.normal(gap * good + rng.normal(0, 0.5, (count, 1)))
        steps = ClusteredSteps(
            scores_S=scores.ravel(), good_S=good.ravel(), problem_S=np.repeat(np.arange(count), 6).tolist()
        )
        found = bootstrap_auroc(steps, draws=300, seed=world)
        covered += found.low <= truth <= found.high
    assert 0.93 <= covered / 800 <= 0.97
