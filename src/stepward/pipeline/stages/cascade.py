"""Sends the uncertain steps of a classifier's scores to a judge."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from stepward.codec import to_json
from stepward.errors import ConfigError
from stepward.pipeline.stages.calibrate import judged_of
from stepward.pipeline.stages.judge_traces import JudgeChoice
from stepward.pipeline.workshop import Chunks, Workshop
from stepward.reward_models.generative.cascade import Band, Cascade, Cascaded, LabelledScores, fit_band
from stepward.reward_models.generative.engine import JudgeEngine
from stepward.types import Json, Problem, Spend, StepScores, Trace


@dataclass(frozen=True, kw_only=True)
class BandFit:
    """Where the band is fitted: labelled scores of problems that nothing was trained on."""

    scores: str
    """A stage that scored the fit's traces with the same classifier."""
    labels: str
    trained_on: str = ""
    """The labels the classifier was trained on; shared problems are refused."""
    budget: float | None = None
    """The share of steps that may go to the judge; this or `risk`."""
    risk: float | None = None
    """The share of steps that the classifier may decide wrongly."""

    def fit(self, shop: Workshop) -> Band:
        """The band; `LabelError` where it cannot be promised."""
        rows = [
            (judged.scores.values[step], label.good, judged.problem_id)
            for judged in judged_of(shop, self.scores, self.labels)
            for step, label in enumerate(judged.labeled.labels)
            if label is not None
        ]
        probs, good, problems = zip(*rows, strict=True) if rows else ((), (), ())
        trained = set(shop.problems(self.trained_on)) if self.trained_on else set()
        scores = LabelledScores(probs_S=probs, good_S=good, problems_S=problems)
        return fit_band(scores, budget=self.budget, risk=self.risk, trained_on=trained)


@dataclass(frozen=True, kw_only=True)
class CascadeScores:
    """Scores of every trace of `source`: those of stage `first`, and the judge's where these are uncertain."""

    source: str
    first: str
    judge: JudgeChoice
    low: float = 0.25
    high: float = 0.75
    fit: BandFit | None = None
    """Takes the place of `low` and `high`."""
    most_share: float = 1.0
    """The share of a trace's steps that may go to the judge."""
    chunk: int = 16
    """Traces judged together."""

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise ConfigError("chunk must be at least 1", got=self.chunk)

    def run(self, shop: Workshop) -> Json:
        """Decide what is not decided yet; who decided each step is kept beside the scores."""
        band = self.fit.fit(shop) if self.fit else None
        low, high = (band.low, band.high) if band else (self.low, self.high)
        engine, problems, traces = self.judge.load(), shop.problems(self.source), shop.traces(self.source)
        pairs = {key: (problems[trace.problem_id], trace) for key, trace in traces.items()}
        first = _Kept({traces[key].id: scores for key, scores in shop.scores(self.first).items() if key in traces})

        def decide(part: Sequence[tuple[str, tuple[Problem, Trace]]]) -> list[tuple[str, Cascaded, Spend]]:
            found = asyncio.run(self._decide(first, engine, (low, high), [pair for _, pair in part]))
            return [(key, one, _price(one)) for (key, _), one in zip(part, found, strict=True)]

        shop.work(pairs, Chunks(what="decisions", size=self.chunk, unit="traces"), decide)
        decided = shop.load("decisions", Cascaded, shop.stage)
        shop.work(decided, Chunks(what="scores", size=max(1, len(decided)), unit="traces"), _scores)
        return _summary(list(decided.values()), low, high) | ({"band": to_json(band)} if band else {})

    async def _decide(
        self, first: _Kept, engine: JudgeEngine, band: tuple[float, float], pairs: Sequence[tuple[Problem, Trace]]
    ) -> list[Cascaded]:
        low, high = band
        cascade = Cascade(first=first, judge=engine.scorer(), low=low, high=high, most_share=self.most_share)
        return list(await asyncio.gather(*(cascade.decide(problem, trace) for problem, trace in pairs)))


@dataclass(frozen=True, slots=True)
class _Kept:
    """A `StepScorer` of scores that were made before, by trace."""

    scores: dict[str, StepScores]

    async def score(self, problem: Problem, trace: Trace) -> StepScores:
        if trace.id not in self.scores:
            raise ConfigError("the first stage of a cascade did not score every trace", got=trace.id)
        return self.scores[trace.id]


def _price(found: Cascaded) -> Spend:
    """What the judge cost: the first scores were paid for in their own stage."""
    return found.judgement.spend if found.judgement else Spend()


def _scores(part: Sequence[tuple[str, Cascaded]]) -> list[tuple[str, StepScores, Spend]]:
    return [(key, found.scores, Spend()) for key, found in part]


def _summary(found: Sequence[Cascaded], low: float, high: float) -> dict[str, Json]:
    signals: Counter[str] = Counter(signal for each in found for signal in each.signals)
    tokens = sum((_price(each) for each in found), Spend()).scorer_tokens
    told = ", ".join(f"{signal} {count:,}" for signal, count in signals.most_common())
    return {
        "headline": f"steps by who decided in [{low:.3g}, {high:.3g}]: {told}; the judge used {tokens:,} tokens",
        "signals": dict(signals),
        "low": low,
        "high": high,
    }
