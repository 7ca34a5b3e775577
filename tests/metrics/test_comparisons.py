import itertools
import math

import numpy as np
import pytest
from scipy.stats import false_discovery_control, permutation_test

from stepward.errors import ConfigError, LabelError, ScoreError
from stepward.metrics.comparisons import benjamini_hochberg, holm, mcnemar, sign_flip_p


def counts(b: int, c: int, both: int = 4) -> tuple[list[int], list[int]]:
    return [1] * b + [0] * c + [1] * both, [0] * b + [1] * c + [1] * both


def tails(b: int, c: int) -> tuple[float, float]:
    """Exact and mid-p from the definition: two-sided sums of binomial terms, the observed term whole or half."""
    n, low = b + c, min(b, c)
    terms = [math.comb(n, k) / 2**n for k in range(n + 1)]
    exact = min(1.0, 2 * sum(terms[: low + 1]))
    mid = 2 * (sum(terms[:low]) + terms[low] / 2)
    return exact, 1.0 if b == c else mid


@pytest.mark.parametrize(("b", "c"), [(8, 3), (3, 8), (1, 0), (0, 1), (5, 5), (30, 12), (0, 9), (0, 0)])
def test_mcnemar_agrees_with_sums_of_binomial_terms(b: int, c: int) -> None:
    found = mcnemar(*counts(b, c))
    assert (found.first_only, found.second_only) == (b, c)
    assert (found.exact, found.mid_p) == pytest.approx(tails(b, c), abs=1e-12)


def test_mid_p_is_one_where_both_win_as_often_and_else_below_exact() -> None:
    assert mcnemar(*counts(7, 7)).mid_p == 1.0
    found = mcnemar(*counts(9, 2))
    assert found.mid_p < found.exact < 0.1
    assert mcnemar(*counts(0, 0)).exact == 1.0, "both systems always alike"


def test_mcnemar_refuses_what_is_not_paired() -> None:
    with pytest.raises(LabelError, match="must be as many"):
        mcnemar([1, 0], [1])
    with pytest.raises(LabelError, match="at least one item"):
        mcnemar([], [])
    with pytest.raises(LabelError, match="0 or 1"):
        mcnemar([1, 2], [1, 0])


def flipped(values: list[float]) -> float:
    """Share of all sign choices whose mean is at least as far from 0."""
    signs = list(itertools.product([-1, 1], repeat=len(values)))
    seen = abs(float(np.mean(values)))
    return float(np.mean([abs(np.mean(np.multiply(s, values))) >= seen - 1e-12 for s in signs]))


@pytest.mark.parametrize("values", [[0.5, 0.2, -0.1, 0.4], [1.0, 1.0, 1.0], [1.0, -1.0, 0.0, 0.5], [0.3] * 8, [2.0]])
def test_sign_flips_agree_with_all_choices_of_signs(values: list[float]) -> None:
    assert sign_flip_p(values, seed=0) == pytest.approx(flipped(values), abs=1e-12)


def test_many_problems_are_flipped_by_chance_and_near_the_exact_share() -> None:
    values = np.random.default_rng(0).normal(0.4, 1, 14)
    exact = permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=math.inf, vectorized=True
    ).pvalue
    assert sign_flip_p(values, draws=4000, seed=1) == pytest.approx(exact, abs=0.02)
    assert sign_flip_p(values, draws=500, seed=1) == sign_flip_p(values, draws=500, seed=1)


def test_without_a_difference_there_is_no_evidence() -> None:
    assert sign_flip_p([0.0, 0.0, 0.0], seed=0) == 1.0
    with pytest.raises(ScoreError):
        sign_flip_p([], seed=0)
    with pytest.raises(ConfigError):
        sign_flip_p([0.1, 0.2], draws=0, seed=0)


def stepwise(p_values: list[float], share: float) -> list[bool]:
    """Holm's procedure as it is told: from the smallest p up, stop at the first that is not below share / left."""
    rejected = [False] * len(p_values)
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[index] > share / (len(p_values) - place):
            break
        rejected[index] = True
    return rejected


@pytest.mark.parametrize("seed", range(5))
def test_holm_rejects_what_the_stepwise_procedure_rejects(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p_values = np.round(rng.random(12) ** 3, 3).tolist()
    adjusted = holm(p_values)
    for share in (0.01, 0.05, 0.2, 0.5):
        assert [a <= share + 1e-12 for a in adjusted] == stepwise(p_values, share)


def test_holm_by_hand_and_its_edges() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06], abs=1e-12)
    assert holm([0.2]) == [0.2]
    assert holm([0.6, 0.6, 1.0, 0.0]) == [1.0, 1.0, 1.0, 0.0]
    for adjust in (holm, benjamini_hochberg):
        with pytest.raises(ScoreError):
            adjust([])
        with pytest.raises(LabelError, match="p-values"):
            adjust([0.5, 1.5])


@pytest.mark.parametrize("p_values", [[0.01, 0.04, 0.03], [0.5], [0.2, 0.2, 0.2], [0.0, 1.0, 0.001, 0.9, 0.04]])
def test_benjamini_hochberg_agrees_with_its_definition_and_scipy(p_values: list[float]) -> None:
    m = len(p_values)
    by_hand = [min([1.0] + [q * m / sum(r <= q for r in p_values) for q in p_values if q >= p]) for p in p_values]
    assert benjamini_hochberg(p_values) == pytest.approx(by_hand, abs=1e-12)
    assert benjamini_hochberg(p_values) == pytest.approx(false_discovery_control(p_values).tolist(), abs=1e-12)
