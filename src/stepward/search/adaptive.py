"""Best-of-N with as many samples as the problem needs.

After every `batch` of draws, from calibrated scores s_i = P(trace i is right):

    p_low = the `quantile` of Beta(1 + sum s_i, 1 + sum (1 - s_i)),   N = ceil( log(1 - C) / log(1 - p_low) )

are the samples among which a right one is with confidence C if each is right with p_low. Drawing ends when N are
there, at most `most`, or with `enough` as soon as a trace is right with that chance, which is where most of the saving
is. Where the scorer is calibrated, easy problems get few samples and hard ones many; where it is overconfident, N is
too small, which a comparison with the fixed n shows.

Degenerate cases: p_low near 0 draws `most`; unscored traces count as wrong.

Source: instance-adaptive scaling, arXiv 2506.09338, with the chance estimated from the drawn traces' own scores; its
quantile heads are in `combine.uncertainty`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from scipy.stats import beta

from stepward.errors import ConfigError
from stepward.metrics.binomial import samples_needed
from stepward.protocols import Resources, SearchResult
from stepward.reduce import reducer
from stepward.search.best_of_n import best_result
from stepward.search.moves import Scores, draw, score_all, trace_scorer_of
from stepward.types import Problem, SampleRequest, Sampling, Spend, Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveBestOfN:
    """A `Search`: the best of as many traces as its scores ask for. Scores must be probabilities."""

    most: int = 16
    batch: int = 2
    confidence: float = 0.99
    quantile: float = 0.1
    enough: float | None = None
    """A trace that scores this ends the drawing; None looks at N alone."""
    reduce: str | None = None
    """A reducer's name, to score with `resources.scorer`; None scores with `resources.trace_scorer`."""
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= self.most or not (0 < self.confidence < 1 and 0 < self.quantile < 1):
            raise ConfigError("1 <= batch <= most, confidence and quantile in (0, 1)", got=self)
        if self.reduce is not None:
            reducer(self.reduce)

    async def solve(self, problem: Problem, resources: Resources) -> SearchResult:
        """The best trace; the note says how many were drawn and asked for."""
        scorer = trace_scorer_of(resources, self.reduce)
        traces: tuple[Trace, ...] = ()
        scores = Scores(values=(), spend=Spend(), notes=())
        needed = self.most
        while len(traces) < min(self.most, needed):
            n = min(self.batch, self.most - len(traces))
            fresh = await draw(
                SampleRequest(problem=problem, n=n, sampling=self.sampling, first_draw=len(traces)), resources
            )
            seen = await score_all(problem, fresh, scorer)
            traces += fresh
            scores = Scores(
                values=scores.values + seen.values, spend=scores.spend + seen.spend, notes=scores.notes + seen.notes
            )
            needed = self.needed(scores.values)
            if self.enough is not None and any(s is not None and s >= self.enough for s in seen.values):
                break
        found = best_result(traces, scores)
        note = f"{len(traces)} of at most {self.most} draws"
        return replace(found, note=f"{found.note}; {note}" if found.note else note)

    def needed(self, scores: tuple[float | None, ...]) -> int:
        """Samples that hold a right one with the wanted confidence, by what `scores` say of the chance of one."""
        right = sum(min(1.0, max(0.0, s)) for s in scores if s is not None)
        low = float(beta.ppf(self.quantile, 1 + right, 1 + len(scores) - right))
        return samples_needed(low, confidence=self.confidence, most=self.most)
