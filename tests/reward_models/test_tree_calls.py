from __future__ import annotations

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stepward.reward_models.encoding.codec import Encoded
from stepward.reward_models.tree import calls
from stepward.reward_models.tree.attention import dense_mask
from stepward.reward_models.tree.calls import calls_of
from stepward.reward_models.tree.packing import Forest

lines = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=7), min_size=1, max_size=12)


def forest_of(ids, share=True) -> Forest:
    return Forest.of([Encoded(ids=tuple(own), spans=(), read_positions=()) for own in ids], share=share)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines, st.sampled_from([0, 4, 20, 1000]), st.sampled_from([0, 3, 8, 256]))
def test_every_token_meets_each_ancestor_once_and_nothing_else(monkeypatch, ids, call, most_keys):
    monkeypatch.setattr(calls, "CALL", call)
    monkeypatch.setattr(calls, "MOST_KEYS", most_keys)
    forest = forest_of(ids)
    met = torch.zeros((len(forest), len(forest)), dtype=torch.long)
    begun = torch.zeros(len(forest), dtype=torch.bool)
    for one in calls_of(forest):
        assert bool((begun[one.rows] != one.first).all()), "the first call of a row comes before the others"
        begun[one.rows] = True
        keys = torch.arange(len(forest))[one.keys]
        causal = torch.arange(one.rows.start, one.rows.stop).unsqueeze(1) >= keys
        seen = causal if one.seen is None else one.seen
        assert bool(seen[:, 0].all()), "no row of a call is without a key"
        met[one.rows.start : one.rows.stop, keys] += seen.long()
    assert torch.equal(met, dense_mask(forest, torch.device("cpu")).long())


def test_small_nodes_under_many_rows_share_a_call_and_large_ones_do_not():
    trunk, fork = list(range(100, 120)), [1, 2]
    bushy = forest_of([trunk + fork + [own] * 3 for own in range(3, 9)] + [[*trunk, 2]])
    assert len(calls_of(bushy)) == 1
    long = forest_of([trunk + [own] * 200 for own in range(8)])
    assert len(calls_of(long)) == 9


def test_chains_need_no_mask():
    calls = calls_of(forest_of([[1, 2, 3], [1, 2]], share=False))
    assert [(one.keys, one.seen, one.first) for one in calls] == [
        (slice(0, 3), None, True),
        (slice(3, 5), None, True),
    ]
