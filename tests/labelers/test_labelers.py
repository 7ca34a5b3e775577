import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from stepward.errors import ConfigError, ResourceError
from stepward.labelers.outcome import OutcomeLabeler
from stepward.labelers.rollout import RolloutLabeler
from stepward.protocols import Resources
from stepward.segment.cut import cut
from stepward.segment.newline import Newline
from stepward.types import Completion, LabeledTrace, Problem, SampleRequest, Spend, Trace, Verdict

PROBLEM = Problem(id="p", text="?", answer="right")


@dataclass
class Completer:
    """Completes each prefix with scripted texts."""

    texts: Mapping[str, tuple[Completion, ...]]
    asked: list[str] = field(default_factory=list)

    async def sample(self, request: SampleRequest) -> tuple[Completion, ...]:
        self.asked.append(request.prefix)
        return self.texts[request.prefix][: request.n]


class EndsRight:
    """equal where the text ends in "right", undecided where it ends in "?"."""

    async def verify(self, problem: Problem, text: str) -> Verdict:
        outcome = "undecided" if text.endswith("?") else "equal" if text.endswith("right") else "different"
        return Verdict(outcome=outcome)  # type: ignore[arg-type]


def wrote(*texts: str) -> tuple[Completion, ...]:
    return tuple(Completion(text=text, spend=Spend(policy_tokens=3)) for text in texts)


FAILED = Completion(text="", finish="error", error="out of memory")


def trace(text: str, finish: str = "stop") -> Trace:
    return cut("p", text, Newline(), finish=finish)  # type: ignore[arg-type]


def label(text: str, texts: Mapping[str, tuple[Completion, ...]], n: int = 4, finish: str = "stop") -> LabeledTrace:
    resources = Resources(policy=Completer(texts), verifier=EndsRight())
    return asyncio.run(RolloutLabeler(n=n).label(PROBLEM, trace(text, finish), resources))


def counts(labeled: LabeledTrace) -> list[tuple[int | None, int | None] | None]:
    return [(x.successes, x.trials) if x else None for x in labeled.labels]


def test_each_prefix_keeps_its_counts_and_the_last_step_is_the_trace_s_own_verdict() -> None:
    texts = {"a\n": wrote("right", "right", "wrong", "right"), "a\nb\n": wrote("wrong", "wrong", "wrong", "wrong")}
    labeled = label("a\nb\nwrong", texts)
    assert counts(labeled) == [(3, 4), (0, 4), (0, 1)]
    assert [x.good for x in labeled.labels if x] == [True, False, False]
    assert labeled.target == "value"
    assert labeled.verdict is not None and labeled.verdict.outcome == "different"
    assert labeled.spend == Spend(policy_tokens=24, discarded_tokens=24, verifier_calls=9)


def test_a_trace_cut_short_is_completed_from_its_end_too() -> None:
    labeled = label("a\nb", {"a\n": wrote("right"), "a\nb": wrote(" right")}, n=1, finish="length")
    assert counts(labeled) == [(1, 1), (1, 1)]


def test_failed_and_undecided_completions_are_no_trials_and_no_trials_are_no_label() -> None:
    texts = {"a\n": (FAILED, *wrote("?", "right")), "a\nb\n": (FAILED, *wrote("?"))}
    labeled = label("a\nb\nright", texts)
    assert counts(labeled) == [(1, 1), None, (1, 1)]
    assert labeled.labels[0] is not None and labeled.labels[0].note == "1 undecided, 1 failed"


def test_an_undecided_trace_leaves_its_last_step_unlabelled() -> None:
    assert counts(label("a\nb?", {"a\n": wrote("right")}, n=1)) == [(1, 1), None]


def test_traces_share_the_rollouts_and_the_cost_of_equal_prefixes() -> None:
    completer = Completer({"a\n": wrote("right", "wrong"), "a\nb\n": wrote("right", "right")})
    resources = Resources(policy=completer, verifier=EndsRight())
    traces = [trace("a\nright"), trace("a\nb\nright"), trace("a\nright")]
    labelled = asyncio.run(RolloutLabeler(n=2).label_all(PROBLEM, traces, resources))
    assert sorted(completer.asked) == ["a\n", "a\nb\n"]
    assert [counts(x) for x in labelled] == [[(1, 2), (1, 1)], [(1, 2), (2, 2), (1, 1)], [(1, 2), (1, 1)]]
    assert [x.spend.policy_tokens for x in labelled] == [6, 6, 0]


def test_one_by_one_and_together_give_the_same_labels() -> None:
    texts = {"a\n": wrote("right", "wrong"), "a\nb\n": wrote("right", "right")}
    resources = Resources(policy=Completer(texts), verifier=EndsRight())
    labeler, traces = RolloutLabeler(n=2), [trace("a\nright"), trace("a\nb\nright")]
    together = asyncio.run(labeler.label_all(PROBLEM, traces, resources))
    alone = [asyncio.run(labeler.label(PROBLEM, each, resources)) for each in traces]
    assert [x.labels for x in together] == [x.labels for x in alone]


def test_an_empty_trace_has_no_labels() -> None:
    assert label("", {}, finish="stop").labels == ()


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ResourceError, match="needs a policy"):
        asyncio.run(RolloutLabeler().label(PROBLEM, trace("a\nb"), Resources(verifier=EndsRight())))
    with pytest.raises(ResourceError, match="needs a verifier"):
        asyncio.run(OutcomeLabeler().label(PROBLEM, trace("a"), Resources()))
    with pytest.raises(ConfigError, match="at least 1"):
        RolloutLabeler(n=0)


def test_outcome_labels_are_the_verdict_and_nothing_where_it_is_undecided() -> None:
    resources = Resources(verifier=EndsRight())

    def outcome(text: str, spread: bool) -> LabeledTrace:
        return asyncio.run(OutcomeLabeler(spread=spread).label(PROBLEM, trace(text), resources))

    assert outcome("a\nright", False).labels == (None, None)
    assert counts(outcome("a\nright", True)) == [(1, 1), (1, 1)]
    assert counts(outcome("a\nwrong", True)) == [(0, 1), (0, 1)]
    assert counts(outcome("a\n?", True)) == [None, None]
