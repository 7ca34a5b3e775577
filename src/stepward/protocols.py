"""The verbs: what a part must do to take its place.

Techniques are written for one problem as `async` code and see `Policy`, `StepScorer`, `TraceScorer` and
`Verifier`. Engines work on many requests at once and are wrapped by a batcher into those protocols.
Hyper-parameters live on the component; live resources are arguments of the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar, runtime_checkable

from stepward.errors import ResourceError
from stepward.types import (
    Completion,
    LabeledTrace,
    Origin,
    Problem,
    SampleRequest,
    Spend,
    Step,
    StepScores,
    Trace,
    TraceScore,
    Verdict,
)

T = TypeVar("T")


@runtime_checkable
class Policy(Protocol):
    """Who writes."""

    async def sample(self, request: SampleRequest) -> tuple[Completion, ...]:
        """`request.n` completions, in draw order. A draw depends on problem, prefix, sampling and its index only."""
        ...


@runtime_checkable
class PolicyEngine(Protocol):
    """Who writes many at once."""

    @property
    def origin(self) -> Origin:
        """Name, revision and settings of the model."""
        ...

    def sample_batch(self, requests: Sequence[SampleRequest]) -> list[tuple[Completion, ...]]:
        """One tuple of `n` completions per request, in order."""
        ...


@runtime_checkable
class Remembering(Protocol):
    """An engine that keeps what it computed for calls that go on from there: same results, less computed."""

    def forget(self) -> None:
        """Free what is kept: the next call costs what it would cost an engine just loaded."""
        ...


@runtime_checkable
class Segmenter(Protocol):
    """Who cuts text into steps, losing nothing."""

    @property
    def tag(self) -> str:
        """Name and version, such as "lines@1"."""
        ...

    def segment(self, text: str) -> tuple[Step, ...]:
        """Spans that partition `text`; no spans for the empty text."""
        ...


@runtime_checkable
class StoppingSegmenter(Segmenter, Protocol):
    """A segmenter that can tell a sampler where a step may end."""

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """Strings behind which a step may end; none where only the next step shows it."""
        ...


@runtime_checkable
class Verifier(Protocol):
    """Who judges an answer."""

    async def verify(self, problem: Problem, text: str) -> Verdict:
        """Judge the answer stated in `text`, a whole solution or a bare answer, against `problem.answer`."""
        ...


@runtime_checkable
class AnswerReader(Protocol):
    """Who reads answers out of texts."""

    def extract(self, text: str) -> str | None:
        """The answer that `text` states, as written; None where it states none."""
        ...

    def canonical(self, answer: str) -> str:
        """One spelling for answers that count as one, so that votes can be counted."""
        ...


@runtime_checkable
class StepScorer(Protocol):
    """Who scores steps: a PRM."""

    async def score(self, problem: Problem, trace: Trace) -> StepScores:
        """One score per step of `trace`, in order; none for a trace without steps."""
        ...


@runtime_checkable
class StepScorerEngine(Protocol):
    """Who scores the steps of many traces at once."""

    @property
    def origin(self) -> Origin:
        """Name, revision and settings of the model."""
        ...

    def score_batch(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
        """One record per pair, in order, whatever the pairs were batched with."""
        ...


@runtime_checkable
class TraceScorer(Protocol):
    """Who scores a whole trace: an ORM, or an aggregated PRM."""

    async def score_trace(self, problem: Problem, trace: Trace) -> TraceScore:
        """One score for `trace`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """The live parts that a technique may call. `policy_of(...)` and the like name what is missing."""

    policy: Policy | None = None
    segmenter: Segmenter | None = None
    verifier: Verifier | None = None
    answers: AnswerReader | None = None
    scorer: StepScorer | None = None
    trace_scorer: TraceScorer | None = None

    def need_policy(self) -> Policy:
        """The policy, or `ResourceError`."""
        return _need(self.policy, "policy")

    def need_segmenter(self) -> Segmenter:
        """The segmenter, or `ResourceError`."""
        return _need(self.segmenter, "segmenter")

    def need_verifier(self) -> Verifier:
        """The verifier, or `ResourceError`."""
        return _need(self.verifier, "verifier")

    def need_answers(self) -> AnswerReader:
        """The reader of answers, or `ResourceError`."""
        return _need(self.answers, "answers")

    def need_scorer(self) -> StepScorer:
        """The step scorer, or `ResourceError`."""
        return _need(self.scorer, "scorer")

    def need_trace_scorer(self) -> TraceScorer:
        """The trace scorer, or `ResourceError`."""
        return _need(self.trace_scorer, "trace_scorer")


@runtime_checkable
class Labeler(Protocol):
    """Who puts a label on each step."""

    async def label(self, problem: Problem, trace: Trace, resources: Resources) -> LabeledTrace:
        """`trace` with one label, or None, per step, and what labelling cost."""
        ...


@runtime_checkable
class GroupLabeler(Protocol):
    """A labeler that shares work between the traces of one problem."""

    async def label_all(self, problem: Problem, traces: Sequence[Trace], resources: Resources) -> list[LabeledTrace]:
        """One labelled trace per trace, in order: as each would be alone, unless the labeler reads the whole group."""
        ...


@runtime_checkable
class Harvester(Protocol):
    """A labeler that brings home traces of its own, such as the completions that it searched through."""

    async def harvest(self, problem: Problem, traces: Sequence[Trace], resources: Resources) -> list[LabeledTrace]:
        """The given traces labelled, in order, and behind them the new ones."""
        ...


@runtime_checkable
class Relabeler(Protocol):
    """Who makes other labels of those that the traces of one problem have. Nobody is asked anew."""

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """One per trace, in order. What is filtered out keeps its place, with None for a label."""
        ...


@runtime_checkable
class Consensus(Protocol):
    """Who makes one labelling of several labellings of one trace."""

    def agree(self, problem: Problem, labellings: Sequence[LabeledTrace]) -> LabeledTrace:
        """The trace with the labels on which they agree, None for the others."""
        ...


BranchState = Literal["open", "finished", "pruned", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchNode:
    """One prefix that a search looked at."""

    parent: int | None
    """Index into the result's nodes; None for the empty prefix, which comes first."""
    text: str
    """What it adds to its parent."""
    state: BranchState = "open"
    """open: could have gone on; finished: a whole solution; pruned: given up; failed: nothing usable came back."""
    reason: str = ""
    score: float | None = None
    visits: int = 0
    value: float | None = None
    copies: int = 1
    """Draws that came to this very text."""
    tokens: int = 0
    """Tokens that the policy wrote for it, all copies."""
    chosen: bool = False
    """Whether it lies on the chosen path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What a search found: every trace it kept, which one it chose, and what it all cost."""

    problem_id: str
    traces: tuple[Trace, ...]
    chosen: int | None
    """Index into `traces`; None where the search abstained."""
    answer: str | None
    spend: Spend
    scores: tuple[float | None, ...] = ()
    """One per trace; None where the trace could not be scored."""
    note: str = ""
    """What happened that a reader must know: budget ended, no answer stated, tie broken."""
    nodes: tuple[SearchNode, ...] = ()
    """Everything that a step-wise search looked at, parents first; empty where whole traces were drawn."""


@runtime_checkable
class Search(Protocol):
    """How compute is spent on one problem."""

    async def solve(self, problem: Problem, resources: Resources) -> SearchResult:
        """The best answer that the budget of this search buys."""
        ...


def _need(part: T | None, name: str) -> T:
    if part is None:
        raise ResourceError(f"this technique needs a {name}", mend=f"pass Resources({name}=...)")
    return part
