import math
import random

import pytest

from stepward.datasets.contamination import overlaps
from stepward.datasets.splits import Split
from stepward.errors import ConfigError
from stepward.types import Problem

TEXTS = [f"How many apples has pupil number {index}?" for index in range(4000)]


def test_a_problem_stays_on_its_side_whatever_stands_beside_it():
    split = Split(shares={"train": 0.8, "dev": 0.1, "test": 0.1})
    whole = split.apply(TEXTS, str)
    shuffled = random.Random(0).sample(TEXTS, 500)
    part = split.apply(shuffled, str)
    assert all(set(part[name]) == set(whole[name]) & set(shuffled) for name in part)
    assert sum(len(side) for side in whole.values()) == len(TEXTS)


def test_shares_hold_in_expectation():
    sides = Split(shares={"train": 0.8, "dev": 0.2}).apply(TEXTS, str)
    assert abs(len(sides["dev"]) / len(TEXTS) - 0.2) < 4 * math.sqrt(0.2 * 0.8 / len(TEXTS))


def test_one_text_in_two_spellings_is_one_problem():
    split = Split(shares={"a": 0.5, "b": 0.5})
    assert all(split.side(text) == split.side(f"  {text.upper()} ".replace("?", " ?")) for text in TEXTS[:200])


def test_another_seed_is_another_split():
    sides = [Split(shares={"a": 0.5, "b": 0.5}, seed=seed).apply(TEXTS, str)["a"] for seed in (0, 1)]
    assert 0.4 < len(set(sides[0]) & set(sides[1])) / len(sides[0]) < 0.6


def test_sides_are_pinned_so_that_no_release_moves_them():
    split = Split(shares={"train": 0.5, "dev": 0.5})
    pinned = "train dev dev dev dev train dev train"
    assert [split.side(text) for text in TEXTS[:8]] == pinned.split()


def test_texts_without_letters_are_told_apart():
    split = Split(shares={"a": 0.5, "b": 0.5})
    assert len({split.side("+" * count) for count in range(1, 30)}) == 2


@pytest.mark.parametrize("shares", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}])
def test_shares_that_do_not_add_up_are_refused(shares):
    with pytest.raises(ConfigError):
        Split(shares=shares)


def test_a_side_with_share_zero_gets_nothing():
    assert Split(shares={"a": 1.0, "b": 0.0}).apply(TEXTS[:100], str)["b"] == []


def words(*numbers: int) -> str:
    return " ".join(f"w{number}" for number in numbers)


def test_a_shared_run_of_thirteen_words_is_found_whatever_its_dress():
    reference = Problem(id="r", text=words(*range(20)))
    problem = Problem(id="p", text=f"Before: {words(*range(3, 16)).upper()}, after.")
    (found,) = overlaps([problem], [reference])
    assert (found.problem_id, found.reference_id, found.words) == ("p", "r", words(*range(3, 16)))
    assert found.shared == 1 / 3


def test_twelve_shared_words_are_no_match():
    reference = Problem(id="r", text=words(*range(20)))
    assert overlaps([Problem(id="p", text=f"x {words(*range(3, 15))} y")], [reference]) == ()


def test_short_texts_match_only_whole():
    references = [Problem(id="r", text="What is 3 + 4?"), Problem(id="s", text="What is 3 + 4? Say it.")]
    assert [found.reference_id for found in overlaps([Problem(id="p", text="what is 3+4")], references)] == ["r"]


def test_texts_without_words_match_nothing():
    assert overlaps([Problem(id="p", text="+++")], [Problem(id="r", text="---")]) == ()
    with pytest.raises(ValueError, match="at least 1"):
        overlaps([], [], size=0)
