"""The moves that step-wise searches share: draw next steps, merge equal ones, score them, mind the budget.

A search decides which prefixes go on and with how many draws; `Growth.expand` does the rest as one batch. Prefixes of
different depth are only compared by searches that say so. The budget is looked at before a batch, never within one: it
is exceeded by at most the batch that was under way. What was grown when it ended is kept, and the search answers with
the best that it has.

What can go wrong with a draw stays in the tree with its reason, and is never chosen: a failed call, an empty step, a
step that only repeats the two before it, a trace that reaches `max_steps`, a prefix that its scorer refuses.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from stepward.budget import Budget, Meter
from stepward.errors import ConfigError, ModelError, ResourceError, ScoreError, StepwardError, TraceError
from stepward.protocols import BranchState, Resources, SearchResult, StepScorer, StoppingSegmenter
from stepward.reduce import reduce_scores, reducer
from stepward.search.tree import END, Branch, SearchTree, best, by_score
from stepward.segment.stops import ends_step
from stepward.types import Completion, Finish, Problem, SampleRequest, Sampling, Spend, StepScores, Trace

MOST_PIECES = 16
"""Samples that one step may be made of, where stop strings come before its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growing:
    """How a step-wise search grows its tree."""

    sampling: Sampling = field(default_factory=Sampling)
    """For one step: `max_tokens` is a step's limit. Stop strings are the segmenter's."""
    reduce: str = "last"
    """How the scores of a prefix's steps become its score."""
    max_steps: int = 40
    """Chunks of the longest trace."""
    budget: Budget = field(default_factory=Budget)
    """For one problem. `seconds` are wall time."""
    lookahead: int = 0
    """Greedy steps written behind each new prefix and scored with it, so that it is judged by what comes of it."""
    prune_below: float | None = None
    """A branch with a step that scores less goes no further; the last one left always does."""

    def __post_init__(self) -> None:
        reducer(self.reduce)
        if self.max_steps < 1 or self.lookahead < 0:
            raise ConfigError("max_steps must be at least 1, lookahead 0", got=(self.max_steps, self.lookahead))


@dataclass(eq=False, kw_only=True)
class Growth:
    """The tree of one search over one problem. Live state: belongs to one event loop."""

    problem: Problem
    resources: Resources
    how: Growing
    segmenter: StoppingSegmenter
    tree: SearchTree
    meter: Meter = field(default_factory=Meter)
    notes: list[str] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, problem: Problem, resources: Resources, how: Growing) -> Growth:
        """A tree that holds the empty prefix. `ResourceError` for a segmenter that cannot tell where a step ends."""
        segmenter = resources.need_segmenter()
        if not isinstance(segmenter, StoppingSegmenter) or not segmenter.stop_strings:
            raise ResourceError(
                f"a step-wise search needs a segmenter with stop strings; {segmenter.tag} has none",
                mend="take newline or blank_line",
            )
        root = Trace(problem_id=problem.id, text="", steps=(), finish="length", segmenter=segmenter.tag)
        return cls(problem=problem, resources=resources, how=how, segmenter=segmenter, tree=SearchTree(root))

    @property
    def spent(self) -> Spend:
        """Everything so far, with wall time for seconds."""
        return replace(self.meter.total, seconds=time.monotonic() - self._started)

    @property
    def over(self) -> bool:
        """Whether the budget has ended."""
        return self.how.budget.ended(self.spent)

    async def expand(self, asks: Sequence[tuple[Branch, int]]) -> list[list[Branch]]:
        """For each (branch, n), what its next n draws came to, in draw order, scored; a merged draw repeats its branch.

        One batch. Nothing where the budget has ended.
        """
        if self.over:
            return [[] for _ in asks]
        drawn = await asyncio.gather(*(self._draw(branch, n) for branch, n in asks))
        grown = [
            [self._attach(branch, completion, draw) for draw, completion in completions]
            for (branch, _), completions in zip(asks, drawn, strict=True)
        ]
        fresh = list(dict.fromkeys(b for row in grown for b in row if b.score is None and not b.reason))
        await self.score(fresh)
        self._prune(fresh)
        return grown

    async def score(self, branches: Sequence[Branch]) -> None:
        """Give each branch its score, or the reason why it has none."""
        if branches:
            scorer = self.resources.need_scorer()
            seen = await self._ahead(branches)
            await asyncio.gather(*(self._score(*pair, scorer) for pair in zip(branches, seen, strict=True)))

    async def roll(self, branch: Branch, steps: int, sampling: Sampling) -> Trace:
        """`branch` and up to `steps` more steps, outside the tree. Counted, discarded."""
        trace, state = branch.trace, branch.state
        for _ in range(steps):
            if state != "open":
                break
            request = self._request(trace.text, 1, 0, sampling)
            (completion,) = await self._sample(request)
            if completion.finish == "error" or not completion.text:
                break
            trace, state = self._cut(trace.text + completion.text, completion)
        return trace

    async def scores_of(self, trace: Trace) -> tuple[float, ...]:
        """Scores of the steps of a trace that stands outside the tree; none where it cannot be scored."""
        try:
            scores = (await self.resources.need_scorer().score(self.problem, trace)).check(trace)
        except (ScoreError, ModelError, TraceError) as error:
            self.notes.append(f"not scored: {error}")
            return ()
        self.meter.add("scorer", scores.spend)
        return scores.values

    def result(self, chosen: Branch | None, note: str = "") -> SearchResult:
        """What was found: every finished trace, in order of arrival."""
        finished = self.tree.finished()
        spend = self.meter.total
        wasted = max(0, spend.policy_tokens - self.tree.kept_tokens())
        notes = [*dict.fromkeys(self.notes), *([note] if note else [])]
        if self.over:
            notes.append("the budget ended")
        if chosen is None:
            notes.append(f"abstained: {self._nothing()}")
        return SearchResult(
            problem_id=self.problem.id,
            traces=tuple(branch.trace for branch in finished),
            chosen=None if chosen is None else finished.index(chosen),
            answer=None if chosen is None else chosen.trace.answer,
            spend=replace(spend, discarded_tokens=wasted),
            scores=tuple(branch.score for branch in finished),
            note="; ".join(notes),
            nodes=self.tree.nodes(chosen),
        )

    def _nothing(self) -> str:
        """Why there is nothing to choose."""
        finished = self.tree.finished()
        if finished:
            return f"none of {len(finished)} finished traces could be scored or chosen: {finished[0].reason}"
        reasons = [branch.reason for branch in self.tree if branch.reason]
        return "no trace was finished" + (f" ({reasons[-1]})" if reasons else "")

    async def _draw(self, branch: Branch, n: int) -> list[tuple[int, Completion]]:
        """The next `n` draws from `branch`, each grown to the end of its step."""
        start, branch.draws = branch.draws, branch.draws + n
        request = self._request(branch.trace.text, n, start, self.how.sampling)
        made = dict(enumerate(await self._sample(request), start))
        broken = [draw for draw, completion in made.items() if self._broken(branch.trace.text, completion)]
        whole = await asyncio.gather(*(self._whole(branch.trace.text, made[draw], draw) for draw in broken))
        return list((made | dict(zip(broken, whole, strict=True))).items())

    def _request(self, prefix: str, n: int, start: int, sampling: Sampling) -> SampleRequest:
        stopping = replace(sampling, stop=self.segmenter.stop_strings)
        return SampleRequest(problem=self.problem, prefix=prefix, n=n, sampling=stopping, first_draw=start)

    async def _sample(self, request: SampleRequest) -> tuple[Completion, ...]:
        completions = await self.resources.need_policy().sample(request)
        if len(completions) != request.n:
            raise StepwardError(f"a policy was asked for {request.n} completions", got=len(completions))
        self.meter.add("policy", sum((each.spend for each in completions), Spend()))
        return completions

    async def _whole(self, prefix: str, made: Completion, draw: int) -> Completion:
        """`made`, gone on with while it stopped inside a step."""
        for _ in range(MOST_PIECES):
            if not self._broken(prefix, made):
                break
            request = self._request(prefix + made.text, 1, draw, self.how.sampling)
            (more,) = await self._sample(request)
            if not more.text and not more.ended:
                break
            joined = replace(more, text=made.text + more.text, logprobs=made.logprobs + more.logprobs)
            made = replace(joined, spend=made.spend + more.spend)
        return made

    def _broken(self, prefix: str, made: Completion) -> bool:
        """Whether `made` stopped inside a step."""
        stopped = made.finish == "stop" and not made.ended and made.text
        return bool(stopped) and not ends_step(self.segmenter, prefix + made.text)

    def _attach(self, parent: Branch, made: Completion, draw: int) -> Branch:
        """The branch that `made` came to, new or merged."""
        chunk = made.text or (END if made.ended else f"\0draw {draw}")
        known = self.tree.find(parent, chunk)
        if known is not None:
            known.copies += 1
            known.tokens += made.spend.policy_tokens
            return known
        trace, state = self._cut(parent.trace.text + made.text, made)
        branch = self.tree.grow(parent, chunk, trace)
        branch.tokens = made.spend.policy_tokens
        branch.logprob = sum(made.logprobs) / len(made.logprobs) if made.logprobs else None
        branch.state = state
        if chunk == END:  # nothing new to score
            branch.steps, branch.score = parent.steps, parent.score
        reason = self._unusable(branch, made)
        if reason:
            branch.stop("failed", reason)
        return branch

    def _unusable(self, branch: Branch, made: Completion) -> str:
        if made.finish == "error":
            return f"the draw failed: {made.error}"
        if not branch.trace.steps or not (made.text.strip() or made.ended):
            return "an empty step"
        if branch.state == "open" and branch.depth >= self.how.max_steps:
            return f"not finished after {self.how.max_steps} steps"
        above = branch.path[-3:-1]
        if branch.state == "open" and len(above) == 2 and all(each.text == made.text for each in above):
            return "it repeats one step"
        return ""

    def _cut(self, text: str, made: Completion) -> tuple[Trace, BranchState]:
        """`text` as a trace, and whether it is a whole solution. One cut at a step's limit is finished, not ended."""
        finished = made.ended or made.finish == "length"
        finish: Finish = made.finish if finished or made.finish == "error" else "length"
        trace = Trace(
            problem_id=self.problem.id,
            text=text,
            steps=self.segmenter.segment(text),
            answer=self.resources.need_answers().extract(text) if finished else None,
            finish=finish,
            segmenter=self.segmenter.tag,
        )
        return trace, "finished" if finished else "open"

    async def _ahead(self, branches: Sequence[Branch]) -> list[Trace]:
        """What is scored for each of `branches`."""
        if not self.how.lookahead:
            return [branch.trace for branch in branches]
        greedy = replace(self.how.sampling, temperature=0.0)
        return await asyncio.gather(*(self.roll(branch, self.how.lookahead, greedy) for branch in branches))

    async def _score(self, branch: Branch, seen: Trace, scorer: StepScorer) -> None:
        try:
            scores = (await scorer.score(self.problem, seen)).check(seen)
            self.meter.add("scorer", scores.spend)
            if branch.state == "open":
                scores.check_online()
            own: StepScores = replace(scores, values=scores.values[: len(branch.trace)])
            branch.steps, branch.score = own.values, reduce_scores(scores, self.how.reduce)
        except (ScoreError, ModelError, TraceError) as error:
            branch.reason = f"not scored: {error}"
            self.notes.append(branch.reason)
            if branch.state == "open":
                branch.state = "failed"

    def _prune(self, fresh: Sequence[Branch]) -> None:
        tau = self.how.prune_below
        if tau is None:
            return
        weak = [branch for branch in fresh if branch.steps and min(branch.steps) < tau]
        weak_ids = {branch.id for branch in weak}
        others = [b for b in (*self.tree.open(), *self.tree.finished()) if b.id not in weak_ids and b.score is not None]
        spared = None if others else best(weak)
        for branch in weak:
            if branch is not spared:
                branch.stop("pruned", f"a step scored {min(branch.steps):.3g}, below {tau:g}")


def ranked(branches: Sequence[Branch]) -> list[Branch]:
    """Open, scored branches, each once, the best first."""
    return sorted((b for b in dict.fromkeys(branches) if b.state == "open" and b.score is not None), key=by_score)
