import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from scipy.stats import beta

from stepward.config import build
from stepward.errors import ConfigError, LabelError
from stepward.labelers.adaptive import AdaptiveRollout, Stop
from stepward.labelers.rollout import RolloutLabeler
from stepward.policies.fake import Faults, ScriptedPolicy
from stepward.protocols import Resources
from stepward.segment.cut import cut
from stepward.segment.newline import Newline
from stepward.types import LabeledTrace, Problem, SampleRequest, Verdict

PROBLEM = Problem(id="p", text="?", answer="right")
TRACE = cut("p", "a\nb\nwrong", Newline())


class EndsRight:
    async def verify(self, problem: Problem, text: str) -> Verdict:
        return Verdict(
            outcome="undecided" if text.endswith("?") else "equal" if text.endswith("right") else "different"
        )


def drawn(right: dict[str, str]) -> ScriptedPolicy:
    """Draw i of prefix p ends right where the i-th sign of `right[p]` is +; signs start over."""

    def text(request: SampleRequest, draw: int) -> str:
        signs = right[request.prefix]
        return {"+": "right", "-": "wrong", "?": "?"}[signs[draw % len(signs)]]

    return ScriptedPolicy(script=text)


def label(labeler: AdaptiveRollout, right: dict[str, str], problem: Problem = PROBLEM) -> LabeledTrace:
    return asyncio.run(labeler.label(problem, TRACE, Resources(policy=drawn(right), verifier=EndsRight())))


def counts(labeled: LabeledTrace) -> list[tuple[int | None, int | None] | None]:
    return [(x.successes, x.trials) if x else None for x in labeled.labels]


def test_drawing_stops_once_the_posterior_is_decisive_and_at_most() -> None:
    labeled = label(AdaptiveRollout(stop=Stop(batch=2, most=12)), {"a\n": "+-", "a\nb\n": "-"})
    assert counts(labeled) == [(1, 2), (0, 12), (0, 1)]
    assert beta(1.5, 1.5).sf(0.05) >= 0.95 > beta(0.5, 12.5).sf(0.05) > 0.05
    assert labeled.meta == {"undecided": 0, "failed": 0, "open": 1}


def test_drawing_stops_at_the_first_failure_that_makes_a_dead_prefix_sure() -> None:
    stop = Stop(batch=1, most=99, threshold=0.2, prior=(1.0, 1.0))
    labeled = label(AdaptiveRollout(stop=stop), {"a\n": "-", "a\nb\n": "-"})
    needed = next(n for n in range(99) if beta(1, 1 + n).sf(0.2) <= 0.05)
    assert counts(labeled)[0] == (0, needed)


def test_a_prior_that_is_sure_of_itself_still_draws_a_batch() -> None:
    stop = Stop(batch=2, most=8, threshold=0.05, confidence=0.75)
    assert beta(0.5, 0.5).sf(0.05) > 0.75
    assert counts(label(AdaptiveRollout(stop=stop), {"a\n": "-", "a\nb\n": "-"}))[0] is not None


def test_the_first_success_is_enough_where_only_the_hard_label_matters() -> None:
    stop = Stop(batch=1, most=6, first_success=True)
    labeled = label(AdaptiveRollout(stop=stop), {"a\n": "--+-", "a\nb\n": "-"})
    assert counts(labeled) == [(1, 3), (0, 6), (0, 1)]


def test_the_rule_is_on_record_and_completions_are_those_of_a_fixed_count() -> None:
    labeled = label(AdaptiveRollout(stop=Stop(batch=2, most=8)), {"a\n": "++-+", "a\nb\n": "-"})
    settings = labeled.labels[0].origin.settings if labeled.labels[0] else {}
    assert (settings["rule"], settings["batch"], settings["most"]) == ("posterior", 2, 8)
    resources = Resources(policy=drawn({"a\n": "++-+", "a\nb\n": "-"}), verifier=EndsRight())
    fixed = asyncio.run(RolloutLabeler(n=2).label(PROBLEM, TRACE, resources))
    assert counts(labeled)[0] == counts(fixed)[0] == (2, 2)


def test_the_posterior_mean_can_be_the_value_and_the_verdict_stays_what_it_is() -> None:
    labeled = label(AdaptiveRollout(stop=Stop(batch=4, most=4), value="posterior"), {"a\n": "-", "a\nb\n": "+"})
    assert [x.value for x in labeled.labels if x] == [pytest.approx(0.5 / 5), pytest.approx(4.5 / 5), 0.0]
    assert counts(labeled) == [(0, 4), (4, 4), (0, 1)]


def test_undecided_completions_are_no_trials_and_end_the_drawing() -> None:
    labeled = label(AdaptiveRollout(stop=Stop(batch=2, most=4)), {"a\n": "?", "a\nb\n": "?"})
    assert counts(labeled) == [None, None, (0, 1)]
    assert labeled.meta == {"undecided": 8, "failed": 0, "open": 2}


@pytest.mark.parametrize("labeler", [RolloutLabeler(n=3), AdaptiveRollout(stop=Stop(batch=3, most=3))])
def test_a_policy_that_always_fails_leaves_no_label_and_is_counted(labeler: AdaptiveRollout) -> None:
    broken = ScriptedPolicy(script=lambda request, draw: "right", faults=Faults(fail=1.0))
    labeled = asyncio.run(labeler.label(PROBLEM, TRACE, Resources(policy=broken, verifier=EndsRight())))
    assert counts(labeled) == [None, None, (0, 1)]
    assert labeled.meta["failed"] == 6


def test_the_empty_prefix_is_counted_when_asked() -> None:
    right = {"": "+-", "a\n": "+", "a\nb\n": "+"}
    labeled = label(AdaptiveRollout(stop=Stop(batch=2, most=2), root=True), right)
    assert labeled.meta["root"] == {"successes": 1, "trials": 2}
    resources = Resources(policy=drawn(right), verifier=EndsRight())
    fixed = asyncio.run(RolloutLabeler(n=4, root=True).label(PROBLEM, TRACE, resources))
    assert fixed.meta["root"] == {"successes": 2, "trials": 4}
    assert fixed.spend.policy_tokens == 3 * 4


CHOICE = replace(PROBLEM, answer_kind="choice", meta={"options": ["A", "B", "C", "D"]})


def test_guesses_among_options_do_not_make_a_prefix_alive() -> None:
    """A quarter of the completions right is what guessing gives: decisive at tau = .05, open at 1/4 + .05."""
    right = {"a\n": "---+", "a\nb\n": "+"}
    stop = Stop(batch=4, most=16)
    assert counts(label(AdaptiveRollout(stop=stop), right))[0] == (2, 8)
    labeled = label(AdaptiveRollout(stop=stop), right, CHOICE)
    assert counts(labeled)[:2] == [(4, 16), (4, 4)] and labeled.meta["open"] == 1


def refused(make: Callable[[], AdaptiveRollout], problem: Problem) -> str:
    with pytest.raises(LabelError) as caught:
        label(make(), {"a\n": "+", "a\nb\n": "+"}, problem)
    return str(caught.value)


def test_what_multiple_choice_needs_is_asked_for_before_anything_is_drawn() -> None:
    unknown = replace(CHOICE, meta={})
    assert "among how many options" in refused(AdaptiveRollout, unknown)
    assert "first_success" in refused(lambda: AdaptiveRollout(stop=Stop(first_success=True)), CHOICE)
    assert counts(label(AdaptiveRollout(options=4), {"a\n": "+", "a\nb\n": "+"}, unknown))[0] == (4, 4)


@pytest.mark.parametrize("labeler", [RolloutLabeler(), AdaptiveRollout()])
def test_a_problem_without_answer_is_refused_before_anything_is_drawn(labeler: AdaptiveRollout) -> None:
    policy = drawn({})
    with pytest.raises(LabelError, match=r"has no answer.*judge"):
        asyncio.run(labeler.label(replace(PROBLEM, answer=None), TRACE, Resources(policy=policy, verifier=EndsRight())))
    assert not policy.calls


def test_rules_that_cannot_be_are_refused_and_recipes_can_state_them() -> None:
    for broken in ({"batch": 0}, {"batch": 9, "most": 8}, {"confidence": 0.5}, {"prior": (0.0, 1.0)}):
        with pytest.raises(ConfigError):
            Stop(**broken)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="at least 2"):
        AdaptiveRollout(options=1)
    made = build("labeler", {"use": "adaptive", "stop": {"most": 16, "prior": [0.3, 0.9]}, "value": "posterior"})
    assert made == AdaptiveRollout(stop=Stop(most=16, prior=(0.3, 0.9)), value="posterior")
