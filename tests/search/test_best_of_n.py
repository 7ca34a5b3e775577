import asyncio
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from stepward.errors import ConfigError, ModelError, ResourceError, ScoreError, StepwardError
from stepward.protocols import Resources, SearchResult
from stepward.search.best_of_n import BestOfN
from stepward.search.voting import Majority, WeightedMajority
from stepward.types import (
    Completion,
    Problem,
    SampleRequest,
    Sampling,
    Spend,
    Step,
    StepScores,
    Trace,
    TraceScore,
)

PROBLEM = Problem(id="p1", text="2+2?")
FAILED = Completion(text="half", finish="error", error="out of memory", spend=Spend(policy_tokens=2))


@dataclass(frozen=True)
class Lines:
    tag: str = "lines@test"

    def segment(self, text: str) -> tuple[Step, ...]:
        ends = [i + 1 for i, c in enumerate(text) if c == "\n"]
        if text and (not ends or ends[-1] < len(text)):
            ends.append(len(text))
        return tuple(Step(a, b) for a, b in zip([0, *ends], ends, strict=False))


@dataclass(frozen=True)
class Scripted:
    completions: tuple[Completion, ...]
    seen: list[SampleRequest] = field(default_factory=list)

    async def sample(self, request: SampleRequest) -> tuple[Completion, ...]:
        self.seen.append(request)
        return self.completions[: request.n]


@dataclass(frozen=True)
class ByText:
    """Scores a trace by its text; a missing one is over the limit."""

    scores: Mapping[str, float]

    async def score_trace(self, problem: Problem, trace: Trace) -> TraceScore:
        if trace.text not in self.scores:
            raise ModelError("the trace is over the limit", got=len(trace.text))
        return TraceScore(value=self.scores[trace.text], spend=Spend(scorer_tokens=10, scorer_calls=1))


@dataclass(frozen=True)
class ByLine:
    async def score(self, problem: Problem, trace: Trace) -> StepScores:
        values = tuple(0.9 if "good" in text else 0.2 for text in trace.step_texts)
        return StepScores(values=values, spend=Spend(scorer_tokens=len(values)))


@dataclass(frozen=True)
class AfterEquals:
    """Numbers count as one where they are equal; anything else as it is written."""

    def extract(self, text: str) -> str | None:
        return text.rpartition("=")[2].strip() if "=" in text else None

    def canonical(self, answer: str) -> str:
        return str(float(answer)) if answer.replace(".", "").isdigit() else answer


def wrote(*texts: str) -> tuple[Completion, ...]:
    return tuple(Completion(text=text, ended=True, spend=Spend(policy_tokens=5, policy_calls=1)) for text in texts)


def solve(search: BestOfN | Majority | WeightedMajority, resources: Resources) -> SearchResult:
    return asyncio.run(search.solve(PROBLEM, resources))


def resources_of(completions: tuple[Completion, ...], scores: Mapping[str, float]) -> Resources:
    return Resources(
        policy=Scripted(completions), segmenter=Lines(), answers=AfterEquals(), trace_scorer=ByText(scores)
    )


def test_the_highest_score_is_chosen_and_all_work_is_paid_for() -> None:
    found = solve(
        BestOfN(n=3),
        resources_of(wrote("a=1", "a=2", "a=3"), {"a=1": 0.1, "a=2": 0.7, "a=3": 0.4}),
    )
    assert (found.chosen, found.answer, found.scores, found.note) == (1, "2", (0.1, 0.7, 0.4), "")
    assert found.spend == Spend(policy_tokens=15, policy_calls=3, scorer_tokens=30, scorer_calls=3)
    assert [trace.meta["draw"] for trace in found.traces] == [0, 1, 2]
    assert found.traces[0].segmenter == "lines@test"


def test_a_tie_goes_to_the_lowest_draw_and_is_told() -> None:
    found = solve(
        BestOfN(n=3),
        resources_of(wrote("a=1", "a=2", "a=3"), {"a=1": 0.1, "a=2": 0.7, "a=3": 0.7}),
    )
    assert found.chosen == 1
    assert "2 draws tie" in found.note


def test_failed_empty_and_overlong_draws_are_kept_reported_paid_and_never_chosen() -> None:
    completions = (FAILED, *wrote("", "very long=9", "a=4"))
    found = solve(BestOfN(n=4), resources_of(completions, {"a=4": -5.0, "half": 9.0, "": 9.0}))
    assert (found.chosen, found.scores) == (3, (None, None, None, -5.0))
    assert len(found.traces) == 4
    for told in ("draw 0: failed: out of memory", "draw 1: holds no step", "draw 2: not scored"):
        assert told in found.note
    assert found.spend.policy_tokens == 17


def test_nothing_to_choose_from_is_an_abstention() -> None:
    found = solve(BestOfN(n=1), resources_of((FAILED,), {}))
    assert (found.chosen, found.answer) == (None, None)
    assert "abstained" in found.note


def test_a_step_scorer_is_reduced_where_a_reducer_is_named() -> None:
    policy = Scripted(wrote("good\nbad\n", "good\ngood=7"))
    resources = Resources(policy=policy, segmenter=Lines(), answers=AfterEquals(), scorer=ByLine())
    found = solve(BestOfN(n=2, reduce="min"), resources)
    assert (found.chosen, found.scores) == (1, (0.2, 0.9))
    with pytest.raises(ResourceError, match="trace_scorer"):
        solve(BestOfN(n=2), resources)


def test_the_policy_is_asked_once_with_the_sampling_of_the_search() -> None:
    policy, sampling = Scripted(wrote("a=1")), Sampling(temperature=0.3, seed=4)
    resources = Resources(policy=policy, segmenter=Lines(), answers=AfterEquals(), trace_scorer=ByText({"a=1": 1}))
    solve(BestOfN(n=1, sampling=sampling), resources)
    assert policy.seen == [SampleRequest(problem=PROBLEM, n=1, sampling=sampling)]


def test_a_broken_scorer_is_an_error_and_no_abstention() -> None:
    @dataclass(frozen=True)
    class Broken:
        async def score_trace(self, problem: Problem, trace: Trace) -> TraceScore:
            return TraceScore(value=float("nan"))

    with pytest.raises(ScoreError, match="not a finite number"):
        solve(
            BestOfN(n=1),
            Resources(policy=Scripted(wrote("a=1")), segmenter=Lines(), answers=AfterEquals(), trace_scorer=Broken()),
        )


def test_a_policy_that_returns_too_few_completions_is_refused() -> None:
    with pytest.raises(StepwardError, match="asked for 3 completions; got 1"):
        solve(BestOfN(n=3), resources_of(wrote("a=1"), {"a=1": 1.0}))


def test_majority_chooses_the_first_trace_of_the_commonest_answer() -> None:
    resources = Resources(
        policy=Scripted((FAILED, *wrote("a=1", "b= 2", "c", "d=2 "))), segmenter=Lines(), answers=AfterEquals()
    )
    found = solve(Majority(n=5), resources)
    assert (found.chosen, found.answer) == (2, "2")
    assert found.scores == (None,) * 5
    assert "draw 0: failed" in found.note
    assert found.spend == Spend(policy_tokens=22, policy_calls=4)


def test_majority_groups_by_the_canonical_answer_and_returns_the_stated_one() -> None:
    resources = Resources(policy=Scripted(wrote("a=1", "b=2.0", "c=2")), segmenter=Lines(), answers=AfterEquals())
    found = solve(Majority(n=3), resources)
    assert found.answer == "2.0"


def test_votes_without_answers_abstain() -> None:
    found = solve(Majority(n=2), Resources(policy=Scripted(wrote("a", "b")), segmenter=Lines(), answers=AfterEquals()))
    assert (found.chosen, found.answer, found.note) == (None, None, "abstained: no draw has a vote")


def test_weighted_majority_chooses_the_best_trace_of_the_heaviest_answer() -> None:
    texts = ("a=A", "b=A", "c=A", "d=B", "e=B")
    scores = dict(zip(texts, (0.6, 0.55, 0.6, 0.9, 0.95), strict=True))
    resources = resources_of(wrote(*texts), scores)
    assert solve(Majority(n=5), resources).answer == "A"
    for how in ("sum", "log_odds"):
        found = solve(WeightedMajority(n=5, how=how), resources)  # type: ignore[arg-type]
        assert (found.answer, found.chosen) == ("B", 4)
        assert found.spend.scorer_tokens == 50


def test_searches_refuse_impossible_settings() -> None:
    for build in (
        lambda: BestOfN(n=0),
        lambda: BestOfN(n=1, reduce="medium"),
        lambda: Majority(n=0),
        lambda: WeightedMajority(n=1, reduce="medium"),
        lambda: WeightedMajority(n=1, how="best"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConfigError):
            build()


def test_searches_travel_between_processes() -> None:
    for search in (BestOfN(n=2), WeightedMajority(n=2, reduce="last")):
        assert pickle.loads(pickle.dumps(search)) == search
