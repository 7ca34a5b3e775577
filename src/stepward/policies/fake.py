"""A policy that says what it was told to say: for tests, examples and dry runs.

`ScriptedPolicy` is an engine and a policy at once. Draw i of a request gets text i of its script, starting
over where the script is shorter, so answers do not depend on batching. Faults strike a stated share of the
calls, chosen by a hash of (seed, request, how often that request was made), so the same calls fail whatever
the order, and asking again gets a new chance.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, TypeAlias

from stepward.errors import ConfigError, ResourceError
from stepward.types import Completion, Origin, SampleRequest, Sampling, Spend, content_key

Script: TypeAlias = "Mapping[tuple[str, str], Sequence[str]] | Callable[[SampleRequest, int], str]"
Fault = Literal["fail", "garble", "hang"]

MESSAGES: Mapping[Fault, str] = {
    "fail": "the scripted upstream failed",
    "garble": "the scripted upstream sent what cannot be read",
    "hang": "the scripted upstream sent nothing in time",
}
LOGPROB = -0.5
"""What every scripted token is said to have weighed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The shares of calls, in [0, 1] and at most 1 together, that go wrong."""

    fail: float = 0.0
    garble: float = 0.0
    hang: float = 0.0
    """In `sample` such a call never returns until it is cancelled; in `sample_batch` it is an error."""
    seed: int = 0

    def __post_init__(self) -> None:
        shares = (self.fail, self.garble, self.hang)
        if min(shares) < 0 or sum(shares) > 1:
            raise ConfigError("shares of faults lie in [0, 1] and sum to at most 1", got=shares)

    def of(self, request: SampleRequest, attempt: int) -> Fault | None:
        """What goes wrong with the `attempt`-th call (from 0) for `request`; None where it goes well."""
        chance = int(content_key("fault", self.seed, request_key(request), attempt)[:13], 16) / 16**13
        for fault, share in (("fail", self.fail), ("garble", self.garble), ("hang", self.hang)):
            if chance < share:
                return fault  # type: ignore[return-value]
            chance -= share
        return None


@dataclass(eq=False, kw_only=True)
class ScriptedPolicy:
    """Answers from `script`, a table {(problem id, prefix): texts} or a function of request and draw index.

    A token is a word with the space behind it. A text is cut behind the first stop string and at
    `max_tokens`; one that is not cut ends its solution. A request without a script is a `ResourceError`.
    """

    script: Script
    faults: Faults = Faults()
    name: str = "scripted"
    calls: list[SampleRequest] = field(default_factory=list, init=False)
    """Every request, in the order in which it came."""
    _attempts: Counter[str] = field(default_factory=Counter, init=False)

    @property
    def origin(self) -> Origin:
        """The name; the revision of a table is its content."""
        table = {} if callable(self.script) else {"\0".join(key): list(texts) for key, texts in self.script.items()}
        return Origin(maker=f"policy:{self.name}", revision=content_key(table))

    async def sample(self, request: SampleRequest) -> tuple[Completion, ...]:
        """The scripted completions of `request`."""
        fault = self._note(request)
        if fault == "hang":
            await asyncio.get_running_loop().create_future()
        return self._answer(request, fault)

    def sample_batch(self, requests: Sequence[SampleRequest]) -> list[tuple[Completion, ...]]:
        """The scripted completions of each request."""
        return [self._answer(request, self._note(request)) for request in requests]

    def _note(self, request: SampleRequest) -> Fault | None:
        self.calls.append(request)
        key = request_key(request)
        self._attempts[key] += 1
        return self.faults.of(request, self._attempts[key] - 1)

    def _answer(self, request: SampleRequest, fault: Fault | None) -> tuple[Completion, ...]:
        draws = range(request.first_draw, request.first_draw + request.n)
        if fault is None:
            made = [_completion(self._text(request, draw), request.sampling) for draw in draws]
        else:
            made = [Completion(text="", finish="error", error=MESSAGES[fault]) for _ in draws]
        return mark_call(made)

    def _text(self, request: SampleRequest, draw: int) -> str:
        if callable(self.script):
            return self.script(request, draw)
        texts = self.script.get((request.problem.id, request.prefix))
        if not texts:
            raise ResourceError(
                f"no script for problem {request.problem.id!r}", got=request.prefix, mend="add (problem id, prefix)"
            )
        return texts[draw % len(texts)]


def request_key(request: SampleRequest) -> str:
    """Content of a request: problem, prefix, sampling and draws."""
    sampling = request.sampling
    draws = (request.first_draw, request.n)
    return content_key(request.problem.id, request.problem.text, request.prefix, asdict(sampling), draws)


def mark_call(completions: Sequence[Completion]) -> tuple[Completion, ...]:
    """The completions of one call, which is counted with the first of them."""
    return tuple(
        replace(made, spend=made.spend + Spend(policy_calls=1)) if at == 0 else made
        for at, made in enumerate(completions)
    )


def _completion(text: str, sampling: Sampling) -> Completion:
    ends = [at + len(stop) for stop in sampling.stop if (at := text.find(stop)) >= 0]
    cut = text[: min(ends, default=len(text))]
    words = re.findall(r"\s*\S+\s*|\s+", cut)
    kept = words[: sampling.max_tokens]
    whole = len(kept) == len(words)
    return Completion(
        text="".join(kept),
        finish="stop" if whole else "length",
        ended=whole and not ends,
        logprobs=(LOGPROB,) * len(kept),
        spend=Spend(policy_tokens=len(kept)),
    )
