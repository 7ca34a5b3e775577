import math

import pytest

from stepward.errors import ConfigError, LabelError, ScoreError
from stepward.metrics.confusion import Confusion
from stepward.metrics.first_error import (
    FirstErrorPosterior,
    ProcessBenchScore,
    decode_threshold,
    first_error_accuracy,
    mean_f1,
    posterior_from_prefix,
    posterior_from_validity,
    process_bench,
)

SUBSETS = [
    ProcessBenchScore(error_accuracy=a, correct_accuracy=b, errors=e, correct=c)
    for a, b, e, c in [
        (0.720, 0.964, 207, 193),
        (0.680, 0.904, 594, 406),
        (0.557, 0.855, 661, 339),
        (0.552, 0.830, 759, 241),
    ]
]


def test_threshold_finds_the_first_step_below_it() -> None:
    assert decode_threshold([0.9, 0.5, 0.4, 0.1]) == 2
    assert decode_threshold([0.9, 0.5, 0.4, 0.1], 0.95) == 0
    assert decode_threshold([0.9, 0.5]) is None
    assert decode_threshold([]) is None
    with pytest.raises(ConfigError):
        decode_threshold([0.5], math.nan)
    with pytest.raises(ScoreError):
        decode_threshold([math.nan])


def test_golden_posterior() -> None:
    posterior = posterior_from_validity([0.9, 0.8, 0.3, 0.6])
    assert posterior.at == pytest.approx((0.1, 0.18, 0.504, 0.0864))
    assert posterior.none == pytest.approx(0.1296)
    assert posterior.decode() == 2


def test_prefix_scores_give_the_same_posterior_as_their_hazards() -> None:
    validity = [0.9, 0.8, 0.3, 0.6]
    prefix = [0.9, 0.72, 0.216, 0.1296]
    assert posterior_from_prefix(prefix).at == pytest.approx(posterior_from_validity(validity).at)


def test_a_prefix_score_that_rises_or_is_zero_keeps_a_posterior() -> None:
    posterior = posterior_from_prefix([0.5, 0.8, 0.0, 0.0])
    assert posterior.at == pytest.approx((0.5, 0.0, 0.5, 0.0))
    assert posterior.none == 0.0


def test_posterior_decoding_prefers_none_and_then_the_earlier_step_on_a_tie() -> None:
    assert posterior_from_validity([]).decode() is None
    assert posterior_from_validity([0.5]).decode() is None
    assert FirstErrorPosterior(at=(0.4, 0.4), none=0.2).decode() == 0
    with pytest.raises(ScoreError):
        posterior_from_validity([1.5])


def test_first_error_accuracy_counts_exact_matches_and_matching_absence() -> None:
    assert first_error_accuracy([1, None, 2, None], [1, None, 1, 0]) == 0.5
    with pytest.raises(LabelError):
        first_error_accuracy([], [])
    with pytest.raises(LabelError):
        first_error_accuracy([1], [])


def test_golden_process_bench() -> None:
    assert [round(subset.f1, 4) for subset in SUBSETS] == [0.8243, 0.7762, 0.6746, 0.6630]
    assert mean_f1(SUBSETS).value == pytest.approx(0.7345, abs=1e-4)
    alike = [
        ProcessBenchScore(error_accuracy=0.7, correct_accuracy=0.85, errors=s.errors, correct=s.correct)
        for s in SUBSETS
    ]
    assert [subset.f1_se for subset in alike] == pytest.approx([0.0218, 0.0134, 0.0133, 0.0137], abs=1e-4)
    assert mean_f1(alike).se == pytest.approx(0.0080, abs=1e-4)


def test_process_bench_counts_from_predictions() -> None:
    score = process_bench([1, 2, None, None, 0], [1, 1, None, None, None])
    assert (score.error_accuracy, score.correct_accuracy) == (0.5, pytest.approx(2 / 3))
    assert (score.errors, score.correct) == (2, 3)
    assert score.f1 == pytest.approx(4 / 7)
    assert process_bench([1, 1, 0, None], [1, 1, 2, None]).error_accuracy == pytest.approx(2 / 3)


def test_process_bench_without_hits_is_zero_and_without_a_kind_undefined() -> None:
    nothing = process_bench([None, 0], [0, None])
    assert (nothing.f1, nothing.f1_se) == (0.0, 0.0)
    with pytest.raises(LabelError, match="0 without"):
        process_bench([0], [0])
    with pytest.raises(LabelError, match="at least one subset"):
        mean_f1([])


def test_golden_prm_score_and_mcc() -> None:
    counts = Confusion(true_positive=60, true_negative=12, false_positive=18, false_negative=10)
    assert counts.f1 == pytest.approx(0.8108, abs=1e-4)
    assert counts.f1_negative == pytest.approx(0.4615, abs=1e-4)
    assert counts.prm_score == pytest.approx(0.6362, abs=1e-4)
    other = Confusion(true_positive=40, true_negative=30, false_positive=10, false_negative=20)
    assert other.mcc == pytest.approx(0.4082, abs=1e-4)


def test_confusions_are_counted_and_added() -> None:
    counts = Confusion.of([1, 1, 0, 0, 1], [1, 0, 0, 1, 1])
    assert counts == Confusion(true_positive=2, true_negative=1, false_positive=1, false_negative=1)
    assert (counts + counts).true_positive == 4
    assert counts.accuracy == 0.6
    with pytest.raises(LabelError, match="MCC is undefined"):
        _ = Confusion.of([1, 1], [1, 1]).mcc
