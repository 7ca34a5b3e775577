"""Stored traces in the place of a model: a policy that says again what was said, a scorer that knows the scores.

With these two every search runs on a pool of sampled traces, with no model at all. Draw i of a whole trace is trace i
of the problem's pool, so that best-of-N and votes see the samples in their order. Draws behind a prefix, and step by
step, come from the traces that begin with that prefix: draw i is the i-th of them, started over where there are fewer.
A search over a pool can only choose paths that someone took; what a step costs is the stored tokens of its trace,
spread over the text.

`StoredScorer` returns the stored scores of the steps of any trace that begins a stored one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stepward.errors import ResourceError, ScoreError
from stepward.types import Completion, Origin, Problem, SampleRequest, Spend, StepScores, Trace, content_key

STORED = Origin(maker="policy:stored")


@dataclass(frozen=True, eq=False, kw_only=True)
class StoredPolicy:
    """A `Policy` over `pools`: by problem id, the traces in draw order."""

    pools: Mapping[str, Sequence[Trace]]

    async def sample(self, request: SampleRequest) -> tuple[Completion, ...]:
        """The next `n` stored continuations of the prefix. `ResourceError` where none begins with it."""
        prefix = request.prefix
        going = [trace for trace in self.pools.get(request.problem.id, ()) if trace.text.startswith(prefix)]
        if not going:
            raise ResourceError(
                f"no stored trace of problem {request.problem.id!r} begins with this prefix", got=prefix[-80:]
            )
        draws = range(request.first_draw, request.first_draw + request.n)
        return tuple(_completion(going[draw % len(going)], prefix, request.sampling.stop) for draw in draws)


def _completion(trace: Trace, prefix: str, stops: Sequence[str]) -> Completion:
    rest = trace.text[len(prefix) :]
    ends = [at + len(stop) for stop in stops if (at := rest.find(stop)) >= 0]
    text = rest[: min(ends, default=len(rest))]
    whole = len(text) == len(rest)
    tokens = round(trace.spend.policy_tokens * len(text) / max(1, len(trace.text)))
    return Completion(
        text=text,
        finish=trace.finish if whole else "stop",
        ended=whole and trace.finish == "stop",
        spend=Spend(policy_tokens=tokens, policy_calls=1),
        error=str(trace.meta.get("error", "")) if trace.finish == "error" else "",
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class StoredScorer:
    """A `StepScorer` over traces with their scores. Prefixes get the scores of their steps: a PRM's do not change."""

    scores: Mapping[str, Sequence[tuple[Trace, StepScores]]]
    """By problem id."""
    _known: dict[tuple[str, str], tuple[float, ...]] = field(default_factory=dict, init=False, repr=False)
    _like: dict[str, StepScores] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for problem_id, rows in self.scores.items():
            for trace, scores in rows:
                scores.check(trace).check_online()
                self._like.setdefault(problem_id, scores)
                for count in range(1, len(trace) + 1):
                    self._known.setdefault((problem_id, content_key(trace.prefix(count))), scores.values[:count])

    async def score(self, problem: Problem, trace: Trace) -> StepScores:
        """The stored scores. `ScoreError` for a trace that begins no stored one."""
        known = self._known.get((problem.id, content_key(trace.text)))
        like = self._like.get(problem.id)
        if known is None or like is None:
            raise ScoreError(f"no stored scores for this trace of problem {problem.id!r}", got=trace.text[-80:])
        tokens = Spend(scorer_tokens=round(like.spend.scorer_tokens), scorer_calls=1)
        found = StepScores(
            values=known, convention=like.convention, target=like.target, scorer=like.scorer, spend=tokens
        )
        return found.check(trace)
