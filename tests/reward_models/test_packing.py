from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepward.reward_models.encoding.codec import Encoded
from stepward.reward_models.tree.packing import Forest, distinct_tokens

lines = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=7), min_size=1, max_size=12)


def encoded(*ids: Sequence[int]) -> list[Encoded]:
    return [Encoded(ids=tuple(own), spans=(), read_positions=()) for own in ids]


def ancestors(forest: Forest) -> list[list[int]]:
    """For each packed token: the tokens that may attend to nothing later than it, root first, by walking nodes."""
    paths: list[list[int]] = []
    for node in forest.nodes:
        above = paths[forest.nodes[node.parent].end - 1] if node.parent >= 0 else []
        for at in range(node.start, node.end):
            above = [*above, at]
            paths.append(above)
    return paths


@settings(deadline=None, max_examples=150)
@given(lines, st.booleans())
def test_every_trace_is_a_path_from_a_root(ids, share):
    forest = Forest.of(encoded(*ids), share=share)
    paths = ancestors(forest)
    for own, place in zip(ids, forest.places, strict=True):
        assert place.tolist() == paths[place[-1]]
        assert forest.ids_T[place].tolist() == own
        assert forest.positions_T[place].tolist() == list(range(len(own)))


@settings(deadline=None, max_examples=150)
@given(lines)
def test_a_token_stands_once_for_each_distinct_prefix(ids):
    forest = Forest.of(encoded(*ids))
    prefixes = {tuple(own[: end + 1]) for own in ids for end in range(len(own))}
    assert len(forest) == len(prefixes) == sum(forest.fresh)


@settings(deadline=None, max_examples=150)
@given(lines, st.booleans())
def test_a_subtree_follows_its_node_and_ends_where_it_says(ids, share):
    forest = Forest.of(encoded(*ids), share=share)
    paths = ancestors(forest)
    for at in range(len(forest)):
        below = [row for row, path in enumerate(paths) if at in path]
        assert below == list(range(at, forest.ends_T[at]))
    stops = [node.stop for node in forest.nodes]
    assert stops == [forest.ends_T[node.start] for node in forest.nodes]


@settings(deadline=None, max_examples=100)
@given(lines)
def test_nodes_are_as_long_as_they_can_be(ids):
    forest = Forest.of(encoded(*ids))
    children = [sum(other.parent == index for other in forest.nodes) for index in range(len(forest.nodes))]
    assert 1 not in children


@settings(deadline=None, max_examples=100)
@given(lines)
def test_a_shared_token_belongs_to_the_first_trace_that_brought_it(ids):
    seen: set[tuple[int, ...]] = set()
    for own, fresh in zip(ids, distinct_tokens(encoded(*ids)), strict=True):
        prefixes = {tuple(own[: end + 1]) for end in range(len(own))}
        assert fresh == len(prefixes - seen)
        seen |= prefixes


def test_a_forest_worked_out_by_hand():
    forest = Forest.of(encoded([7, 8, 5], [7, 8, 4, 1], [9], [7, 8, 4, 1]))
    assert forest.ids_T.tolist() == [7, 8, 4, 1, 5, 9]
    assert forest.positions_T.tolist() == [0, 1, 2, 3, 2, 0]
    assert [(n.start, n.end, n.stop, n.parent) for n in forest.nodes] == [
        (0, 2, 5, -1),
        (2, 4, 4, 0),
        (4, 5, 5, 0),
        (5, 6, 6, -1),
    ]
    assert [own.tolist() for own in forest.places] == [[0, 1, 4], [0, 1, 2, 3], [5], [0, 1, 2, 3]]
    assert forest.fresh == (3, 2, 1, 0)


def test_chains_share_nothing_and_keep_their_order():
    forest = Forest.of(encoded([3, 1], [3, 1, 2]), share=False)
    assert forest.ids_T.tolist() == [3, 1, 3, 1, 2]
    assert [node.parent for node in forest.nodes] == [-1, -1]


def test_no_traces_cost_no_tokens():
    assert distinct_tokens([]) == ()


@pytest.mark.parametrize("share", [True, False])
def test_deep_forests_need_no_recursion(share):
    spine = list(range(1200))
    forest = Forest.of(encoded(*[[*spine[:end], 9] for end in range(1, 1200)]), share=share)
    assert int(np.max(forest.ends_T)) == len(forest)
