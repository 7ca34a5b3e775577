"""How likely each of a few texts is as the continuation of another: the chance of a verdict.

    p(c) = exp(log P(c | text) / t) / sum over the choices of the same, t the decision temperature

where log P(c | text) is the exact sum over the tokens of c, however many they are. No choice may begin another one:
their chances would overlap. A choice that the model finds all but impossible keeps its chance, however small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from stepward.batching import Batcher
from stepward.errors import ConfigError, ScoreError, StepwardError
from stepward.types import Problem, Spend


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceRequest:
    """Which of `choices` follows `prefix`, a part of what is written on `problem`."""

    problem: Problem
    prefix: str
    choices: tuple[str, ...]
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if len(set(self.choices)) != len(self.choices) or len(self.choices) < 2 or not all(self.choices):
            raise ConfigError("there must be two choices or more, all different, none empty", got=self.choices)
        if not self.temperature > 0:
            raise ConfigError("the decision temperature lies above 0", got=self.temperature)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The chance of each choice, in order; they sum to 1."""

    chances: tuple[float, ...]
    spend: Spend = Spend()

    def __post_init__(self) -> None:
        if not all(math.isfinite(each) and each >= 0 for each in self.chances) or abs(sum(self.chances) - 1) > 1e-6:
            raise ScoreError("chances of choices must be finite, at least 0, and sum to 1", got=self.chances)

    @classmethod
    def of(cls, logprobs: Sequence[float], temperature: float, spend: Spend) -> Choice:
        """The softmax of `logprobs` at `temperature`."""
        highest = max(logprobs)
        weights = [math.exp((each - highest) / temperature) for each in logprobs]
        return cls(chances=tuple(weight / math.fsum(weights) for weight in weights), spend=spend)


@runtime_checkable
class Chooser(Protocol):
    """Who says how likely each choice is."""

    async def choose(self, request: ChoiceRequest) -> Choice:
        """The chance of each of `request.choices`."""
        ...


@runtime_checkable
class ChooserEngine(Protocol):
    """Who says it for many requests at once."""

    def choose_batch(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        """One record per request, in order."""
        ...


@dataclass(eq=False, kw_only=True)
class BatchedChooser:
    """An engine as a chooser: requests of concurrent problems go to it together. Belongs to one event loop."""

    engine: ChooserEngine
    max_batch: int = 1024
    _batcher: Batcher[ChoiceRequest, Choice | StepwardError] = field(init=False)

    def __post_init__(self) -> None:
        self._batcher = Batcher(run=self._run, max_batch=self.max_batch)

    async def choose(self, request: ChoiceRequest) -> Choice:
        """The chance of each choice; whatever the engine raises for this request."""
        found = await self._batcher.submit(request)
        if isinstance(found, StepwardError):
            raise found
        return found

    def _run(self, requests: Sequence[ChoiceRequest]) -> Sequence[Choice | StepwardError]:
        """A fault of one request belongs to that request: a refused batch is halved until it stands alone."""
        try:
            return self.engine.choose_batch(requests)
        except StepwardError as error:
            half = len(requests) // 2
            return [*self._run(requests[:half]), *self._run(requests[half:])] if half else [error]


@dataclass(eq=False, kw_only=True)
class ScriptedChooser:
    """Answers with the log-probabilities that `script` gives for a request: for tests and dry runs."""

    script: Callable[[ChoiceRequest], Sequence[float]]
    calls: list[ChoiceRequest] = field(default_factory=list, init=False)

    async def choose(self, request: ChoiceRequest) -> Choice:
        """The scripted chances; a token a word is charged for reading."""
        self.calls.append(request)
        read = len(request.prefix.split()) + len(request.problem.text.split())
        return Choice.of(self.script(request), request.temperature, Spend(prompt_tokens=read, policy_calls=1))
