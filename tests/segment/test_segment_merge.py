from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepward.errors import ConfigError
from stepward.segment.merge import merge_shortest
from stepward.types import Step


def steps_of(lengths: list[int]) -> list[Step]:
    ends = [sum(lengths[: i + 1]) for i in range(len(lengths))]
    return [Step(end - length, end) for end, length in zip(ends, lengths, strict=True)]


def naive(lengths: list[int], at_most: int) -> list[list[int]]:
    groups = [[i] for i in range(len(lengths))]
    while len(groups) > at_most:
        sizes = [sum(lengths[i] for i in a + b) for a, b in pairwise(groups)]
        first = sizes.index(min(sizes))
        groups[first : first + 2] = [groups[first] + groups[first + 1]]
    return groups


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(lengths=st.lists(st.integers(1, 6), max_size=20), at_most=st.integers(1, 8))
def test_it_joins_what_a_naive_search_joins(lengths: list[int], at_most: int) -> None:
    steps = steps_of(lengths)
    merged = merge_shortest(steps, at_most=at_most)
    assert [list(group) for group in merged.groups] == naive(lengths, at_most)
    assert [(s.start, s.end) for s in merged.steps] == [(steps[g[0]].start, steps[g[-1]].end) for g in merged.groups]


def test_the_map_leads_from_an_original_step_to_its_merged_one() -> None:
    merged = merge_shortest(steps_of([9, 1, 1, 9]), at_most=3)
    assert [merged.merged_index(i) for i in range(4)] == [0, 1, 1, 2]
    with pytest.raises(IndexError, match="step 4"):
        merged.merged_index(4)


def test_a_merged_step_keeps_the_kind_of_its_first_part_and_zero_is_refused() -> None:
    assert merge_shortest([Step(0, 1, "action"), Step(1, 2, "observation")], at_most=1).steps == (Step(0, 2, "action"),)
    with pytest.raises(ConfigError, match="at least 1"):
        merge_shortest([], at_most=0)
