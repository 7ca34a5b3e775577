"""p-values of paired intervals, and decisions among many."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from stepward.errors import LabelError
from stepward.evaluation.families import FamilyTest, in_family, p_text, student_p
from stepward.metrics.bootstrap import Interval, bootstrap_mean


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.25, 0.6])
def test_p_is_below_the_level_just_where_the_interval_keeps_clear_of_0(shift: float) -> None:
    values = np.random.default_rng(1).normal(shift, 1.0, 40)
    found = bootstrap_mean(values, draws=4000, seed=0)
    p = student_p(found, len(values))
    assert (p < 0.05) == (found.low > 0 or found.high < 0)
    assert p == pytest.approx(ttest_1samp(values, 0).pvalue, abs=0.02)


def test_what_is_no_difference_or_was_seen_once_proves_nothing() -> None:
    assert student_p(Interval(value=0.0, low=-0.1, high=0.1), 9) == 1.0
    assert student_p(Interval(value=0.3, low=0.3, high=0.3), 1) == 1.0
    assert student_p(Interval(value=0.3, low=0.3, high=0.3), 9) == 0.0
    with pytest.raises(LabelError, match="Student's"):
        student_p(Interval(value=0.3, low=0.0, high=0.4), 9)


def test_a_family_is_what_was_measured_and_holm_raises_its_ps() -> None:
    found = in_family([0.01, None, 0.04, 0.03])
    assert found[1] is None
    assert [each.holm for each in found if each] == pytest.approx([0.03, 0.06, 0.06])
    assert [each.sure for each in found if each] == [True, False, False], "0.04 alone would have been called sure"
    assert [each.family for each in found if each] == [3, 3, 3]
    assert in_family([None, None]) == [None, None]


def test_a_test_says_how_many_there_were() -> None:
    assert str(FamilyTest(p=0.01, holm=0.03, family=3)) == "p 0.03 by Holm over 3"
    assert str(FamilyTest(p=0.012, holm=0.012, family=1)) == "p 0.012"
    assert p_text(3e-7) == "p < 0.0001"
