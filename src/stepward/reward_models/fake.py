"""Scorers without a model, for examples and tests: scripted, constant, and hostile ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from stepward.errors import ScoreError
from stepward.types import Origin, Problem, Spend, StepScores, Target, Trace, TraceScore, content_key

Fault = Literal["nan", "infinite", "too few", "too many"]


def _spend(trace: Trace) -> Spend:
    """One token a character: a fake's price, so that budgets and meters have something to count."""
    return Spend(scorer_tokens=len(trace.text), scorer_calls=1) if len(trace) else Spend()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedScorer:
    """Scores each step by its text: `scores` by exact stripped text, else `default`. Scorer and engine at once."""

    scores: Mapping[str, float] = field(default_factory=dict)
    default: float | None = 0.5
    """None refuses a step that the script does not know."""
    target: Target = "prefix"

    @property
    def origin(self) -> Origin:
        """The script is the revision."""
        return Origin(maker="scorer:scripted", revision=content_key(dict(self.scores), self.default, self.target))

    def score_batch(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
        """One record per pair, in order."""
        return [self._score(trace) for _, trace in pairs]

    async def score(self, problem: Problem, trace: Trace) -> StepScores:
        """One score per step of `trace`."""
        return self._score(trace)

    async def score_trace(self, problem: Problem, trace: Trace) -> TraceScore:
        """The last step's score; `default` for a trace without steps."""
        values = self._score(trace).values or (0.5 if self.default is None else self.default,)
        return TraceScore(value=values[-1], scorer=self.origin, spend=_spend(trace))

    def _score(self, trace: Trace) -> StepScores:
        values = tuple(self._step(text.strip()) for text in trace.step_texts)
        return StepScores(values=values, target=self.target, scorer=self.origin, spend=_spend(trace))

    def _step(self, text: str) -> float:
        value = self.scores.get(text, self.default)
        if value is None:
            raise ScoreError("the script has no score for a step", got=text, mend="add it, or set a default")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantScorer:
    """Gives every step `value`. Scorer and engine at once."""

    value: float = 0.5

    @property
    def origin(self) -> Origin:
        """The value is the revision."""
        return Origin(maker="scorer:constant", revision=content_key(self.value))

    def score_batch(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
        """One record per pair, in order."""
        return [
            StepScores(values=(self.value,) * len(trace), scorer=self.origin, spend=_spend(trace)) for _, trace in pairs
        ]

    async def score(self, problem: Problem, trace: Trace) -> StepScores:
        """One score per step of `trace`."""
        return self.score_batch([(problem, trace)])[0]

    async def score_trace(self, problem: Problem, trace: Trace) -> TraceScore:
        """`value`."""
        return TraceScore(value=self.value, scorer=self.origin, spend=_spend(trace))


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileScorer:
    """An engine and scorer that breaks its contract in one way, to prove that callers notice."""

    fault: Fault = "nan"

    @property
    def origin(self) -> Origin:
        """A maker that no report should show."""
        return Origin(maker="scorer:hostile", settings={"fault": self.fault})

    def score_batch(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
        """Records that cannot be built (`ScoreError`), or that do not fit their traces."""
        return [StepScores(values=_FAULTS[self.fault](len(trace)), scorer=self.origin) for _, trace in pairs]

    async def score(self, problem: Problem, trace: Trace) -> StepScores:
        """As `score_batch`."""
        return self.score_batch([(problem, trace)])[0]


_FAULTS: dict[Fault, Callable[[int], tuple[float, ...]]] = {
    "nan": lambda steps: (math.nan,) * steps,
    "infinite": lambda steps: (math.inf,) * steps,
    "too few": lambda steps: (0.5,) * (steps - 1),
    "too many": lambda steps: (0.5,) * (steps + 1),
}
