"""Calibrators at work: on a record of step scores, and around live scorers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from stepward.calibrate.aggregate import LengthPlatt
from stepward.calibrate.domains import PerDomain, calibrator_for
from stepward.calibrate.maps import Calibrator
from stepward.calibrate.records import to_json
from stepward.errors import ScoreError, TraceError
from stepward.protocols import StepScorer
from stepward.reduce import reduce_scores, reducer
from stepward.types import Json, Problem, StepScores, Trace, TraceScore


def calibrated(calibrator: Calibrator, scores: StepScores, domain: str = "") -> StepScores:
    """`scores` as probabilities by the map of `domain`; a `Logistic` map changes their convention.

    Raises `ScoreError` where the map reads scores of the other kind, or refuses the domain.
    """
    if calibrator.reads_raw == (scores.convention == "probability"):
        wanted = "scores that are no probabilities" if calibrator.reads_raw else "probabilities"
        raise ScoreError(f"this calibrator needs {wanted}", got=scores.convention)
    used: dict[str, Json] = {"domain": calibrator.used_for(domain)} if isinstance(calibrator, PerDomain) else {}
    values = tuple(calibrator_for(calibrator, domain).transform(scores.values).tolist())
    maker = replace(scores.scorer, settings={**scores.scorer.settings, "calibrated": True, **used})
    return replace(scores, values=values, convention="probability", scorer=maker)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """A `StepScorer` whose scores pass through a calibrator."""

    scorer: StepScorer
    calibrator: Calibrator

    async def score(self, problem: Problem, trace: Trace) -> StepScores:
        """The inner scores, calibrated for the problem's domain; `ScoreError` where the map cannot read them."""
        scores = calibrated(self.calibrator, await self.scorer.score(problem, trace), problem.domain)
        settings = {**scores.scorer.settings, "calibration": to_json(self.calibrator)}
        return replace(scores, scorer=replace(scores.scorer, settings=settings))


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedTrace:
    """A `TraceScorer`: step scores reduced by `how`, then calibrated as one number."""

    scorer: StepScorer
    calibrator: Calibrator | LengthPlatt
    how: str = "geometric_mean"

    def __post_init__(self) -> None:
        reducer(self.how)

    async def score_trace(self, problem: Problem, trace: Trace) -> TraceScore:
        """P(trace is right). `TraceError` for a trace without steps, `ScoreError` for scores of an unfit kind."""
        if not len(trace):
            raise TraceError(f"a trace of problem {problem.id!r} has no step: there is nothing to judge")
        scores = (await self.scorer.score(problem, trace)).check(trace)
        value = reduce_scores(scores, self.how)
        if isinstance(self.calibrator, LengthPlatt):
            (probability,) = self.calibrator.transform_traces([value], [len(trace)]).tolist()
        else:
            (probability,) = calibrator_for(self.calibrator, problem.domain).transform([value]).tolist()
        settings = {**scores.scorer.settings, "reduce": self.how, "calibration": to_json(self.calibrator)}
        maker = f"{scores.scorer.maker}/{self.how}"
        origin = replace(scores.scorer, maker=maker, settings=settings)
        return TraceScore(value=probability, scorer=origin, spend=scores.spend)
