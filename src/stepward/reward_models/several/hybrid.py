"""Live scorers joined: step scorer, trace scorer, combination and gates as one `TraceScorer`, spends added.

`HybridScorer` asks both scorers at once, refuses what its gates refuse, and combines the rest. A refusal is a
`GatedOut` error with the reasons and what was spent, which searches report and never choose. `RefereedScorer` lets a
`Referee` decide; where it abstains the trace is refused the same way.

A combination that needs the whole pool, such as ranks within the problem, cannot score one trace: use the recipe stage
`combine`, which sees pools.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from stepward.combine.gates import Evidence, GatedOut, Gates
from stepward.combine.records import to_json
from stepward.combine.referee import Referee
from stepward.combine.signals import Combination, Signals
from stepward.errors import ConfigError, ScoreError, TraceError
from stepward.protocols import StepScorer, TraceScorer, Verifier
from stepward.types import Json, Origin, Problem, Spend, StepScores, Trace, TraceScore, content_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What both scorers said of one trace."""

    signals: Signals
    scores: StepScores
    origin: Origin
    spend: Spend


@dataclass(frozen=True, slots=True, kw_only=True)
class Ears:
    """A step scorer and, where there is one, a trace scorer. Both must give probabilities."""

    steps: StepScorer
    outcome: TraceScorer | None = None

    async def hear(self, problem: Problem, trace: Trace) -> Heard:
        """Both scores, asked for at once. `TraceError` for a trace without steps, `ScoreError` for other scores."""
        if not len(trace):
            raise TraceError(f"a trace of problem {problem.id!r} has no step: there is nothing to judge")
        outcome, scores = await asyncio.gather(self._outcome(problem, trace), self.steps.score(problem, trace))
        scores.check(trace)
        if scores.convention != "probability":
            raise ScoreError("signals must be probabilities", got=scores.convention, mend="calibrate the step scorer")
        value = None if outcome is None else outcome.value
        revisions = [scores.scorer.revision, *([] if outcome is None else [outcome.scorer.revision])]
        makers = [scores.scorer.maker, *([] if outcome is None else [outcome.scorer.maker])]
        return Heard(
            signals=Signals(steps=scores.values, outcome=value),
            scores=scores,
            origin=Origin(maker="+".join(makers), revision=content_key(*revisions)),
            spend=scores.spend + (Spend() if outcome is None else outcome.spend),
        )

    async def _outcome(self, problem: Problem, trace: Trace) -> TraceScore | None:
        return None if self.outcome is None else await self.outcome.score_trace(problem, trace)


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridScorer:
    """A `TraceScorer` of both signals. Raises `ConfigError` for a combination that needs the whole pool."""

    ears: Ears
    combination: Combination
    gates: Gates = Gates()
    check: Verifier | None = None
    """An executable check for the gates; an undecided verdict is no failure."""

    def __post_init__(self) -> None:
        if self.combination.needs_pool:
            raise ConfigError(
                "this combination needs all traces of a problem",
                got=type(self.combination).__name__,
                mend="use the recipe stage combine, or a combination that looks at one trace",
            )

    async def score_trace(self, problem: Problem, trace: Trace) -> TraceScore:
        """The combined score; `GatedOut` where a gate refuses the trace."""
        heard = await self.ears.hear(problem, trace)
        passed = None if self.check is None else (await self.check.verify(problem, trace.text)).correct
        reasons = self.gates.reasons(Evidence.of(trace, heard.scores, check=passed))
        if reasons:
            raise GatedOut(f"gated out: {'; '.join(reasons)}", spend=heard.spend)
        (value,) = self.combination.combine([heard.signals]).tolist()
        return TraceScore(value=value, scorer=_named(heard, to_json(self.combination)), spend=heard.spend)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefereedScorer:
    """A `TraceScorer` whose score is that of the signal that won."""

    ears: Ears
    referee: Referee

    async def score_trace(self, problem: Problem, trace: Trace) -> TraceScore:
        """The winner's score; `GatedOut` where nobody won."""
        heard = await self.ears.hear(problem, trace)
        decision = self.referee.decide(heard.signals)
        if decision.score is None:
            raise GatedOut("the two signals disagree and neither is the surer", got=decision.verdict, spend=heard.spend)
        about: dict[str, Json] = {"winner": decision.winner, "reason": decision.reason}
        return TraceScore(value=decision.score, scorer=_named(heard, about), spend=heard.spend)


def _named(heard: Heard, about: dict[str, Json]) -> Origin:
    revision = content_key(heard.origin.revision, about)
    return Origin(maker=f"scorer:hybrid({heard.origin.maker})", revision=revision, settings=about)
