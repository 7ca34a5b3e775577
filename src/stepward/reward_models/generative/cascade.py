"""Cascade: a cheap classifier scores every step, and a judge is asked about the uncertain ones alone.

A step is uncertain where its first score p lies in [low, high]. `fit_band` chooses a band round `centre` on labelled
scores of problems that nothing was trained on:

    budget   the widest band that sends at most this share of steps to the judge
    risk     the narrowest band whose bound on the classifier's own errors holds: with l_i the share of problem i's
             steps outside the band that lie on the wrong side of `centre`, (sum l_i + 1) / (n + 1) <= risk

The second is conformal risk control (Angelopoulos et al., arXiv 2208.02814): l_i falls as the band grows, so the
expected share of a new problem's steps that the classifier decides, and decides wrongly, is at most `risk`. It says
nothing of the judge. Degenerate case: with fewer than 1/risk - 1 problems no band can promise it, which is refused.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stepward.errors import ConfigError, LabelError, ScoreError
from stepward.metrics.checks import probabilities
from stepward.protocols import StepScorer
from stepward.reward_models.generative.ballots import Judgement
from stepward.types import Json, Origin, Problem, StepScores, Trace, content_key

Signal: TypeAlias = Literal["first", "judge", "abstained", "over the limit"]
Floats: TypeAlias = NDArray[np.float64]

EDGE = 1e-9
"""A band reaches this much further than the last score in it, so that rounding drops none."""


@runtime_checkable
class StepJudge(Protocol):
    """Who judges chosen steps of a trace: `GenerativePRM`."""

    async def judge(self, problem: Problem, trace: Trace, steps: Collection[int] | None = None) -> Judgement:
        """Values of `steps`, by default of all."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class ScorerJudge:
    """Any step scorer in a judge's place, such as a larger classifier. It always scores whole traces."""

    scorer: StepScorer

    async def judge(self, problem: Problem, trace: Trace, steps: Collection[int] | None = None) -> Judgement:
        """The scorer's values of `steps`."""
        scores = (await self.scorer.score(problem, trace)).check(trace)
        _check_probability(scores)
        asked = tuple(range(len(trace))) if steps is None else tuple(sorted(set(steps)))
        values = tuple(value if step in asked else None for step, value in enumerate(scores.values))
        return Judgement(
            values=values, ballots=(), asked=asked, judge=scores.scorer, target=scores.target, spend=scores.spend
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascaded:
    """Scores of a trace, and which signal decided each."""

    scores: StepScores
    signals: tuple[Signal, ...]
    """first: certain; judge: asked and answered; abstained: asked without an answer; over the limit: uncertain, but
    `most_share` was used up. In the last two cases the first score stands."""
    first: StepScores
    judgement: Judgement | None
    """None where no step was uncertain."""

    @property
    def share(self) -> float:
        """The share of steps that the judge was asked about."""
        return len(self.judgement.asked) / len(self.signals) if self.judgement else 0.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Cascade:
    """A `StepScorer` of two signals that both say how likely a step is good. `decide` tells which one spoke."""

    first: StepScorer
    judge: StepJudge
    low: float = 0.25
    high: float = 0.75
    most_share: float = 1.0
    """At most this share of a trace's steps goes to the judge, rounded up, those nearest to the band's middle first."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.low <= self.high <= 1.0:
            raise ConfigError("a band needs 0 <= low <= high <= 1", got=(self.low, self.high))
        if not 0.0 <= self.most_share <= 1.0:
            raise ConfigError("most_share must lie in [0, 1]", got=self.most_share)

    async def score(self, problem: Problem, trace: Trace) -> StepScores:
        """One score per step; the cost of both signals is in the spend."""
        return (await self.decide(problem, trace)).scores

    async def decide(self, problem: Problem, trace: Trace) -> Cascaded:
        """Scores and who decided them. `ScoreError` where the two signals do not mean the same."""
        first = (await self.first.score(problem, trace)).check(trace)
        _check_probability(first)
        signals: list[Signal] = ["over the limit" if self.low <= p <= self.high else "first" for p in first.values]
        asked = self._most_uncertain(first, signals)
        if not asked:
            return self._cascaded(first, None, signals)
        judgement = await self.judge.judge(problem, trace, asked)
        if judgement.target != first.target:
            raise ScoreError(
                f"{first.scorer.maker} says {first.target}, {judgement.judge.maker} says {judgement.target}: they do "
                "not mix within a trace",
                mend="take a judge's format with the classifier's target, or change its `target` if you know better",
            )
        for step in asked:
            signals[step] = "abstained" if judgement.values[step] is None else "judge"
        return self._cascaded(first, judgement, signals)

    def _most_uncertain(self, first: StepScores, signals: Sequence[Signal]) -> list[int]:
        middle = (self.low + self.high) / 2
        most = math.ceil(self.most_share * len(first) - EDGE)
        uncertain = [step for step, signal in enumerate(signals) if signal != "first"]
        return sorted(sorted(uncertain, key=lambda step: (abs(first.values[step] - middle), step))[:most])

    def _cascaded(self, first: StepScores, judgement: Judgement | None, signals: Sequence[Signal]) -> Cascaded:
        values, spend = list(first.values), first.spend
        makers, revisions = [first.scorer.maker], [first.scorer.revision]
        if judgement is not None:
            spend = spend + judgement.spend
            makers, revisions = [*makers, judgement.judge.maker], [*revisions, judgement.judge.revision]
            values = [own if given is None else given for own, given in zip(values, judgement.values, strict=True)]
        settings: dict[str, Json] = {
            "signals": makers,
            "low": self.low,
            "high": self.high,
            "most_share": self.most_share,
        }
        origin = Origin(maker="scorer:cascade", revision=content_key(revisions), settings=settings)
        scores = replace(first, values=tuple(values), scorer=origin, spend=spend)
        return Cascaded(scores=scores, signals=tuple(signals), first=first, judgement=judgement)


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A fitted band and how it did on the data of the fit."""

    low: float
    high: float
    share: float
    """Steps inside the band."""
    error: float
    """Steps that the classifier decides and decides wrongly, as a share of all steps."""
    bound: float
    """The bound on the expected share of such steps in a new problem."""
    problems: int
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledScores:
    """The first scores of labelled steps, one entry each."""

    probs_S: ArrayLike
    good_S: ArrayLike
    problems_S: Sequence[str]
    """Id of the problem of each step."""


def fit_band(
    scores: LabelledScores,
    *,
    budget: float | None = None,
    risk: float | None = None,
    centre: float = 0.5,
    trained_on: Collection[str] = (),
) -> Band:
    """The band for a target `budget` or a target `risk`, one of the two.

    Raises `LabelError` where a problem is one of `trained_on`, or where no band keeps the risk; `ConfigError` for
    targets outside (0, 1).
    """
    target = risk if budget is None else budget
    if target is None or (budget is None) == (risk is None) or not 0.0 < target < 1.0 or not 0.0 < centre < 1.0:
        raise ConfigError("give a budget or a risk in (0, 1), and a centre in (0, 1)", got=(budget, risk, centre))
    seen = sorted(set(scores.problems_S) & set(trained_on))
    if seen:
        raise LabelError(f"{len(seen)} problems of the fit were trained on", got=seen[:3], mend="use other problems")
    fits = _Fits.of(scores, centre)
    allowed = np.flatnonzero(fits.share_W <= target if risk is None else fits.bound_W <= target)
    if not len(allowed):
        raise LabelError(
            f"no band keeps {'the budget' if risk is None else 'the risk'} on {fits.problems} problems",
            got=float(fits.share_W[0] if risk is None else fits.bound_W[-1]),
            mend=f"allow more than {target:g}, or label more problems",
        )
    # Shares rise and bounds fall with the width: the widest that is allowed, or the narrowest.
    at = int(allowed[-1 if risk is None else 0])
    return Band(
        low=max(0.0, centre - float(fits.width_W[at]) - EDGE),
        high=min(1.0, centre + float(fits.width_W[at]) + EDGE),
        share=float(fits.share_W[at]),
        error=float(fits.error_W[at]),
        bound=float(fits.bound_W[at]),
        problems=fits.problems,
        steps=len(scores.problems_S),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fits:
    """Every band that differs on the data, from the narrowest."""

    width_W: Floats
    share_W: Floats
    error_W: Floats
    bound_W: Floats
    problems: int

    @classmethod
    def of(cls, scores: LabelledScores, centre: float) -> _Fits:
        probs_S, good_S = probabilities(scores.probs_S, scores.good_S)
        _, problem_S, steps_P = np.unique(np.asarray(scores.problems_S), return_inverse=True, return_counts=True)
        if len(problem_S) != len(probs_S):
            raise LabelError(f"{len(probs_S)} scores need one problem id each", got=len(problem_S))
        distance_S = np.abs(probs_S - centre)
        order_S = np.argsort(distance_S, kind="stable")
        width_W = np.unique(np.append(distance_S, 0.0))
        inside_W = np.searchsorted(distance_S[order_S], width_W, side="right")
        wrong_S = ((probs_S >= centre) != good_S.astype(bool))[order_S].astype(np.float64)
        outside_W = _tail(wrong_S)[inside_W]
        losses_W = _tail(wrong_S / steps_P[problem_S][order_S])[inside_W]
        count = len(steps_P)
        return cls(
            width_W=width_W,
            share_W=inside_W / len(probs_S),
            error_W=outside_W / len(probs_S),
            bound_W=(losses_W + 1.0) / (count + 1.0),
            problems=count,
        )


def _tail(values_S: Floats) -> Floats:
    """Sums of the values from each place on; one more than there are values."""
    return np.append(np.cumsum(values_S[::-1])[::-1], 0.0)


def _check_probability(scores: StepScores) -> None:
    if scores.convention != "probability":
        raise ScoreError("a cascade needs probabilities", got=scores.convention, mend="calibrate the scores")
