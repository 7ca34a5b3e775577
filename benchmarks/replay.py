"""Completions of the world's prefixes, drawn once and replayed: what every labeler is measured on.

A completion depends on problem, prefix, sampling seed and draw index alone, so what one labeler asked for is what
another would get. `Replay` is a policy that keeps every draw in one file and asks the model for new ones only. Replayed
draws are billed as if they had just been written: their tokens, and the prompt once for each request, as an engine
without a cache across requests reads it. One process at a time may use the file.

Not a benchmark: `label_curve` and `label_sources` use it.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from stepward.pipeline.parts import PolicyChoice
from stepward.policies.transformers import TransformersPolicy
from stepward.policies.wrappers import BatchedPolicy
from stepward.protocols import GroupLabeler, Harvester, Labeler, Resources
from stepward.search.moves import Cutting, trace_of
from stepward.segment.newline import Newline
from stepward.types import (
    Completion,
    LabeledTrace,
    Origin,
    Outcome,
    Problem,
    SampleRequest,
    Sampling,
    Spend,
    Trace,
    Verdict,
)
from stepward.verifiers.answers import StatedAnswers
from stepward.world.checker import stated_answer
from stepward.world.problems import World

WORLD = World(min_steps=2, max_steps=7, max_distractors=0)
SAMPLING = Sampling(max_tokens=160, temperature=1.8)
"""The quick start's, for traces and completions; labelers get other seeds than traces."""
TRACES = 4
TRACE_SEED = 1000
ROUND = 4
"""New draws are asked for in multiples of this: a request of the model has a fixed cost."""

Attempts = list[tuple[Problem, list[Trace]]]


@dataclass(frozen=True, kw_only=True)
class StatedVerifier:
    """The world's exact verdict: the number of the last line that states the answer."""

    async def verify(self, problem: Problem, text: str) -> Verdict:
        answer = stated_answer(text)
        right: Outcome = "equal" if answer == problem.answer else "different"
        return Verdict(outcome="unparsable" if answer is None else right, answer=answer)


@dataclass(frozen=True, slots=True)
class Draw:
    """One kept completion."""

    text: str
    tokens: int
    finish: str
    ended: bool

    def completion(self) -> Completion:
        finish = "length" if self.finish == "length" else "stop"
        return Completion(
            text=self.text,
            finish=finish,  # type: ignore[arg-type]
            ended=self.ended,
            spend=Spend(policy_tokens=self.tokens),
        )


Key = tuple[str, str, int]
"""Problem id, prefix, sampling seed."""


@dataclass(eq=False, kw_only=True)
class Replay:
    """The quick-start policy, every draw of which is kept in `path`."""

    path: Path
    asked: int = 0
    """Draws that the model was asked for."""
    _draws: dict[Key, list[Draw]] = field(default_factory=lambda: defaultdict(list))
    _prompts: dict[tuple[str, str], int] = field(default_factory=dict)
    _model: TransformersPolicy = field(init=False)
    _inner: BatchedPolicy | None = field(default=None, init=False)
    _locks: dict[Key, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock), init=False)

    def __post_init__(self) -> None:
        torch.set_num_threads(1)
        loaded = PolicyChoice(path="quickstart").load()
        assert isinstance(loaded, TransformersPolicy)
        self._model = loaded
        text = self.path.read_text() if self.path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:  # the last line of a killed run
            self.path.write_text(whole)
        for line in whole.splitlines():
            self._keep(json.loads(line))

    @property
    def origin(self) -> Origin:
        """The model's."""
        return self._model.origin

    def resources(self) -> Resources:
        """For one event loop."""
        self._inner, self._locks = BatchedPolicy(engine=self._model, max_batch=4096), defaultdict(asyncio.Lock)
        return Resources(policy=self, segmenter=Newline(), verifier=StatedVerifier(), answers=StatedAnswers())

    async def sample(self, request: SampleRequest) -> tuple[Completion, ...]:
        key = (request.problem.id, request.prefix, request.sampling.seed)
        assert replace(request.sampling, seed=0) == SAMPLING, "kept draws are of one sampling"
        until = request.first_draw + request.n
        async with self._locks[key]:
            if len(self._draws[key]) < until:
                await self._extend(request, key, -(-until // ROUND) * ROUND)
        made = [draw.completion() for draw in self._draws[key][request.first_draw : until]]
        prompt = self._prompt(request)
        first = replace(made[0], spend=made[0].spend + Spend(prompt_tokens=prompt, policy_calls=1)) if made else None
        return (first, *made[1:]) if first else ()

    async def _extend(self, request: SampleRequest, key: Key, until: int) -> None:
        assert self._inner is not None, "ask for `resources` first"
        known = len(self._draws[key])
        made = await self._inner.sample(replace(request, n=until - known, first_draw=known))
        self.asked += len(made)
        row = {
            "key": key,
            "draws": [[each.text, each.spend.policy_tokens, each.finish, each.ended] for each in made],
        }
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        self._keep(row)

    def _keep(self, row: dict) -> None:  # type: ignore[type-arg]
        problem, prefix, seed = row["key"]
        self._draws[problem, prefix, seed] += [Draw(*draw) for draw in row["draws"]]

    def _prompt(self, request: SampleRequest) -> int:
        at = (request.problem.id, request.prefix)
        if at not in self._prompts:
            self._prompts[at] = len(self._model.prompt_ids(request))
        return self._prompts[at]


def draw_attempts(replay: Replay, problems: Sequence[Problem], traces: int = TRACES) -> Attempts:
    """`traces` attempts at each problem."""
    sampling = replace(SAMPLING, seed=TRACE_SEED)
    requests = [SampleRequest(problem=problem, n=traces, sampling=sampling) for problem in problems]

    async def every() -> list[tuple[Completion, ...]]:
        policy = replay.resources().need_policy()
        return list(await asyncio.gather(*(policy.sample(request) for request in requests)))

    cutting = Cutting(segmenter=Newline(), answers=StatedAnswers())
    return [
        (request.problem, [trace_of(request, at, made, cutting) for at, made in enumerate(completions)])
        for request, completions in zip(requests, asyncio.run(every()), strict=True)
    ]


def label(
    replay: Replay, labeler: Labeler | GroupLabeler | Harvester, attempts: Attempts, *, harvest: bool = False
) -> list[tuple[Problem, list[LabeledTrace]]]:
    """Labels for every trace, problems at once; with `harvest` the labeler's own traces stand behind the given ones."""

    async def one(problem: Problem, traces: list[Trace], resources: Resources) -> list[LabeledTrace]:
        if harvest and isinstance(labeler, Harvester):
            return await labeler.harvest(problem, traces, resources)
        if isinstance(labeler, GroupLabeler):
            return await labeler.label_all(problem, traces, resources)
        assert isinstance(labeler, Labeler)
        return [await labeler.label(problem, trace, resources) for trace in traces]

    async def every() -> list[list[LabeledTrace]]:
        resources = replay.resources()
        return list(await asyncio.gather(*(one(problem, traces, resources) for problem, traces in attempts)))

    return [(problem, found) for (problem, _), found in zip(attempts, asyncio.run(every()), strict=True)]
