import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepward.errors import ConfigError, ScoreError
from stepward.search.voting import HELD, majority, weighted_majority

ANSWERS = ["A", "A", "A", "B", "B"]
WEIGHTS = [0.6, 0.55, 0.6, 0.95, 0.9]


@pytest.mark.parametrize(
    ("settings", "a", "b"),
    [({}, 1.75, 1.85), ({"how": "log_odds"}, 1.012, 5.142), ({"how": "log_odds", "wrong_answers": 4}, 5.170, 7.914)],
)
def test_golden_weighted_vote_flips_the_majority(settings: dict[str, object], a: float, b: float) -> None:
    vote = weighted_majority(ANSWERS, WEIGHTS, **settings)  # type: ignore[arg-type]
    assert majority(ANSWERS).winner == "A"
    assert vote.winner == "B"
    assert {group.answer: group.score for group in vote.groups} == pytest.approx({"A": a, "B": b}, abs=1e-3)
    assert vote.margin == pytest.approx(b - a, abs=1e-3)


def test_many_wrong_answers_make_log_odds_a_majority() -> None:
    assert weighted_majority(ANSWERS, WEIGHTS, how="log_odds", wrong_answers=1000).winner == "A"


def test_groups_name_their_members_best_first() -> None:
    first, second = weighted_majority(ANSWERS, WEIGHTS).groups
    assert (first.answer, first.members, first.top) == ("B", (3, 4), 0.95)
    assert (second.answer, second.members) == ("A", (0, 2, 1))


def test_answers_that_are_none_never_group_or_win() -> None:
    vote = majority([None, None, None, "7"])
    assert (vote.winner, vote.silent, vote.margin) == ("7", (0, 1, 2), 1.0)


@pytest.mark.parametrize("answers", [[], [None], [None, None]])
def test_a_vote_without_votes_abstains(answers: list[None]) -> None:
    vote = majority(answers)
    assert (vote.winner, vote.groups, vote.silent) == (None, (), tuple(range(len(answers))))


def test_a_trace_without_a_weight_has_no_vote() -> None:
    vote = weighted_majority(["A", "A", "B"], [None, 0.2, 0.3])
    assert (vote.winner, vote.silent) == ("B", (0,))


def test_a_tie_goes_to_the_higher_single_weight_then_to_the_first_seen() -> None:
    vote = weighted_majority(["A", "A", "B", "B"], [0.4, 0.4, 0.1, 0.7])
    assert (vote.winner, vote.margin, vote.tied) == ("B", 0.0, 2)
    assert majority(["B", "A", "A", "B"]).winner == "B"
    assert weighted_majority(["C", "A", "A"], [0.3, 0.1, 0.2]).winner == "C"  # 0.1 + 0.2 rounds above 0.3


def test_a_low_probability_speaks_against_its_answer() -> None:
    vote = weighted_majority(["A", "A", "B"], [0.1, 0.1, 0.3], how="log_odds")
    assert vote.winner == "B"
    assert vote.groups[1].score == pytest.approx(2 * math.log(0.1 / 0.9))


def test_one_certain_trace_is_held_and_cannot_outvote_the_rest() -> None:
    vote = weighted_majority(["A", "B", "B", "B"], [1.0, 0.9, 0.9, 0.9], how="log_odds")
    assert vote.winner == "B"
    assert vote.groups[1].score == pytest.approx(math.log((1 - HELD) / HELD))


def test_the_losers_follow_by_their_scores() -> None:
    vote = weighted_majority(["A", "B", "C", "C", "D"], [0.3, 0.2, 0.4, 0.5, 0.25])
    assert [group.answer for group in vote.groups] == ["C", "A", "D", "B"]
    assert vote.margin == pytest.approx(0.6)


@pytest.mark.parametrize("worst", [0.0, HELD / 2])
def test_an_impossible_trace_is_held_too(worst: float) -> None:
    (group,) = weighted_majority(["A"], [worst], how="log_odds").groups
    assert group.score == pytest.approx(math.log(HELD / (1 - HELD)))


@given(st.permutations(range(5)))
def test_the_winner_does_not_depend_on_the_order_of_distinct_votes(order: list[int]) -> None:
    vote = weighted_majority([ANSWERS[i] for i in order], [WEIGHTS[i] for i in order])
    assert (vote.winner, vote.margin) == ("B", pytest.approx(0.1))


def test_impossible_votes_are_refused() -> None:
    with pytest.raises(ScoreError, match="as many weights"):
        weighted_majority(["A"], [])
    with pytest.raises(ScoreError, match="finite"):
        weighted_majority(["A"], [math.nan])
    with pytest.raises(ScoreError, match="probability"):
        weighted_majority(["A"], [1.5], how="log_odds")
    with pytest.raises(ConfigError):
        weighted_majority(["A"], [0.5], how="max")  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        weighted_majority(["A"], [0.5], how="log_odds", wrong_answers=0)
