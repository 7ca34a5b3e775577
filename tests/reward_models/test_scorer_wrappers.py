from __future__ import annotations

import asyncio

import pytest

from stepward.budget import Meter
from stepward.errors import ScoreError, TraceError
from stepward.protocols import StepScorer, TraceScorer
from stepward.reward_models.fake import ConstantScorer, HostileScorer, ScriptedScorer
from stepward.reward_models.outcome import OutcomeRewardModel
from stepward.reward_models.process import ProcessRewardModel
from stepward.reward_models.wrappers import BatchedScorer, BatchedTraceScorer, CachedScorer, MeteredScorer
from stepward.types import Origin, Spend


class Counting:
    """A scorer that counts its calls, and refuses its first `refusals`."""

    def __init__(self, refusals: int = 0) -> None:
        self.calls, self.refusals = 0, refusals

    async def score(self, problem, trace):
        self.calls += 1
        await asyncio.sleep(0)
        if self.calls <= self.refusals:
            raise ScoreError("refused")
        return await ConstantScorer().score(problem, trace)


async def gathered(scorer, pairs):
    return await asyncio.gather(*(scorer.score(*pair) for pair in pairs), return_exceptions=True)


def test_concurrent_calls_go_out_as_one_batch_with_the_engines_scores(checkpoint, pairs):
    engine = ProcessRewardModel.load(checkpoint)
    sizes = []

    class Watched:
        origin = engine.origin

        def score_batch(self, batch):
            sizes.append(len(batch))
            return engine.score_batch(batch)

    scorer = BatchedScorer(engine=Watched())
    found = asyncio.run(gathered(scorer, pairs))
    assert isinstance(scorer, StepScorer) and sizes == [len(pairs)]
    for own, expected in zip(found, engine.score_batch(pairs), strict=True):
        assert own.values == pytest.approx(expected.values, abs=1e-5)


def test_a_faulty_trace_fails_alone(checkpoint, problem, pairs, make_trace):
    scorer = BatchedScorer(engine=ProcessRewardModel.load(checkpoint))
    found = asyncio.run(gathered(scorer, [*pairs, (problem, make_trace("two <|step_end|>"))]))
    assert isinstance(found[-1], ScoreError) and not any(isinstance(own, Exception) for own in found[:-1])


@pytest.mark.parametrize("fault", ["nan", "infinite", "too few", "too many"])
def test_a_hostile_engine_never_gets_a_score_through(fault, pairs):
    scorer = BatchedScorer(engine=HostileScorer(fault=fault))
    assert all(isinstance(own, ScoreError) for own in asyncio.run(gathered(scorer, pairs[:3])))


def test_trace_scores_are_batched_too(make_checkpoint, pairs):
    engine = OutcomeRewardModel.load(make_checkpoint(kind="orm"))
    scorer = BatchedTraceScorer(engine=engine)

    async def all_of():
        return await asyncio.gather(*(scorer.score_trace(*pair) for pair in pairs), return_exceptions=True)

    found = asyncio.run(all_of())
    assert isinstance(scorer, TraceScorer) and isinstance(found[3], TraceError)
    judged = [pair for pair in pairs if len(pair[1])]
    expected = [own.value for own in engine.score_traces(judged)]
    assert [own.value for own in found if not isinstance(own, Exception)] == pytest.approx(expected, abs=1e-5)


def test_a_meter_counts_what_a_scorer_spends(pairs):
    meter = Meter()
    found = asyncio.run(gathered(MeteredScorer(scorer=ConstantScorer(), meter=meter, name="prm"), pairs))
    assert meter.by_name["prm"] == sum((own.spend for own in found), Spend())
    assert meter.total.scorer_tokens > 0


def test_a_cache_hit_costs_nothing_and_equal_calls_under_way_share_one(pairs):
    inner = Counting()
    cached = CachedScorer(scorer=inner, origin=Origin(maker="scorer:x"))

    async def twice():
        return await gathered(cached, [pairs[0]] * 3), await gathered(cached, [pairs[0]])

    (first, second, _), (again,) = asyncio.run(twice())
    assert inner.calls == 1
    assert first.values == second.values == again.values
    assert first.spend.scorer_tokens > 0 and second.spend == again.spend == Spend()


def test_an_error_is_not_remembered(pairs):
    cached = CachedScorer(scorer=Counting(refusals=1), origin=Origin(maker="scorer:x"))

    async def twice():
        return await gathered(cached, [pairs[0]]), await gathered(cached, [pairs[0]])

    (failed,), (fine,) = asyncio.run(twice())
    assert isinstance(failed, ScoreError) and fine.values == (0.5, 0.5)


def test_a_full_cache_forgets_the_least_recently_used(pairs):
    inner = Counting()
    cached = CachedScorer(scorer=inner, origin=Origin(maker="scorer:x"), size=2)

    async def sequence():
        for index in (0, 1, 0, 2, 0, 1):
            await cached.score(*pairs[index])

    asyncio.run(sequence())
    assert inner.calls == 4


def test_scripted_scores_follow_the_text(problem, make_trace):
    scorer = ScriptedScorer(scores={"two .": 0.9}, default=None)
    scores = asyncio.run(scorer.score(problem, make_trace("two .\n", "two .")))
    assert scores.values == (0.9, 0.9)
    with pytest.raises(ScoreError, match="got 'three'"):
        scorer.score_batch([(problem, make_trace("three"))])
