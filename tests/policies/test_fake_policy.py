from __future__ import annotations

import asyncio

import pytest

from stepward.errors import ConfigError, ResourceError
from stepward.policies.fake import Faults, ScriptedPolicy
from stepward.protocols import Policy, PolicyEngine
from stepward.types import Problem, SampleRequest, Sampling

PROBLEM = Problem(id="p", text="1 + 2")
TABLE = {("p", ""): ["one two\nthree", "four"], ("p", "one "): ["five"]}


def ask(n: int = 1, first_draw: int = 0, prefix: str = "", **sampling: object) -> SampleRequest:
    return SampleRequest(problem=PROBLEM, prefix=prefix, n=n, first_draw=first_draw, sampling=Sampling(**sampling))


def test_it_is_engine_and_policy_and_says_the_same_as_both() -> None:
    scripted = ScriptedPolicy(script=TABLE)
    assert isinstance(scripted, Policy) and isinstance(scripted, PolicyEngine)
    assert asyncio.run(scripted.sample(ask(3))) == scripted.sample_batch([ask(3)])[0]


def test_a_draw_gets_the_text_of_its_index() -> None:
    scripted = ScriptedPolicy(script=TABLE)
    whole, later = scripted.sample_batch([ask(4), ask(2, first_draw=2)])
    assert [one.text for one in whole] == ["one two\nthree", "four"] * 2
    assert later[0].text == whole[2].text and later[1].text == whole[3].text
    assert scripted.calls == [ask(4), ask(2, first_draw=2)]


def test_a_function_sees_request_and_draw() -> None:
    scripted = ScriptedPolicy(script=lambda request, draw: f"{request.prefix}{draw}")
    ((first, second),) = scripted.sample_batch([ask(2, first_draw=7, prefix="x")])
    assert (first.text, second.text) == ("x7", "x8")


def test_text_is_cut_behind_a_stop_string_and_at_max_tokens() -> None:
    scripted = ScriptedPolicy(script=TABLE)
    (stopped,), (cut,), (whole,) = scripted.sample_batch([ask(stop=("\n",)), ask(max_tokens=2), ask()])
    assert (stopped.text, stopped.finish, stopped.ended) == ("one two\n", "stop", False)
    assert (cut.text, cut.finish, cut.spend.policy_tokens) == ("one two\n", "length", 2)
    assert (whole.text, whole.finish, whole.ended) == ("one two\nthree", "stop", True)
    assert len(whole.logprobs) == whole.spend.policy_tokens == 3
    assert whole.spend.policy_calls == 1


def test_a_request_without_script_is_refused() -> None:
    with pytest.raises(ResourceError, match="no script for problem 'p'"):
        ScriptedPolicy(script=TABLE).sample_batch([ask(prefix="none")])


def test_faults_strike_their_share_of_calls_and_spare_a_second_attempt() -> None:
    faults = Faults(fail=0.2, garble=0.1, hang=0.1, seed=3)
    scripted = ScriptedPolicy(script=lambda request, draw: "ok", faults=faults)
    asked = [ask(seed=seed) for seed in range(1000)]
    first = [made[0].error for made in scripted.sample_batch(asked)]
    assert 0.16 < sum("failed" in error for error in first) / 1000 < 0.24
    assert 0.07 < sum("cannot be read" in error for error in first) / 1000 < 0.13
    assert 0.07 < sum("in time" in error for error in first) / 1000 < 0.13
    second = [made[0].error for made in scripted.sample_batch(asked)]
    assert sum(bool(a and b) for a, b in zip(first, second, strict=True)) < 250


def test_the_same_calls_fail_whatever_their_order() -> None:
    asked = [ask(seed=seed) for seed in range(100)]

    def failed(requests: list[SampleRequest]) -> set[int]:
        scripted = ScriptedPolicy(script=lambda request, draw: "ok", faults=Faults(fail=0.3))
        made = scripted.sample_batch(requests)
        return {one.sampling.seed for one, (done,) in zip(requests, made, strict=True) if done.finish == "error"}

    assert failed(asked) == failed(asked[::-1])
    assert failed(asked)


def test_a_call_that_hangs_waits_until_it_is_cancelled() -> None:
    scripted = ScriptedPolicy(script=TABLE, faults=Faults(hang=1.0))

    async def wait_a_while() -> None:
        await asyncio.wait_for(scripted.sample(ask()), timeout=0.01)

    with pytest.raises(TimeoutError):
        asyncio.run(wait_a_while())


def test_shares_above_one_are_refused() -> None:
    with pytest.raises(ConfigError):
        Faults(fail=0.6, hang=0.6)


def test_the_revision_of_a_table_is_its_content() -> None:
    other = {("p", ""): ["six"]}
    assert ScriptedPolicy(script=TABLE).origin == ScriptedPolicy(script=dict(TABLE)).origin
    assert ScriptedPolicy(script=TABLE).origin != ScriptedPolicy(script=other).origin
