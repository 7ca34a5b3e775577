import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepward.errors import ConfigError, LabelError, ScoreError
from stepward.metrics.selection import (
    VotePool,
    best_of_n,
    best_of_n_kl,
    gap_closed,
    pass_at_k,
    vote_curve,
)

POOLS = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=7)


def enumerated_best(scores: list[int], correct: list[bool], n: int) -> float:
    values = []
    for subset in itertools.combinations(range(len(scores)), n):
        top = max(scores[i] for i in subset)
        values.append(np.mean([correct[i] for i in subset if scores[i] == top]))
    return float(np.mean(values))


def enumerated_vote(groups: list[int], correct: list[bool], weights: list[float], n: int) -> float:
    values = []
    for subset in itertools.combinations(range(len(groups)), n):
        votes: dict[int, list[float]] = {}
        for i in subset:
            if groups[i] >= 0:
                votes.setdefault(groups[i], []).append(weights[i])
        best = max(((sum(v), max(v)) for v in votes.values()), default=None)
        winners = [g for g, v in votes.items() if (sum(v), max(v)) == best]
        right = [np.mean([c for h, c in zip(groups, correct, strict=True) if h == g]) for g in winners]
        values.append(np.mean(right) if right else 0.0)
    return float(np.mean(values))


def test_golden_selection() -> None:
    assert pass_at_k(4, 2, 2) == pytest.approx(0.8333, abs=1e-4)
    assert best_of_n([0.1, 0.4, 0.35, 0.9], [0, 1, 1, 0], 2) == pytest.approx(0.5)
    assert best_of_n_kl(16) == pytest.approx(1.835, abs=1e-3)


@settings(deadline=None)
@given(POOLS)
def test_best_of_n_is_the_mean_over_all_subsets_with_ties(pool: list[tuple[int, bool]]) -> None:
    scores, correct = [s for s, _ in pool], [c for _, c in pool]
    for n in range(1, len(pool) + 1):
        assert best_of_n(scores, correct, n) == pytest.approx(enumerated_best(scores, correct, n), abs=1e-12)


@settings(deadline=None)
@given(POOLS)
def test_pass_at_k_is_best_of_n_by_an_oracle(pool: list[tuple[int, bool]]) -> None:
    correct = [c for _, c in pool]
    for n in range(1, len(pool) + 1):
        assert pass_at_k(len(pool), sum(correct), n) == pytest.approx(best_of_n(correct, correct, n), abs=1e-12)


def test_one_of_one_and_equal_scores_give_pass_at_one() -> None:
    assert best_of_n([3, 1, 2, 9], [1, 0, 0, 0], 1) == pytest.approx(0.25)
    assert best_of_n([5, 5, 5, 5], [1, 0, 0, 0], 3) == pytest.approx(0.25)


def test_a_sample_that_cannot_be_chosen_counts_as_wrong_when_alone() -> None:
    assert best_of_n([-math.inf, 0.1], [1, 1], 1) == 0.5
    assert best_of_n([-math.inf, 0.1], [1, 1], 2) == 1.0


def test_large_pools_do_not_overflow() -> None:
    assert pass_at_k(2000, 1, 1000) == pytest.approx(0.5)
    assert best_of_n(np.arange(2000), np.arange(2000) == 1999, 1000) == pytest.approx(0.5)


def test_vote_curves_approach_the_mean_over_all_subsets() -> None:
    groups, correct = [0, 0, 1, 1, 2, 1, -1, 0], [1, 1, 0, 0, 0, 0, 1, 1]
    for weights in ([1.0] * 8, [0.9, 0.1, 0.4, 0.5, 0.8, 0.2, 0.9, 0.3]):
        pool = VotePool(group_M=groups, correct_M=correct, weight_M=weights)
        for n, estimate in zip((1, 3, 5, 8), vote_curve(pool, (1, 3, 5, 8), draws=4000, seed=0), strict=True):
            exact = enumerated_vote(groups, [bool(c) for c in correct], weights, n)
            assert abs(estimate.value - exact) <= 4 * estimate.se + 1e-12
            assert estimate.se < 0.01


def test_vote_ties_go_to_the_higher_weight_even_where_sums_round_apart() -> None:
    pool = VotePool(group_M=[0, 0, 1, 1], correct_M=[1, 1, 0, 0], weight_M=[0.1 + 0.2, 0.3, 0.5, 0.1])
    assert vote_curve(pool, [4], seed=0)[0].value == 0.0
    even = VotePool(group_M=[0, 1], correct_M=[1, 0], weight_M=[1.0, 1.0])
    assert vote_curve(even, [2], seed=0)[0].value == 0.5


def test_votes_of_one_mind_are_exact_and_no_votes_are_wrong() -> None:
    one = VotePool(group_M=[0, 0, 0], correct_M=[1, 1, 1], weight_M=[1, 1, 1])
    none = VotePool(group_M=[-1, -1], correct_M=[1, 1], weight_M=[1, 1])
    assert [(e.value, e.se) for e in vote_curve(one, [1, 3], seed=0)] == [(1.0, 0.0)] * 2
    assert vote_curve(none, [1], seed=0)[0].value == 0.0


def test_negative_votes_count_against_an_answer() -> None:
    pool = VotePool(group_M=[0, 0, 1], correct_M=[0, 0, 1], weight_M=[-1.0, -2.0, -0.5])
    assert vote_curve(pool, [3], seed=0)[0].value == 1.0


def test_one_seed_gives_one_curve() -> None:
    pool = VotePool(group_M=[0, 1, 1, 2, 0], correct_M=[1, 0, 0, 0, 1], weight_M=np.ones(5))
    assert vote_curve(pool, [2, 3], seed=4) == vote_curve(pool, [2, 3], seed=4)
    assert vote_curve(pool, [2, 3], seed=4) != vote_curve(pool, [2, 3], seed=5)


def test_gap_closed_lies_between_one_sample_and_the_oracle() -> None:
    assert gap_closed(0.8, 0.6, 0.9) == pytest.approx(2 / 3)
    with pytest.raises(ScoreError, match="undefined"):
        gap_closed(0.8, 0.8, 0.8)


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(ConfigError):
        pass_at_k(4, 2, 5)
    with pytest.raises(ConfigError, match="pool's 2 samples"):
        best_of_n([1, 2], [0, 1], 3)
    with pytest.raises(ScoreError):
        best_of_n([1, math.nan], [0, 1], 1)
    with pytest.raises(ScoreError):
        best_of_n([1, 2], [0, 1, 1], 1)
    with pytest.raises(LabelError):
        best_of_n([1, 2], [0, 2], 1)
    with pytest.raises(ConfigError):
        best_of_n_kl(0)
    pool = VotePool(group_M=[0, 1], correct_M=[1, 0], weight_M=[1, 1])
    with pytest.raises(ConfigError, match="400"):
        vote_curve(pool, [1], draws=10, seed=0)
    with pytest.raises(ConfigError):
        vote_curve(VotePool(group_M=[0], correct_M=[1, 0], weight_M=[1, 1]), [1], seed=0)
