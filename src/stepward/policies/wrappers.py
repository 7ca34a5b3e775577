"""What stands between a technique and a policy: batching, metering, retrying, caching.

Each wrapper is a `Policy` itself, so they nest. A useful order, from the outside in:

    CachedPolicy( RetryingPolicy( MeteredPolicy( BatchedPolicy( engine ))))

The meter stands inside the cache and the retries, so that it counts what was computed: every attempt, and
nothing for an answer that was kept. A completion carries what it cost when it was made, kept or not, so a
resumed run reports what the unbroken run would have.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

from stepward.batching import Batcher
from stepward.budget import Meter
from stepward.errors import ConfigError, StepwardError
from stepward.protocols import Policy, PolicyEngine
from stepward.types import Completion, Json, Origin, SampleRequest, Spend, content_key


@dataclass(eq=False, kw_only=True)
class BatchedPolicy:
    """An engine as a policy: requests of concurrent problems go to it together. A refused one is refused alone."""

    engine: PolicyEngine
    max_batch: int = 4096
    """Requests, not samples, in one call of the engine."""
    _batcher: Batcher[SampleRequest, tuple[Completion, ...] | StepwardError] = field(init=False)

    def __post_init__(self) -> None:
        self._batcher = Batcher(run=self._run, max_batch=self.max_batch)

    @property
    def origin(self) -> Origin:
        """The engine's."""
        return self.engine.origin

    async def sample(self, request: SampleRequest) -> tuple[Completion, ...]:
        """`request.n` completions, computed together with whatever else is waiting."""
        made = await self._batcher.submit(request)
        if isinstance(made, StepwardError):
            raise made
        return made

    def _run(self, requests: Sequence[SampleRequest]) -> Sequence[tuple[Completion, ...] | StepwardError]:
        """A batch that the engine refuses is halved until what it refuses stands alone."""
        try:
            return self.engine.sample_batch(requests)
        except StepwardError as error:
            half = len(requests) // 2
            return [*self._run(requests[:half]), *self._run(requests[half:])] if half else [error]


@dataclass(frozen=True, kw_only=True)
class MeteredPolicy:
    """Adds what every call cost to `meter`, under `name`."""

    policy: Policy
    meter: Meter
    name: str = "policy"

    async def sample(self, request: SampleRequest) -> tuple[Completion, ...]:
        """The inner policy's completions."""
        made = await self.policy.sample(request)
        self.meter.add(self.name, sum((completion.spend for completion in made), Spend()))
        return made


@dataclass(eq=False, kw_only=True)
class RetryLog:
    """What went wrong upstream, as a `RetryingPolicy` saw it."""

    draws: int = 0
    """Draws that were asked for."""
    again: int = 0
    """Draws that were asked for once more, each time counted."""
    lost: int = 0
    """Draws that failed in the last attempt too."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Failed draws of all attempts by what was said of them."""


@dataclass(frozen=True, kw_only=True)
class RetryingPolicy:
    """Asks again for the draws that failed: completions with finish "error", and transient exceptions.

    A draw that still fails after the last attempt is returned as the typed failure that it is. What earlier
    attempts cost stays in its spend, their tokens among the discarded; `spend.policy_calls` counts attempts.
    """

    policy: Policy
    attempts: int = 3
    timeout: float | None = None
    """Seconds after which a call counts as failed; None waits for ever."""
    pause: float = 0.0
    """Seconds before the second attempt, doubled before each further one."""
    transient: tuple[type[Exception], ...] = (TimeoutError, ConnectionError)
    log: RetryLog | None = None

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.pause < 0 or (self.timeout is not None and self.timeout <= 0):
            raise ConfigError("retries need attempts >= 1, pause >= 0 and a timeout above 0", got=self)

    async def sample(self, request: SampleRequest) -> tuple[Completion, ...]:
        """`request.n` completions, in draw order."""
        made = list(await self._attempt(request))
        for attempt in range(1, self.attempts):
            failed = [at for at, completion in enumerate(made) if completion.finish == "error"]
            if not failed:
                break
            self._note(again=len(failed))
            await asyncio.sleep(self.pause * 2 ** (attempt - 1))
            for start, count in _runs(failed):
                again = replace(request, first_draw=request.first_draw + start, n=count)
                for at, completion in enumerate(await self._attempt(again), start):
                    made[at] = replace(completion, spend=completion.spend + _wasted(made[at].spend))
        self._note(draws=len(made), lost=sum(each.finish == "error" for each in made))
        return tuple(made)

    async def _attempt(self, request: SampleRequest) -> Sequence[Completion]:
        try:
            made: Sequence[Completion] = await asyncio.wait_for(self.policy.sample(request), self.timeout)
        except self.transient as error:
            reason = f"{type(error).__name__}: {error}".removesuffix(": ")
            failed = Completion(text="", finish="error", error=reason)
            made = [replace(failed, spend=Spend(policy_calls=int(at == 0))) for at in range(request.n)]
        if self.log is not None:
            self.log.reasons.update(each.error or "failed" for each in made if each.finish == "error")
        return made

    def _note(self, *, draws: int = 0, again: int = 0, lost: int = 0) -> None:
        if self.log is not None:
            self.log.draws, self.log.again, self.log.lost = (
                self.log.draws + draws,
                self.log.again + again,
                self.log.lost + lost,
            )


@dataclass(frozen=True, kw_only=True)
class CachedPolicy:
    """Keeps every completion under a key of its content, and asks only for the draws that it does not have.

    The key holds `origin` (name, revision and settings of the model), the problem's id and text, the prefix,
    the sampling and the draw index: asking for 8 after 4 computes 4. Failures are not kept.
    """

    policy: Policy
    origin: Origin
    store: MutableMapping[str, Json]

    async def sample(self, request: SampleRequest) -> tuple[Completion, ...]:
        """`request.n` completions, kept or new."""
        keys = [self.key(request, request.first_draw + at) for at in range(request.n)]
        found = {at: _from_json(self.store[key]) for at, key in enumerate(keys) if key in self.store}
        for start, count in _runs([at for at in range(request.n) if at not in found]):
            part = replace(request, first_draw=request.first_draw + start, n=count)
            for at, completion in enumerate(await self.policy.sample(part), start):
                found[at] = completion
                if completion.finish != "error":
                    self.store[keys[at]] = _to_json(completion)
        return tuple(found[at] for at in range(request.n))

    def key(self, request: SampleRequest, draw: int) -> str:
        """Where draw `draw` of `request` is kept."""
        origin, problem = self.origin, request.problem
        model = (origin.maker, origin.revision, origin.settings, origin.seed)
        asked = (problem.id, problem.text, [asdict(part) for part in problem.parts], request.prefix)
        return content_key("sample", model, asked, asdict(request.sampling), draw)


def _runs(indexes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Ascending `indexes` as runs of neighbours: (start, count)."""
    start = 0
    for at in range(1, len(indexes) + 1):
        if at == len(indexes) or indexes[at] != indexes[at - 1] + 1:
            yield indexes[start], at - start
            start = at


def _wasted(spend: Spend) -> Spend:
    return replace(spend, discarded_tokens=spend.policy_tokens)


def _to_json(completion: Completion) -> Json:
    return cast(Json, asdict(completion))


def _from_json(stored: Json) -> Completion:
    fields: dict[str, Any] = dict(cast(Mapping[str, Any], stored))
    return Completion(**fields | {"logprobs": tuple(fields["logprobs"]), "spend": Spend(**fields["spend"])})
