"""Majority voting that stops when the vote is decided.

After every `batch` of draws, with c1 and c2 votes for the two leading answers and r draws still to come:

    certain    c1 > c2 + r: no further draw can change the winner
    likely     Pr(theta1 > theta2) = I_1/2(c2 + 1, c1 + 1) >= confidence: the leader's share beats the runner-up's,
               given the votes for these two and a flat prior (Beta posterior)

Easy problems end after a few draws, and what they save is the difference to a fixed n. With `confidence` of 1 only
certainty ends the drawing and the answer is that of the fixed n.

A scorer is not needed. Draws are those of `Majority` in the same order, so its answer after `most` draws is the same.

Degenerate cases: while nobody states an answer it draws on; ties are settled as in `voting`.

Source: adaptive consistency, Aggarwal et al., arXiv 2305.11860.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from scipy.stats import beta

from stepward.errors import ConfigError
from stepward.protocols import Resources, SearchResult
from stepward.search.moves import Scores, draw, unusable_reason, usable
from stepward.search.voting import Vote, majority, said, vote_result
from stepward.types import Problem, SampleRequest, Sampling, Spend, Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialMajority:
    """A `Search`: the majority of up to `most` traces, ended early."""

    most: int = 16
    batch: int = 2
    confidence: float = 0.95
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= self.most or not 0.5 <= self.confidence <= 1:
            raise ConfigError("1 <= batch <= most and confidence in [0.5, 1]", got=self)

    async def solve(self, problem: Problem, resources: Resources) -> SearchResult:
        """The first trace with the winning answer; the note says after how many draws."""
        traces: tuple[Trace, ...] = ()
        while len(traces) < self.most:
            n = min(self.batch, self.most - len(traces))
            request = SampleRequest(problem=problem, n=n, sampling=self.sampling, first_draw=len(traces))
            traces += await draw(request, resources)
            vote = majority(said(traces, resources.need_answers()))
            if decided(vote, self.most - len(traces), self.confidence):
                break
        notes = [f"draw {i}: {unusable_reason(t)}" for i, t in enumerate(traces) if not usable(t)]
        notes.append(f"{len(traces)} of {self.most} draws")
        return vote_result(traces, vote, Scores(values=(None,) * len(traces), spend=Spend(), notes=tuple(notes)))


def decided(vote: Vote, left: int, confidence: float) -> bool:
    """Whether `left` more votes will not, or with `confidence` are unlikely to, change the winner."""
    if not vote.groups:
        return False
    first = len(vote.groups[0].members)
    second = len(vote.groups[1].members) if len(vote.groups) > 1 else 0
    likely = float(beta.sf(0.5, first + 1, second + 1))
    return first > second + left or (confidence < 1 and likely >= confidence)
