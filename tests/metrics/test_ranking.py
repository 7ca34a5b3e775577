import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from stepward.errors import LabelError, ScoreError
from stepward.metrics.ranking import (
    auroc,
    average_precision,
    per_solution_auroc,
    pool,
    pooled_auroc,
    truncated_auroc,
    up_to_first_error,
)

STEPS = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=60)


@settings(deadline=None)
@given(STEPS)
def test_both_agree_with_scikit_learn_with_ties(steps: list[tuple[int, bool]]) -> None:
    scores, good = np.array([s for s, _ in steps]) / 7, np.array([g for _, g in steps])
    assume(0 < good.sum() < len(good))
    assert auroc(scores, good) == pytest.approx(roc_auc_score(good, scores), abs=1e-12)
    assert average_precision(scores, good) == pytest.approx(average_precision_score(~good, -scores), abs=1e-12)


def test_golden_auroc() -> None:
    assert auroc([0.1, 0.3, 0.35, 0.8, 0.9, 0.95], [0, 1, 0, 1, 1, 0]) == pytest.approx(0.5556, abs=1e-4)


def test_average_precision_counts_errors_as_positive() -> None:
    assert average_precision([0.1, 0.8, 0.9, 0.95], [0, 1, 1, 1]) == 1.0
    assert average_precision([0.9, 0.1, 0.2, 0.3], [0, 1, 1, 1]) == 0.25
    assert average_precision([0.5, 0.5, 0.5, 0.5], [0, 1, 1, 1]) == 0.25


@pytest.mark.parametrize("metric", [auroc, average_precision])
def test_one_class_has_no_ranking_and_nan_is_refused(metric: object) -> None:
    assert callable(metric)
    with pytest.raises(LabelError, match="2 good of 2"):
        metric([0.1, 0.2], [1, 1])
    with pytest.raises(ScoreError, match="not a finite number"):
        metric([0.1, math.nan], [0, 1])
    with pytest.raises(LabelError, match="as many labels"):
        metric([0.1, 0.2], [0, 1, 1])


def test_per_solution_mean_leaves_out_and_counts_solutions_of_one_class() -> None:
    scores = [[0.9, 0.1], [0.2, 0.8], [0.5, 0.4], []]
    good = [[1, 0], [1, 0], [1, 1], []]
    result = per_solution_auroc(scores, good)
    assert (result.value, result.defined, result.undefined) == (0.5, 2, 2)
    with pytest.raises(LabelError, match="undefined"):
        per_solution_auroc(scores[2:], good[2:])


def test_truncation_keeps_steps_up_to_and_with_the_first_error() -> None:
    scores = [[0.9, 0.2, 0.8, 0.1], [0.7, 0.6], []]
    good = [[1, 0, 1, 0], [1, 1], []]
    cut = up_to_first_error(scores, good)
    assert [pair.scores_S.tolist() for pair in cut] == [[0.9, 0.2], [0.7, 0.6]]
    assert truncated_auroc(scores, good) == 1.0
    assert pooled_auroc(scores, good) == 1.0
    assert pooled_auroc([[0.9, 0.2, 0.15, 0.1]], [[1, 0, 1, 0]]) == 0.75
    assert truncated_auroc([[0.9, 0.2, 0.15, 0.1]], [[1, 0, 1, 0]]) == 1.0


def test_pooling_refuses_a_solution_whose_counts_differ() -> None:
    with pytest.raises(LabelError, match="2 scores need as many labels"):
        pool([[0.1], [0.1, 0.2]], [[1], [1]])
    with pytest.raises(LabelError, match="must be as many"):
        pool([[0.1]], [])
    with pytest.raises(ScoreError, match="at least one number"):
        up_to_first_error([[0.1], []], [[1], [0]])
    with pytest.raises(LabelError, match="no step"):
        pool([[]], [[]])
