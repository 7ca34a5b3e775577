from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from stepward.budget import Meter
from stepward.errors import ConfigError, ModelError
from stepward.policies.fake import Faults, ScriptedPolicy
from stepward.policies.wrappers import BatchedPolicy, CachedPolicy, MeteredPolicy, RetryingPolicy
from stepward.protocols import Policy
from stepward.types import Completion, Origin, Problem, SampleRequest, Sampling, Spend

PROBLEM = Problem(id="p", text="1 + 2")
ORIGIN = Origin(maker="policy:fake", revision="1")


def numbered(**fields: Any) -> ScriptedPolicy:
    return ScriptedPolicy(script=lambda request, draw: f"draw {draw}", **fields)


def ask(n: int = 1, **fields: Any) -> SampleRequest:
    return SampleRequest(problem=PROBLEM, n=n, **fields)


def texts(made: Sequence[Completion]) -> list[str]:
    return [completion.text for completion in made]


def test_a_request_that_the_engine_refuses_is_refused_alone() -> None:
    sizes = []

    class Small:
        origin = ORIGIN

        def sample_batch(self, requests: Sequence[SampleRequest]) -> list[tuple[Completion, ...]]:
            sizes.append(len(requests))
            if any(len(request.prefix) > 3 for request in requests):
                raise ModelError("too long")
            return [(Completion(text=request.prefix),) for request in requests]

    async def all_at_once() -> list[Any]:
        policy = BatchedPolicy(engine=Small())
        asked = (policy.sample(ask(prefix=prefix)) for prefix in ("a", "b", "c", "long", "d"))
        return await asyncio.gather(*asked, return_exceptions=True)

    made = asyncio.run(all_at_once())
    assert [isinstance(each, ModelError) for each in made] == [False, False, False, True, False]
    assert texts(made[4]) == ["d"] and sizes == [5, 2, 3, 1, 2, 1, 1]


def test_requests_of_concurrent_tasks_go_to_the_engine_together() -> None:
    scripted, batches = numbered(), []

    class Watching:
        origin = ORIGIN

        def sample_batch(self, requests: Sequence[SampleRequest]) -> list[tuple[Completion, ...]]:
            batches.append(len(requests))
            return scripted.sample_batch(requests)

    policy = BatchedPolicy(engine=Watching())
    assert isinstance(policy, Policy) and policy.origin is ORIGIN

    async def many() -> list[tuple[Completion, ...]]:
        return await asyncio.gather(*(policy.sample(ask(first_draw=draw)) for draw in range(10)))

    assert [texts(made) for made in asyncio.run(many())] == [[f"draw {draw}"] for draw in range(10)]
    assert batches == [10]


def test_a_meter_counts_what_every_call_cost() -> None:
    meter = Meter()
    policy = MeteredPolicy(policy=numbered(), meter=meter, name="writer")
    made = asyncio.run(policy.sample(ask(3)))
    assert meter.by_name == {"writer": sum((one.spend for one in made), Spend())}
    assert meter.total.policy_tokens == 6 and meter.total.policy_calls == 1


def test_retries_turn_a_faulty_upstream_into_a_clean_one() -> None:
    faulty = numbered(faults=Faults(fail=0.1, garble=0.01, hang=0.05, seed=1))
    policy = RetryingPolicy(policy=faulty, attempts=8, timeout=0.05)

    async def many() -> list[tuple[Completion, ...]]:
        return await asyncio.gather(*(policy.sample(ask(2, prefix=str(at))) for at in range(100)))

    made = asyncio.run(many())
    assert all(texts(one) == ["draw 0", "draw 1"] for one in made)
    attempts = sum(completion.spend.policy_calls for one in made for completion in one)
    assert attempts > 100


class Flaky:
    """Fails the stated draws on the first call; each failure had cost 5 tokens."""

    def __init__(self, *failing: int) -> None:
        self.failing, self.calls = set(failing), list[SampleRequest]()

    async def sample(self, request: SampleRequest) -> tuple[Completion, ...]:
        self.calls.append(request)
        draws = range(request.first_draw, request.first_draw + request.n)
        first = len(self.calls) == 1
        broken = Completion(text="half", finish="error", error="lost", spend=Spend(policy_tokens=5))
        fine = Completion(text="whole", spend=Spend(policy_tokens=3))
        return tuple(broken if first and draw in self.failing else fine for draw in draws)


def test_only_failed_draws_are_asked_again_and_their_first_cost_is_discarded_work() -> None:
    flaky = Flaky(1, 2, 5)
    made = asyncio.run(RetryingPolicy(policy=flaky).sample(ask(6)))
    assert [(call.first_draw, call.n) for call in flaky.calls] == [(0, 6), (1, 2), (5, 1)]
    assert texts(made) == ["whole"] * 6
    assert made[1].spend == Spend(policy_tokens=8, discarded_tokens=5)
    assert made[0].spend == Spend(policy_tokens=3)


class Refusing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def sample(self, request: SampleRequest) -> tuple[Completion, ...]:
        raise self.error


def test_what_fails_to_the_last_is_a_typed_failure_with_its_attempts() -> None:
    made = asyncio.run(RetryingPolicy(policy=Refusing(ConnectionError("reset")), attempts=3).sample(ask(2)))
    assert [(one.finish, one.text, one.error) for one in made] == [("error", "", "ConnectionError: reset")] * 2
    assert sum(one.spend.policy_calls for one in made) == 3


def test_an_error_that_no_retry_mends_goes_on() -> None:
    with pytest.raises(KeyError):
        asyncio.run(RetryingPolicy(policy=Refusing(KeyError("bug"))).sample(ask()))


@pytest.mark.parametrize("fields", [{"attempts": 0}, {"timeout": 0.0}, {"pause": -1.0}])
def test_retries_that_cannot_be_meant_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        RetryingPolicy(policy=numbered(), **fields)


def test_asking_for_eight_after_four_computes_four() -> None:
    scripted, store = numbered(), {}
    policy = CachedPolicy(policy=scripted, origin=ORIGIN, store=store)
    four, eight = asyncio.run(policy.sample(ask(4))), asyncio.run(policy.sample(ask(8)))
    assert texts(eight) == [f"draw {draw}" for draw in range(8)]
    assert eight[:4] == four
    assert [(call.first_draw, call.n) for call in scripted.calls] == [(0, 4), (4, 4)]


def test_what_is_kept_survives_json_unchanged() -> None:
    store: dict[str, Any] = {}
    made = asyncio.run(CachedPolicy(policy=numbered(), origin=ORIGIN, store=store).sample(ask(2)))
    read = json.loads(json.dumps(store))
    kept = CachedPolicy(policy=Refusing(AssertionError()), origin=ORIGIN, store=read)
    assert asyncio.run(kept.sample(ask(2))) == made


@pytest.mark.parametrize(
    "change",
    [
        {"problem": replace(PROBLEM, text="1 + 3")},
        {"problem": replace(PROBLEM, id="q")},
        {"prefix": "x"},
        {"sampling": Sampling(seed=1)},
        {"sampling": Sampling(temperature=0.5)},
        {"sampling": Sampling(stop=("\n",))},
    ],
)
def test_another_question_has_another_key(change: dict[str, Any]) -> None:
    policy = CachedPolicy(policy=numbered(), origin=ORIGIN, store={})
    assert policy.key(replace(ask(), **change), 0) != policy.key(ask(), 0)


def test_another_revision_has_another_key() -> None:
    one = CachedPolicy(policy=numbered(), origin=ORIGIN, store={})
    assert one.key(ask(), 0) != replace(one, origin=replace(ORIGIN, revision="2")).key(ask(), 0)
    assert one.key(ask(), 0) != one.key(ask(), 1)
    assert one.key(ask(8), 2) == one.key(ask(1, first_draw=2), 2)


def test_a_failure_is_not_kept() -> None:
    flaky, store = Flaky(1), {}
    policy = CachedPolicy(policy=flaky, origin=ORIGIN, store=store)
    assert asyncio.run(policy.sample(ask(3)))[1].finish == "error"
    assert len(store) == 2
    assert texts(asyncio.run(policy.sample(ask(3)))) == ["whole"] * 3
