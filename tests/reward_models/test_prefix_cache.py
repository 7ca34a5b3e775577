from __future__ import annotations

import copy
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stepward.errors import ConfigError
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.encoding.codec import Encoded
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.process import ProcessRewardModel
from stepward.reward_models.reader import StepReader
from stepward.reward_models.readout import Readout, step_states
from stepward.reward_models.token_batch import TokenBatch
from stepward.reward_models.tree.packing import Forest, remainder
from stepward.reward_models.tree.prefix_cache import PrefixCache

PROMPT = (1, 2, 3, 4)
STEP = 4
"""Tokens of a step, its marker included."""
SURPRISE = Readout(layers=(), surprise=True)


def grown(*steps: int) -> Encoded:
    """A trace of these steps, each of four tokens that its number fixes."""
    ids, spans = list(PROMPT), []
    for step in steps:
        spans.append((len(ids), len(ids) + STEP - 1))
        ids += [5 + step, 6 + step, 7 + 2 * step, 20]
    return Encoded(ids=tuple(ids), spans=tuple(spans), read_positions=tuple(end for _, end in spans))


def make_reader(backbone: Backbone, **fields) -> StepReader:
    readout = fields.get("readout", Readout())
    torch.manual_seed(1)
    head = ScoreHead(readout.width(backbone.width), outputs=2)
    torch.nn.init.normal_(head.out.weight)
    return StepReader(backbone=backbone, head=head, **fields)


@pytest.fixture(scope="module")
def small(tiny_folder) -> Backbone:
    return Backbone.open(tiny_folder, STEPWARD_DEFAULT)


@pytest.fixture
def cache() -> PrefixCache:
    return PrefixCache(max_tokens=1000)


def same(left: list[torch.Tensor], right: list[torch.Tensor]) -> None:
    for mine, reference in zip(left, right, strict=True):
        torch.testing.assert_close(mine, reference, atol=1e-5, rtol=1e-5)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 10_000),
    st.sampled_from([1, 30, 60, 10_000]),
    st.sampled_from([20, 60, 8192]),
    st.sampled_from(
        [
            Readout(),
            Readout(layers=(1, -1), pool="both"),
            Readout(pool="mean"),
            Readout(layers=(), surprise=True),
            Readout(layers=(-1,), pool="mean", surprise=True),
        ]
    ),
)
def test_scores_are_those_without_a_cache_whatever_was_asked_and_evicted_before(small, seed, held, at_once, readout):
    plain = make_reader(small, readout=readout)
    cached = replace(plain, cache=PrefixCache(max_tokens=held), batch_tokens=at_once)
    draw, beams = random.Random(seed), [()]
    for _ in range(5):
        beams = [(*beam, draw.randrange(4)) for beam in beams for _ in range(draw.randint(1, 3))]
        draw.shuffle(beams)
        asked = [grown(*beam) for beam in beams]
        same(cached.outputs(asked), plain.outputs(asked))
        assert cached.cache.stats.held <= held
        beams = draw.sample(beams, k=min(len(beams), 3))


def test_a_level_of_a_search_costs_its_new_tokens(small, cache):
    reader = make_reader(small, cache=cache)
    costs = []
    for depth in range(1, 9):
        asked = [grown(*range(depth - 1), last) for last in (depth - 1, 15)]
        costs.append(sum(reader.tokens(asked)))
        before = cache.stats.computed
        reader.outputs(asked)
        assert cache.stats.computed - before == costs[-1]
    assert costs == [len(PROMPT) + 2 * STEP] + [2 * STEP] * 7


def test_a_step_that_was_scored_costs_nothing(small, cache, monkeypatch):
    reader = make_reader(small, cache=cache)
    asked = [grown(1, 2, 3), grown(1, 2)]
    first = reader.outputs(asked)
    monkeypatch.setattr(small.model, "forward", None)
    assert reader.tokens([*asked, grown(1)]) == [0, 0, 0]
    again = reader.outputs([*asked, grown(1)])
    same(again, [*first, first[1][:1]])
    assert cache.stats.computed == len(grown(1, 2, 3))


def test_a_read_position_that_is_new_on_known_tokens_is_computed(small, cache):
    reader = make_reader(small, cache=cache)
    reader.outputs([grown(1, 2, 3)])
    other = replace(grown(1, 2, 3), read_positions=tuple(at - 1 for at in grown(1, 2, 3).read_positions))
    same(reader.outputs([other, grown(1, 2, 4)]), make_reader(small).outputs([other, grown(1, 2, 4)]))


def test_tokens_of_many_traces_are_counted_once_and_belong_to_the_first(small):
    reader = make_reader(small)
    empty = Encoded(ids=(1, 2), spans=(), read_positions=())
    assert reader.tokens([grown(1, 2), empty, grown(1), grown(1, 3)]) == [12, 0, 0, 4]
    assert replace(reader, batch_tokens=1).tokens([grown(1, 2), grown(1)]) == [12, 8]


def test_the_least_recently_used_leaf_goes_first(small):
    reader = make_reader(small, cache=PrefixCache(max_tokens=4 + 2 * STEP))
    for steps in ((1,), (2,), (1,), (3,)):
        reader.outputs([grown(*steps)])
    assert reader.tokens([grown(1)]) == [0]
    assert reader.tokens([grown(2)]) == [STEP]
    stats = reader.cache.stats
    assert (stats.held, stats.evicted, stats.computed) == (12, STEP, 4 + 3 * STEP)


def test_memory_held_is_what_the_stats_say(small):
    cache = PrefixCache(max_tokens=40)
    reader = make_reader(small, cache=cache)
    draw = random.Random(0)
    for _ in range(30):
        reader.outputs([grown(*(draw.randrange(3) for _ in range(draw.randint(1, 4)))) for _ in range(3)])
        waiting, bytes_held = list(cache._root.children.values()), 0
        while waiting:
            segment = waiting.pop()
            waiting += segment.children.values()
            bytes_held += segment.keys_values.untyped_storage().nbytes()
        assert bytes_held == cache.stats.held * small.layers * 2 * small.width * 4
        assert cache.stats.held <= 40


def test_clearing_forgets(small, cache):
    reader = make_reader(small, cache=cache)
    reader.outputs([grown(1)])
    cache.clear()
    assert cache.stats.held == 0
    assert reader.tokens([grown(1)]) == [len(grown(1))]


def test_another_head_or_changed_weights_are_not_served_from_what_was_computed(tiny_folder, cache):
    backbone = Backbone.open(tiny_folder, STEPWARD_DEFAULT)
    reader = make_reader(backbone, cache=cache)
    reader.outputs([grown(1, 2)])
    with torch.no_grad():
        backbone.model.layers[0].mlp.up_proj.weight.mul_(2.0)
    same(reader.outputs([grown(1, 2)]), make_reader(backbone).outputs([grown(1, 2)]))
    other = make_reader(backbone, cache=cache)
    torch.nn.init.normal_(other.head.out.weight)
    same(other.outputs([grown(1, 2)]), replace(other, cache=None).outputs([grown(1, 2)]))


def test_likelihoods_and_empty_caches_are_refused(small, cache):
    with pytest.raises(ConfigError, match="likelihood"):
        make_reader(small, cache=cache, readout=Readout(layers=(), likelihood="step")).outputs([grown(1)])
    with pytest.raises(ConfigError, match="at least one token"):
        PrefixCache(max_tokens=0)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.lists(st.integers(0, 2), min_size=1, max_size=7), st.integers(0, 8)), min_size=1))
def test_a_remainder_holds_what_must_be_computed_and_what_it_stands_on(asked):
    encoded = [Encoded(ids=tuple(ids), spans=(), read_positions=()) for ids, _ in asked]
    known = [min(count, len(ids)) for ids, count in asked]
    whole = Forest.of(encoded)
    left, runs = remainder(whole, known)
    for own, places, count, ids in zip(whole.places, left.places, known, (ids for ids, _ in asked), strict=True):
        fresh = places[places >= 0]
        assert len(fresh) == (places >= 0)[::-1].cumprod().sum(), "known tokens come first"
        assert len(fresh) >= len(own) - count
        assert left.ids_T[fresh].tolist() == ids[len(ids) - len(fresh) :]
        for at in fresh.tolist():
            above = {depth for run in runs if run.start <= at < run.stop for depth in range(run.first, run.last)}
            mine = [own_at for own_at in range(at + 1) if left.ends_T[own_at] > at]
            assert sorted(above | set(left.positions_T[mine].tolist())) == list(range(left.positions_T[at] + 1))
    assert all(run.last <= known[run.trace] for run in runs), "the trace that is named knows the whole run"
    assert sum(left.fresh) == len(left)
    assert not np.isin(-1, left.ids_T)


def test_a_reward_model_that_remembers_gives_the_same_scores_for_fewer_tokens(make_checkpoint, problem, make_trace):
    plain = ProcessRewardModel.load(make_checkpoint())
    model = plain.remembering(max_tokens=500)
    steps = ["two plus three is five . ", "so the answer is 5 . ", "what is 5 ? "]
    costs = []
    for count in range(1, 4):
        pair = (problem, make_trace(*steps[:count]))
        (mine,), (reference,) = model.score_batch([pair]), plain.score_batch([pair])
        assert mine.values == pytest.approx(reference.values, abs=1e-5)
        costs.append((mine.spend.scorer_tokens, reference.spend.scorer_tokens))
    assert sum(own for own, _ in costs) == costs[-1][1]


def test_a_level_with_surprise_costs_its_new_tokens_and_one_more(small, cache):
    reader = make_reader(small, cache=cache, readout=SURPRISE)
    costs = []
    for depth in range(1, 6):
        asked = [grown(*range(depth - 1), last) for last in (depth - 1, 15)]
        costs.append(sum(reader.tokens(asked)))
        before = cache.stats.computed
        reader.outputs(asked)
        assert cache.stats.computed - before == costs[-1]
    assert costs == [len(PROMPT) + 2 * STEP] + [2 * STEP + 1] * 4


def test_surprise_far_below_its_limit_adds_up_from_a_cache_as_it_does_without_one(small, cache):
    sharp = copy.deepcopy(small)
    with torch.no_grad():
        sharp.model.get_input_embeddings().weight.mul_(20.0)
    reader, asked = make_reader(sharp, cache=cache, readout=SURPRISE), [grown(1, 2, 3, 4)]
    for count in range(1, 5):
        reader.outputs([grown(*range(1, count + 1))])
    same(reader.outputs(asked), replace(reader, cache=None).outputs(asked))
    with torch.no_grad():
        states = step_states(sharp, TokenBatch.of(asked, torch.device("cpu")), SURPRISE)
    assert states[2:, -1].tolist() == [-60.0, -60.0], "the sum reached its limit before the last step"


def test_the_same_tokens_cut_otherwise_are_not_served_from_what_was_remembered(small, cache):
    reader = make_reader(small, cache=cache, readout=SURPRISE)
    whole = grown(1, 2)
    reader.outputs([whole])
    joined = replace(whole, spans=(whole.spans[1],), read_positions=whole.read_positions[1:])
    same(reader.outputs([joined]), replace(reader, cache=None).outputs([joined]))


def test_a_model_that_reads_surprise_remembers(make_checkpoint, problem, make_trace):
    plain = ProcessRewardModel.load(make_checkpoint(readout=Readout(layers=(), surprise=True)))
    model = plain.remembering()
    for count in range(1, 4):
        pair = (problem, make_trace(*["two plus three is five . ", "so the answer is 5 . ", "what is 5 ? "][:count]))
        (mine,), (reference,) = model.score_batch([pair]), plain.score_batch([pair])
        assert mine.values == pytest.approx(reference.values, abs=1e-5)
    assert mine.spend.scorer_tokens < reference.spend.scorer_tokens / 2
