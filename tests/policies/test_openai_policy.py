"""A policy over a server, against a scripted one: draws, prefixes, stops, faults, keys and costs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import httpx2 as httpx
import pytest

from stepward.errors import ConfigError, ModelError, ResourceError
from stepward.pipeline.parts import PolicyChoice, workbench
from stepward.policies.chat import PromptFormat
from stepward.policies.http_server import HttpServer
from stepward.policies.openai import MESSAGES, OpenAIPolicy
from stepward.segment.newline import Newline
from stepward.types import Completion, Part, Problem, SampleRequest, Sampling
from stepward.verifiers.exact import ExactVerifier

PROBLEM = Problem(id="p", text="What is 3 * 4?")
REQUEST = SampleRequest(problem=PROBLEM, sampling=Sampling(max_tokens=9, seed=3))
KEY = "sk-very-secret"
USAGE = {"prompt_tokens": 10, "completion_tokens": 4}


class Upstream:
    """Answers with what `script` makes of a body; keeps every call, and the pauses that were taken."""

    def __init__(self, script: Callable[[Mapping[str, Any], int], Any]) -> None:
        self.script = script
        self.calls: list[httpx.Request] = []
        self.bodies: list[dict[str, Any]] = []
        self.pauses: list[float] = []

    def server(self, **settings: Any) -> HttpServer:
        async def sleep(seconds: float) -> None:
            self.pauses.append(seconds)

        transport = httpx.MockTransport(self._answer)
        return HttpServer(url="http://there:1/v1", transport=transport, sleep=sleep, **settings)

    def policy(self, server: Mapping[str, Any] = {}, **settings: Any) -> OpenAIPolicy:
        return OpenAIPolicy(server=self.server(**server), model="m", **settings)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request)
        self.bodies.append(json.loads(request.content))
        made = self.script(self.bodies[-1], len(self.calls))
        if isinstance(made, Exception):
            raise made
        return made if isinstance(made, httpx.Response) else httpx.Response(200, json=made)


def said(*texts: str, finish: str = "stop", **more: Any) -> dict[str, Any]:
    choices = [{"message": {"content": text}, "finish_reason": finish, **more} for text in texts]
    return {"choices": choices, "usage": USAGE}


def sampled(policy: OpenAIPolicy, request: SampleRequest = REQUEST) -> tuple[Completion, ...]:
    return asyncio.run(policy.sample(request))


def test_every_draw_is_a_call_with_a_seed_that_neither_n_nor_the_first_draw_moves() -> None:
    up = Upstream(lambda body, _: said(f"seed {body['seed']}"))
    four = sampled(up.policy(), replace(REQUEST, n=4))
    late = sampled(up.policy(), replace(REQUEST, n=2, first_draw=2))
    assert [c.text for c in four[2:]] == [c.text for c in late] and len({c.text for c in four}) == 4
    assert all(body["n"] == 1 and 0 <= body["seed"] < 2**31 for body in up.bodies)
    other = sampled(up.policy(), replace(REQUEST, sampling=replace(REQUEST.sampling, seed=4)))
    assert other[0].text not in {c.text for c in four}


def test_what_is_sent_and_what_comes_back() -> None:
    up = Upstream(lambda body, _: said("It is 12.\n", stop_reason="\n"))
    sampling = Sampling(temperature=0.7, top_p=0.9, top_k=5, max_tokens=9, stop=("\n",), seed=3)
    (made,) = sampled(up.policy(prompt=PromptFormat(mode="chat", system="Be brief.", template="Q: {problem}")),
                      replace(REQUEST, sampling=sampling))  # fmt: skip
    body = up.bodies[0]
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Q: What is 3 * 4?"},
    ]
    assert (body["model"], body["max_tokens"], body["temperature"], body["top_p"]) == ("m", 9, 0.7, 0.9)
    assert (body["top_k"], body["stop"], body["include_stop_str_in_output"]) == (5, ["\n"], True)
    assert str(up.calls[0].url) == "http://there:1/v1/chat/completions"
    assert (made.text, made.finish, made.ended, made.error) == ("It is 12.\n", "stop", False, "")
    assert (made.spend.policy_tokens, made.spend.prompt_tokens, made.spend.policy_calls) == (4, 10, 1)


@pytest.mark.parametrize(
    ("answer", "finish", "ended"),
    [
        (said("all of it"), "stop", True),
        (said("all of", finish="length"), "length", False),
        (said("all of\n", stop_reason="\n"), "stop", False),
        (said("all\n of", stop_reason=151645), "stop", True),
    ],
)
def test_a_solution_is_ended_by_the_model_alone(answer: dict[str, Any], finish: str, ended: bool) -> None:
    request = replace(REQUEST, sampling=Sampling(stop=("\n",)))
    (made,) = sampled(Upstream(lambda body, _: answer).policy(), request)
    assert (made.finish, made.ended) == (finish, ended)


def test_a_server_that_does_not_tell_its_stop_is_sent_none_and_its_text_is_cut_here() -> None:
    up = Upstream(lambda body, _: said("one\ntwo\nthree"))
    request = replace(REQUEST, sampling=Sampling(stop=("two\n", "three")))
    (made,) = sampled(up.policy(kind="openai"), request)
    assert "stop" not in up.bodies[0] and (made.text, made.finish, made.ended) == ("one\ntwo\n", "stop", False)


def test_a_prefix_is_the_begun_answer_or_part_of_the_text() -> None:
    up = Upstream(lambda body, _: {"choices": [{"text": " 12", "finish_reason": "stop"}], "usage": USAGE}
                  if "prompt" in body else said(" 12"))  # fmt: skip
    request = replace(REQUEST, prefix="3 * 4 =")
    assert sampled(up.policy(), request)[0].text == " 12"
    assert up.bodies[0]["messages"][-1] == {"role": "assistant", "content": "3 * 4 ="}
    assert up.bodies[0]["continue_final_message"] is True and up.bodies[0]["add_generation_prompt"] is False
    assert sampled(up.policy(prompt=PromptFormat(template="{problem}\n")), request)[0].text == " 12"
    assert up.bodies[1]["prompt"] == "What is 3 * 4?\n3 * 4 =" and str(up.calls[1].url).endswith("/v1/completions")
    sampled(up.policy(prompt=PromptFormat(mode="raw", template="<u>{problem}<a>")), request)
    assert up.bodies[2]["prompt"] == "<u>What is 3 * 4?<a>3 * 4 =" and up.bodies[2]["add_special_tokens"] is False
    with pytest.raises(ConfigError, match="cannot go on from a begun answer"):
        sampled(up.policy(kind="openai"), request)


def test_a_begun_answer_that_comes_back_is_taken_off_once() -> None:
    request = replace(REQUEST, prefix="3 * 4 = ")
    up = Upstream(lambda body, _: said("3 * 4 = 3 * 4 = 12"))
    assert sampled(up.policy(kind="llamacpp"), request)[0].text == "3 * 4 = 12"
    (made,) = sampled(Upstream(lambda body, _: said("12")).policy(kind="llamacpp"), request)
    assert made.error == "the server did not go on from the begun answer"


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("vllm", "structured_outputs", {"choice": [" Yes", "N(o)"]}),
        ("sglang", "regex", r"\ Yes|N\(o\)"),
        ("llamacpp", "grammar", 'root ::= " Yes" | "N(o)"'),
    ],
)
def test_an_answer_is_held_to_one_of_some_texts(kind: Any, field: str, value: Any) -> None:
    up = Upstream(lambda body, _: said(" Yes"))
    assert sampled(up.policy(kind=kind).held_to_one_of((" Yes", "N(o)")))[0].text == " Yes"
    assert up.bodies[0][field] == value
    with pytest.raises(ConfigError, match="cannot be held to one of some texts"):
        up.policy(kind="openai").held_to_one_of(("a", "b"))


def test_a_dialogue_takes_the_place_of_the_template() -> None:
    up = Upstream(lambda body, _: said("oui"))
    turns = [["system", "In French."], ["user", "Yes?"]]
    sampled(up.policy(), replace(REQUEST, problem=replace(PROBLEM, meta={MESSAGES: turns})))
    assert [[m["role"], m["content"]] for m in up.bodies[0]["messages"]] == turns


def test_logprobs_are_those_of_either_layout() -> None:
    chat = said("a b", logprobs={"content": [{"logprob": -0.5}, {"logprob": -1.0}]})
    text = {"choices": [{"text": "a", "finish_reason": "stop", "logprobs": {"token_logprobs": [-0.25]}}]}
    up = Upstream(lambda body, _: text if "prompt" in body else chat)
    assert sampled(up.policy(logprobs=True))[0].logprobs == (-0.5, -1.0)
    plain = up.policy(logprobs=True, prompt=PromptFormat(template="{problem}"))
    assert sampled(plain)[0].logprobs == (-0.25,) and sampled(up.policy())[0].spend.policy_tokens == 4
    assert (up.bodies[0]["logprobs"], up.bodies[1]["logprobs"], "logprobs" in up.bodies[2]) == (True, 1, False)


def test_draws_together_are_one_call_whose_prompt_counts_once() -> None:
    up = Upstream(lambda body, _: said("a", "b", "c"))
    made = sampled(up.policy(together=True), replace(REQUEST, n=3))
    assert [c.text for c in made] == ["a", "b", "c"] and up.bodies[0]["n"] == 3 and len(up.calls) == 1
    assert [c.spend.prompt_tokens for c in made] == [10, 0, 0]
    lacking = sampled(Upstream(lambda body, _: said("a")).policy(together=True), replace(REQUEST, n=3))
    assert [c.error for c in lacking] == ["the server sent 1 answers for 3 draws"] * 3


def test_tokens_that_the_server_had_read_before_are_not_counted_again() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 8}}
    (made,) = sampled(Upstream(lambda body, _: {**said("x"), "usage": usage}).policy())
    assert made.spend.prompt_tokens == 2


def test_transient_faults_are_asked_again_and_attempts_are_counted() -> None:
    faults = [httpx.Response(503), httpx.ReadTimeout("slow"), httpx.ConnectError("gone"), httpx.Response(200, text="{")]
    up = Upstream(lambda body, call: faults[call - 1] if call <= len(faults) else said("at last"))
    (made,) = sampled(up.policy())
    assert (made.text, made.spend.policy_calls) == ("at last", 5) and up.pauses == [1.0, 2.0, 4.0, 8.0]


def test_what_stays_broken_is_a_failed_completion_that_says_why() -> None:
    up = Upstream(lambda body, _: httpx.Response(500))
    (made,) = sampled(up.policy({"attempts": 2}))
    assert (made.finish, made.text, made.spend.policy_calls) == ("error", "", 2)
    assert made.error == "http://there:1/v1/chat/completions answered 500 (2 attempts)"


@pytest.mark.parametrize(
    ("headers", "pauses"),
    [
        ({"Retry-After": "7"}, [7.0]),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:09 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, [9.0]),
        ({"Retry-After": "soon"}, [1.0]),
    ],
)
def test_a_server_that_says_when_to_come_back_is_heeded(headers: dict[str, str], pauses: list[float]) -> None:
    up = Upstream(lambda body, call: httpx.Response(429, headers=headers) if call == 1 else said("x"))
    assert sampled(up.policy())[0].text == "x" and up.pauses == pauses


def test_a_pause_too_long_to_wait_for_fails_at_once() -> None:
    up = Upstream(lambda body, _: httpx.Response(429, headers={"Retry-After": "3600"}))
    (made,) = sampled(up.policy())
    assert "asks for a pause of 3600 s" in made.error and up.pauses == [] and len(up.calls) == 1


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (
            401,
            {"error": {"message": f"bad key {KEY}"}},
            ConfigError,
            "refuses the key; got 401; check the key in A_KEY",
        ),
        (404, {"error": {"message": "no model m"}}, ConfigError, "is not there; got 'no model m'; check url"),
        (400, {"error": {"message": f"odd field, {KEY}"}}, ResourceError, "with 400; got 'odd field, ...'"),
        (301, {}, ConfigError, "answered 301; got '{}'; check url and model"),
        (400, {"message": "maximum context length is 8"}, ModelError, "too long for http://there:1/v1"),
        (429, {"error": {"code": "insufficient_quota"}}, ResourceError, "has no quota left; check A_KEY"),
    ],
)
def test_permanent_faults_raise_and_say_how_to_mend(
    status: int, body: Any, kind: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", KEY)
    up = Upstream(lambda _, __: httpx.Response(status, json=body))
    with pytest.raises(kind) as caught:
        sampled(up.policy({"key_env": "A_KEY"}))
    assert message in str(caught.value) and KEY not in str(caught.value) and len(up.calls) == 1


def test_the_key_comes_from_the_environment_and_stands_in_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    up = Upstream(lambda body, _: said("x"))
    policy = up.policy({"key_env": "A_KEY"})
    with pytest.raises(ConfigError, match="the environment variable A_KEY is not set"):
        sampled(policy)
    monkeypatch.setenv("A_KEY", KEY)
    sampled(policy)
    assert up.calls[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in f"{policy} {policy.origin}"


@pytest.mark.parametrize("url", ["http://me:pw@there/v1", "http://there/v1?key=pw", "there:8000", ""])
def test_an_address_that_holds_a_secret_or_is_none_is_refused_unquoted(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        HttpServer(url=url)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        ({"message": {"content": None, "reasoning": "hm"}, "finish_reason": "length"}, "an answer without text"),
        ({"message": {"content": None, "refusal": "no"}, "finish_reason": "stop"}, "the model refused: no"),
        ({"message": {"content": ""}, "finish_reason": "content_filter"}, "ended this sample: content_filter"),
        ("garbled", "cannot be read"),
    ],
)
def test_an_answer_that_is_none_is_a_failure_and_never_empty_text(choice: Any, why: str) -> None:
    (made,) = sampled(Upstream(lambda body, _: {"choices": [choice], "usage": None}).policy())
    assert made.finish == "error" and why in made.error


def test_answers_are_held_to_a_schema_and_further_fields_are_sent_or_left_out() -> None:
    up = Upstream(lambda body, _: said("{}"))
    policy = up.policy(extra={"reasoning_effort": "low", "max_tokens": None, "max_completion_tokens": 50})
    sampled(policy.held_to({"type": "object"}))
    held = up.bodies[0]["response_format"]
    assert held["type"] == "json_schema" and held["json_schema"]["schema"] == {"type": "object"}
    assert up.bodies[0]["reasoning_effort"] == "low" and up.bodies[0]["max_completion_tokens"] == 50
    assert "max_tokens" not in up.bodies[0]
    assert policy.held_to({"type": "object"}).origin != policy.origin


def test_what_a_server_cannot_do_is_refused() -> None:
    up = Upstream(lambda body, _: said("x"))
    with pytest.raises(ConfigError, match="has no top_k"):
        sampled(up.policy(kind="openai"), replace(REQUEST, sampling=Sampling(top_k=5)))
    with pytest.raises(ModelError, match="cannot read"):
        sampled(up.policy(), replace(REQUEST, problem=replace(PROBLEM, parts=(Part(kind="image", path="a"),))))
    with pytest.raises(ConfigError, match="no such kind of server"):
        up.policy(kind="vlm")
    assert not up.calls


def test_one_policy_serves_several_event_loops_and_batches() -> None:
    up = Upstream(lambda body, _: said(body["messages"][0]["content"]))
    policy = up.policy()
    assert sampled(policy)[0].text == sampled(policy)[0].text == PROBLEM.text
    made = policy.sample_batch([REQUEST, replace(REQUEST, problem=Problem(id="q", text="Why?"), n=2)])
    assert [[c.text for c in each] for each in made] == [["What is 3 * 4?"], ["Why?", "Why?"]]


def test_a_recipe_names_a_server_and_it_is_asked_without_a_batcher(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = PolicyChoice(path="m", engine="openai", url="http://there:1/v1", key_env="A_KEY").load()
    assert isinstance(engine, OpenAIPolicy) and engine.server.key_env == "A_KEY" and engine.prompt.mode == "chat"
    assert workbench(engine, Newline(), ExactVerifier()).policy is engine
    with pytest.raises(ConfigError, match="url goes with engine: openai"):
        PolicyChoice(path="m", engine="openai")
