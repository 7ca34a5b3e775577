import pytest

from stepward.datasets.human import check_after, check_neutral, first_error_labels, rating_labels
from stepward.errors import ConfigError, LabelError
from stepward.types import UNKNOWN


def values(labels):
    return [None if label is None else label.value for label in labels]


def test_steps_before_the_first_error_are_good_and_nothing_is_said_of_those_after():
    assert values(first_error_labels(4, 1, origin=UNKNOWN)) == [1.0, 0.0, None, None]
    assert values(first_error_labels(4, 1, origin=UNKNOWN, after="zero")) == [1.0, 0.0, 0.0, 0.0]


def test_without_an_error_every_step_is_good():
    assert values(first_error_labels(3, None, origin=UNKNOWN)) == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("first", [-1, 3])
def test_an_error_outside_the_trace_is_refused(first):
    with pytest.raises(LabelError, match="from 0 to 2"):
        first_error_labels(3, first, origin=UNKNOWN)


@pytest.mark.parametrize(("neutral", "value"), [("good", 1.0), ("bad", 0.0), ("drop", None), (0.5, 0.5)])
def test_a_neutral_rating_means_what_the_reader_was_told(neutral, value):
    assert values(rating_labels([1, 0, None, -1], origin=UNKNOWN, neutral=neutral)) == [1.0, value, None, 0.0]


def test_ratings_after_the_first_error_follow_the_rule_for_what_comes_after():
    assert values(rating_labels([1, -1, 1], origin=UNKNOWN)) == [1.0, 0.0, None]
    assert values(rating_labels([1, -1, 1], origin=UNKNOWN, after="zero")) == [1.0, 0.0, 0.0]


def test_labels_are_human_and_target_the_prefix():
    label = rating_labels([1], origin=UNKNOWN)[0]
    assert label is not None
    assert (label.target, label.source) == ("prefix", "human")


def test_another_rating_is_refused():
    with pytest.raises(LabelError, match="rating of step 1"):
        rating_labels([1, 2], origin=UNKNOWN)


@pytest.mark.parametrize("neutral", ["neutral", 1.5, True, float("nan")])
def test_another_meaning_of_neutral_is_refused(neutral):
    with pytest.raises(ConfigError):
        check_neutral(neutral)


def test_another_rule_for_what_comes_after_is_refused():
    with pytest.raises(ConfigError):
        check_after("keep")  # type: ignore[arg-type]
