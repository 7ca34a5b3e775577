"""Any model behind an OpenAI-compatible server: vLLM, SGLang, llama.cpp, or a paid service.

A chat prompt goes to `chat/completions`: the problem is the user's message and the prefix, where there is one, the
begun message of the assistant. A plain or raw prompt goes to `completions` as one text, prefix included. Each draw is
a call of its own with a seed of its own,

    seed = key(sampling seed, problem id, prefix, draw index) >> 33         (`seeds.draw_keys`, 31 bits)

so that it depends on neither n nor what else the server does, as far as the server keeps its seeds. What servers of
each kind understand beyond OpenAI's own fields stands in `KINDS`. A prefix is refused where the server cannot go on
writing the assistant's message. A server that does not tell which stop string it met (or whether the model just ended)
is sent none: what it wrote behind the first one is cut here, and paid for.

A call that fails for good is a failed completion (`finish="error"`) that says why; a wrong key, address or field is
raised. Log-probabilities are the server's own: for those that `Completion` speaks of, vLLM runs with
`--logprobs-mode raw_logprobs` (its default). Tokens are those that the server counted; with
`--enable-prompt-tokens-details` vLLM tells which of a prompt's it had read before, and they are not counted again.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

from stepward.errors import ConfigError, ModelError
from stepward.policies.chat import SLOT, PromptFormat
from stepward.policies.http_server import HttpServer, Reply
from stepward.policies.seeds import draw_keys
from stepward.policies.stopping import stop_end
from stepward.types import Completion, Finish, Json, Origin, SampleRequest, Spend, content_key

ServerKind: TypeAlias = Literal["vllm", "sglang", "llamacpp", "openai"]

CHAT = PromptFormat(mode="chat", template=SLOT)
MESSAGES = "messages"
"""Key of `problem.meta` under which a whole dialogue stands, as [role, text] pairs: it takes the template's place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Additions:
    """What servers of one kind understand beyond OpenAI's own fields."""

    continuing: Mapping[str, Json] | None = None
    """Sent to have the last message continued; None where it cannot be."""
    repeats: bool = False
    """Whether a continued message comes back whole, with what it was begun with."""
    keeping_stop: Mapping[str, Json] = field(default_factory=dict)
    """Sent to keep the stop string in the text."""
    stop_told: str = ""
    """Field that names the stop string that was met; without one stop strings are not sent."""
    top_k: bool = False
    raw: Mapping[str, Json] = field(default_factory=dict)
    """Sent with a text that holds its control tokens already."""
    choosing: Callable[[Sequence[str]], dict[str, Json]] | None = None
    """Fields that hold an answer to one of some texts; None where there are none."""


KINDS: Mapping[ServerKind, Additions] = MappingProxyType(
    {
        "vllm": Additions(
            continuing={"continue_final_message": True, "add_generation_prompt": False},
            keeping_stop={"include_stop_str_in_output": True},
            stop_told="stop_reason",
            top_k=True,
            raw={"add_special_tokens": False},
            choosing=lambda texts: {"structured_outputs": {"choice": list(texts)}},
        ),
        "sglang": Additions(
            continuing={"continue_final_message": True},
            keeping_stop={"no_stop_trim": True},
            stop_told="matched_stop",
            top_k=True,
            choosing=lambda texts: {"regex": "|".join(map(re.escape, texts))},
        ),
        "llamacpp": Additions(
            continuing={},
            repeats=True,
            top_k=True,
            choosing=lambda texts: {"grammar": "root ::= " + " | ".join(map(json.dumps, texts))},
        ),
        "openai": Additions(),
    }
)


@dataclass(frozen=True, eq=False, kw_only=True)
class OpenAIPolicy:
    """A `Policy`, and a `PolicyEngine`, over a server."""

    server: HttpServer
    model: str
    """The server's name for it."""
    kind: ServerKind = "vllm"
    prompt: PromptFormat = CHAT
    schema: Mapping[str, Json] | None = None
    """A JSON schema that the server holds every answer to."""
    choices: tuple[str, ...] = ()
    """Texts of which the server lets an answer be one; any where there are none."""
    logprobs: bool = False
    """Whether to ask for the log-probability of each written token."""
    together: bool = False
    """One call for all draws of a request: paid services count the prompt once, but a draw then depends on n."""
    revision: str = ""
    """What is known of the weights; a server does not tell."""
    extra: Mapping[str, Json] = field(default_factory=dict)
    """Further fields of every request, such as {"reasoning_effort": "low"}; null leaves a field out."""

    def __post_init__(self) -> None:
        if not self.model:
            raise ConfigError(
                "a server's policy needs the name of a model", mend=f"{self.server.url}/models lists them"
            )
        if self.kind not in get_args(ServerKind):
            raise ConfigError("there is no such kind of server", got=self.kind, mend=f"one of {', '.join(KINDS)}")
        if self.choices and not self.chooses:
            raise ConfigError(f"a server of kind {self.kind} cannot be held to one of some texts", got=self.choices)

    @property
    def origin(self) -> Origin:
        """Model and everything that moves a sample. Neither key nor address: a model is the same behind another one."""
        settings: dict[str, Json] = {
            "server": self.kind,
            "prompt": asdict(self.prompt),
            "schema": content_key(self.schema) if self.schema else "",
            "choices": list(self.choices),
            "together": self.together,
            "extra": dict(self.extra),
        }
        return Origin(maker=f"policy:{self.model}", revision=self.revision, settings=settings)

    def held_to(self, schema: Mapping[str, Json]) -> OpenAIPolicy:
        """The same policy, its answers held to `schema`."""
        return replace(self, schema=schema)

    def held_to_one_of(self, choices: Sequence[str]) -> OpenAIPolicy:
        """The same policy, every answer one of `choices`; `ConfigError` where the server cannot."""
        return replace(self, choices=tuple(choices))

    @property
    def chooses(self) -> bool:
        """Whether the server can hold an answer to one of some texts."""
        return KINDS[self.kind].choosing is not None

    async def sample(self, request: SampleRequest) -> tuple[Completion, ...]:
        """`request.n` completions, in draw order.

        Raises `ModelError` for a prompt that the server's model cannot hold or read, `ConfigError` for a wrong key,
        address or use of the server, `ResourceError` for a request that it refuses.
        """
        path, body = self._asked(request)
        first, last = request.first_draw, request.first_draw + request.n
        parts = [range(first, last)] if self.together else [range(draw, draw + 1) for draw in range(first, last)]
        made = await asyncio.gather(*(self._call(path, body, request, part) for part in parts if part))
        return tuple(completion for completions in made for completion in completions)

    def sample_batch(self, requests: Sequence[SampleRequest]) -> list[tuple[Completion, ...]]:
        """`n` completions for each request, from code that runs no event loop."""

        async def all_of_them() -> list[tuple[Completion, ...]]:
            return list(await asyncio.gather(*(self.sample(request) for request in requests)))

        return asyncio.run(all_of_them())

    def _asked(self, request: SampleRequest) -> tuple[str, dict[str, Json]]:
        """Path and body, but for draws and seed."""
        kind, sampling = KINDS[self.kind], request.sampling
        body: dict[str, Json] = {"model": self.model, "max_tokens": sampling.max_tokens}
        body |= {"temperature": sampling.temperature, "top_p": sampling.top_p}
        if sampling.top_k:
            if not kind.top_k:
                raise ConfigError(f"a server of kind {self.kind} has no top_k", got=sampling.top_k, mend="set it to 0")
            body["top_k"] = sampling.top_k
        if sampling.stop and kind.stop_told:
            body |= {"stop": list(sampling.stop), **kind.keeping_stop}
        if self.schema is not None:
            held: Json = {"name": "answer", "strict": True, "schema": self.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": held}
        if self.choices and kind.choosing is not None:
            body |= kind.choosing(self.choices)
        path, text = self._text(request, kind)
        whole = {**body, **text, **self.extra}
        return path, {name: value for name, value in whole.items() if value is not None}

    def _text(self, request: SampleRequest, kind: Additions) -> tuple[str, dict[str, Json]]:
        problem, prompt = request.problem, self.prompt
        filled = prompt.filled(problem)
        if prompt.mode != "chat":
            added = kind.raw if prompt.mode == "raw" else {}
            return "completions", {
                "prompt": filled + request.prefix,
                **({"logprobs": 1} if self.logprobs else {}),
                **added,
            }
        messages = _dialogue(problem.meta.get(MESSAGES)) or [
            *([("system", prompt.system)] if prompt.system is not None else []),
            ("user", filled),
        ]
        fields: dict[str, Json] = {"logprobs": True} if self.logprobs else {}
        if request.prefix:
            if kind.continuing is None:
                raise ConfigError(
                    f"a server of kind {self.kind} cannot go on from a begun answer",
                    mend="use a server that can (kind: vllm, sglang or llamacpp), or a plain prompt",
                )
            messages.append(("assistant", request.prefix))
            fields |= kind.continuing
        return "chat/completions", fields | {"messages": [{"role": role, "content": text} for role, text in messages]}

    async def _call(
        self, path: str, body: Mapping[str, Json], request: SampleRequest, draws: range
    ) -> list[Completion]:
        """The completions of one call; what it cost stands with the first."""
        own = replace(request, first_draw=draws.start, n=len(draws))
        seed = int(draw_keys(own)[0]) >> 33
        started = time.perf_counter()
        reply = await self.server.post(path, {**body, "n": len(draws), "seed": seed})
        made = _completions(reply, own, KINDS[self.kind])
        return _charged(made, reply, time.perf_counter() - started)


def _dialogue(found: Json) -> list[tuple[str, str]]:
    if found is None:
        return []
    if not isinstance(found, Sequence) or isinstance(found, str):
        raise ModelError(f"problem.meta[{MESSAGES!r}] holds [role, text] pairs", got=found)
    return [(str(pair[0]), str(pair[1])) for pair in found if isinstance(pair, Sequence) and len(pair) == 2]


def _completions(reply: Reply, request: SampleRequest, kind: Additions) -> list[Completion]:
    """One completion for each draw; failed ones where the reply lacks it."""
    choices = reply.body.get("choices")
    if reply.failure or not isinstance(choices, list) or len(choices) != request.n:
        got = f"{len(choices)} answers for {request.n} draws" if isinstance(choices, list) else "no answers"
        return [_failed(reply.failure or f"the server sent {got}")] * request.n
    try:
        return [_completion(choice, request, kind) for choice in choices]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return [_failed(f"the server sent an answer that cannot be read: {error!r}")] * request.n


def _completion(choice: Mapping[str, Any], request: SampleRequest, kind: Additions) -> Completion:
    message, reason = choice.get("message", {}), choice.get("finish_reason")
    text = choice["text"] if "text" in choice else message.get("content")
    if message.get("refusal"):
        return _failed(f"the model refused: {message['refusal']}"[:200])
    if not isinstance(text, str):
        return _failed("an answer without text")
    if reason not in ("stop", "length"):
        return _failed(f"the server ended this sample: {reason}")
    if kind.repeats and "text" not in choice:
        if not text.startswith(request.prefix):
            return _failed("the server did not go on from the begun answer")
        text = text.removeprefix(request.prefix)
    stops = request.sampling.stop
    end = stop_end(text, stops)
    at_stop = choice.get(kind.stop_told) in stops if kind.stop_told else end is not None
    finish: Finish = "stop" if at_stop else reason
    return Completion(
        text=text[:end] if at_stop else text,
        finish=finish,
        ended=reason == "stop" and not at_stop,
        logprobs=_logprobs(choice.get("logprobs")),
    )


def _logprobs(found: Any) -> tuple[float, ...]:
    """Of both of OpenAI's layouts; none where the server gave none."""
    if not found:
        return ()
    if found.get("content"):
        return tuple(float(token["logprob"]) for token in found["content"])
    return tuple(float(each) for each in found.get("token_logprobs") or ())


def _charged(made: Sequence[Completion], reply: Reply, seconds: float) -> list[Completion]:
    """The completions of one call with its cost, which the server tells for all of them together."""
    usage = reply.body.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    known = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    whole = Spend(
        policy_tokens=int(usage.get("completion_tokens") or 0),
        prompt_tokens=max(0, int(usage.get("prompt_tokens") or 0) - int(known)),
        policy_calls=reply.attempts,
        seconds=seconds,
    )
    return [replace(each, spend=whole if at == 0 else Spend()) for at, each in enumerate(made)]


def _failed(why: str) -> Completion:
    return Completion(text="", finish="error", error=why)
