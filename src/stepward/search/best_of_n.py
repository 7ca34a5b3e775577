"""Best-of-N: draw n whole traces, score each, keep the best.

    chosen = argmax_i score(trace_i),   the lowest draw wins a tie

The reference that every other search must beat at equal cost. It can drift at most log n - (n - 1)/n nats from the
policy (arXiv 2210.10760), so what it gains from a wrong scorer's favourites is bounded too.

Degenerate cases: n = 1 is the policy itself. Draws that failed, hold no step or are over the scorer's limit are kept,
reported and never chosen; where none is left the search abstains.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stepward.errors import ConfigError
from stepward.protocols import Resources, SearchResult
from stepward.reduce import reducer
from stepward.search.moves import Scores, draw, score_all, total, trace_scorer_of
from stepward.types import Problem, SampleRequest, Sampling, Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class BestOfN:
    """A `Search`: the highest-scored of `n` traces."""

    n: int
    sampling: Sampling = field(default_factory=Sampling)
    reduce: str | None = None
    """A reducer's name, to score with `resources.scorer`; None scores with `resources.trace_scorer`."""

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ConfigError("best-of-n needs n of at least 1", got=self.n)
        if self.reduce is not None:
            reducer(self.reduce)

    async def solve(self, problem: Problem, resources: Resources) -> SearchResult:
        """The best of n traces. Its spend holds all n and their scores."""
        scorer = trace_scorer_of(resources, self.reduce)
        traces = await draw(SampleRequest(problem=problem, n=self.n, sampling=self.sampling), resources)
        scores = await score_all(problem, traces, scorer)
        return best_result(traces, scores)


def best_result(traces: tuple[Trace, ...], scores: Scores) -> SearchResult:
    """The highest-scored of `traces`, and what happened that a reader must know."""
    ranked = [(value, -index) for index, value in enumerate(scores.values) if value is not None]
    chosen = -max(ranked)[1] if ranked else None
    ties = sum(value == max(ranked)[0] for value, _ in ranked) if ranked else 0
    notes = [*scores.notes, *([f"{ties} draws tie: the lowest was taken"] if ties > 1 else [])]
    return SearchResult(
        problem_id=traces[0].problem_id,
        traces=traces,
        chosen=chosen,
        answer=None if chosen is None else traces[chosen].answer,
        spend=total(trace.spend for trace in traces) + scores.spend,
        scores=scores.values,
        note="; ".join(notes if ranked else [*notes, "abstained: no draw could be scored"]),
    )
