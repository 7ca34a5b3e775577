import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from stepward.config import build
from stepward.errors import ConfigError, LabelError
from stepward.labelers.error_posterior import Beliefs, ErrorPosterior
from stepward.labelers.first_error import FirstErrorSearch
from stepward.labelers.rollout import RolloutLabeler
from stepward.policies.fake import Faults, ScriptedPolicy
from stepward.protocols import Resources
from stepward.segment.cut import from_steps
from stepward.types import LabeledTrace, Problem, SampleRequest, Trace, Verdict, content_key

PROBLEM = Problem(id="p", text="?", answer="right")
Chance = Callable[[int], float]


class EndsRight:
    async def verify(self, problem: Problem, text: str) -> Verdict:
        return Verdict(
            outcome="undecided" if text.endswith("?") else "equal" if text.endswith("right") else "different"
        )


def attempt(steps: int, end: str = "wrong", finish: str = "stop") -> Trace:
    return from_steps("p", [*(f"step {at}" for at in range(steps - 1)), end], "\n", finish=finish)  # type: ignore[arg-type]


def completer(alive: Chance) -> ScriptedPolicy:
    """A completion of the prefix of i steps ends right with chance `alive(i)`, in words of its own."""

    def text(request: SampleRequest, draw: int) -> str:
        number = int(content_key(request.prefix, draw)[:12], 16) / 16**12
        return f"own words {draw}\n" + ("right" if number < alive(request.prefix.count("\n")) else "wrong")

    return ScriptedPolicy(script=text)


def search(labeler: FirstErrorSearch, trace: Trace, policy: ScriptedPolicy, problem: Problem = PROBLEM) -> LabeledTrace:
    return asyncio.run(labeler.label(problem, trace, Resources(policy=policy, verifier=EndsRight())))


def drawn(policy: ScriptedPolicy) -> int:
    return sum(request.n for request in policy.calls)


@pytest.mark.parametrize("dead", [1, 3, 7, 12, 16])
def test_the_first_dead_prefix_is_found_with_a_fraction_of_the_completions(dead: int) -> None:
    policy = completer(lambda steps: 0.9 if steps < dead else 0.0)
    trace = attempt(16)
    labeled = search(FirstErrorSearch(), trace, policy)
    assert labeled.first_error == dead - 1
    assert [label.value for label in labeled.labels if label] == [1.0] * (dead - 1) + [0.0] * (17 - dead)
    assert labeled.target == "prefix" and labeled.meta["why"] in ("sure", "told")
    assert drawn(policy) <= 8 * 15 / 4


def test_it_is_as_often_right_as_eight_completions_of_every_prefix_at_a_quarter_of_the_tokens() -> None:
    """Errors anywhere in ten steps; half of the completions of what is alive end right, a twentieth of the rest."""
    places = [1 + int(content_key(seed)[:4], 16) % 10 for seed in range(60)]
    found: dict[str, list[bool]] = {"search": [], "eight": []}
    tokens = dict.fromkeys(found, 0)
    labelers = {"search": FirstErrorSearch(explore=2, least=0.02), "eight": RolloutLabeler()}
    for seed, dead in enumerate(places):
        trace = from_steps("p", [f"{seed}.{at}" for at in range(9)] + ["wrong"], "\n")
        for name, labeler in labelers.items():
            resources = Resources(policy=completer(lambda n, d=dead: 0.5 if n < d else 0.05), verifier=EndsRight())
            labeled = asyncio.run(labeler.label(PROBLEM, trace, resources))
            found[name].append(labeled.first_error == dead - 1)
            tokens[name] += labeled.spend.policy_tokens
    assert sum(found["search"]) >= sum(found["eight"]) > 30
    assert tokens["search"] <= tokens["eight"] / 4


def test_a_right_trace_costs_nothing_and_can_be_searched_all_the_same() -> None:
    policy = completer(lambda steps: 0.5)
    labeled = search(FirstErrorSearch(), attempt(4, "right"), policy)
    assert [x.value for x in labeled.labels if x] == [1.0] * 4 and labeled.meta["why"] == "right" and not policy.calls
    searched = search(FirstErrorSearch(right="search"), attempt(4, "right"), policy)
    assert searched.first_error is None and policy.calls


def test_a_problem_that_nobody_solves_gets_no_label_instead_of_zeros() -> None:
    labeled = search(FirstErrorSearch(beliefs=Beliefs(unsolvable=0.5)), attempt(4), completer(lambda steps: 0.0))
    assert labeled.labels == (None,) * 4
    assert labeled.meta["why"] == "unsolvable" and labeled.meta["root"]["trials"] >= 4  # type: ignore[index, call-overload]


def test_a_policy_or_verifier_that_says_nothing_leaves_the_labels_out() -> None:
    undecided = search(FirstErrorSearch(), attempt(4, "?"), completer(lambda steps: 1.0))
    assert undecided.labels == (None,) * 4 and undecided.meta["why"] == "undecided"
    broken = ScriptedPolicy(script=lambda request, draw: "right", faults=Faults(fail=1.0))
    labeled = search(FirstErrorSearch(labels="counts"), attempt(4), broken)
    assert [label and (label.successes, label.trials) for label in labeled.labels] == [None, None, None, (0, 1)]
    assert labeled.meta["failed"] == drawn(broken) == labeled.meta["completions"]
    assert search(FirstErrorSearch(), attempt(4), broken).labels == (None,) * 4, "a guess from the prior is no label"


def test_right_completions_vouch_for_the_steps_that_they_repeat() -> None:
    """Completions of the problem repeat two steps of the trace word for word and then part with it."""
    policy = ScriptedPolicy(script=lambda request, draw: "step 0\nstep 1\nanother\nright")
    trace = attempt(5)
    labeled = search(FirstErrorSearch(explore=6), trace, policy)
    assert labeled.first_error == 2
    assert {request.prefix for request in policy.calls} == {""}
    blind = search(FirstErrorSearch(explore=6, paths=False), trace, policy)
    assert blind.first_error != 2 or len({request.prefix for request in policy.calls}) > 1


def test_right_siblings_vouch_only_where_that_is_asked_for() -> None:
    wrong, right = attempt(5), from_steps("p", ["step 0", "step 1", "other", "right"], "\n")
    policy = completer(lambda steps: 0.0 if steps > 2 else 0.8)

    def together(siblings: bool) -> list[LabeledTrace]:
        labeler = FirstErrorSearch(siblings=siblings)
        return asyncio.run(labeler.label_all(PROBLEM, [wrong, right], Resources(policy=policy, verifier=EndsRight())))

    alone = search(FirstErrorSearch(), wrong, policy)
    assert together(False)[0].labels == alone.labels and together(False)[0].meta == alone.meta
    assert together(True)[0].meta != alone.meta


def test_traces_share_completions_and_the_first_bears_their_cost() -> None:
    policy = completer(lambda steps: 0.9 if steps < 3 else 0.0)
    resources = Resources(policy=policy, verifier=EndsRight())
    first, second = asyncio.run(FirstErrorSearch().label_all(PROBLEM, [attempt(6), attempt(6)], resources))
    assert first.labels == second.labels
    assert first.spend.policy_tokens > 0 == second.spend.policy_tokens


def test_counts_are_value_labels_of_what_was_completed_and_soft_labels_are_chances() -> None:
    policy = completer(lambda steps: 0.9 if steps < 5 else 0.0)
    counts = search(FirstErrorSearch(labels="counts"), attempt(12), policy)
    assert counts.target == "value"
    assert any(label is None for label in counts.labels) and counts.labels[-1] is not None
    assert sum(x.trials or 0 for x in counts.labels[:-1] if x) + 4 == counts.meta["completions"]
    soft = [x.value for x in search(FirstErrorSearch(labels="soft", least=0.005), attempt(12), policy).labels if x]
    assert soft == sorted(soft, reverse=True) and soft[3] > 0.7 > 0.3 > soft[4] > 0.0


def test_a_trace_that_recovers_is_found_by_looking_behind_its_error() -> None:
    """Dead from two steps to three, alive again from four on."""
    policy = completer(lambda steps: 0.0 if steps in (2, 3) else 0.95)
    trusting = search(FirstErrorSearch(), attempt(5), policy)
    assert trusting.meta["recovers"] is False
    careful = search(FirstErrorSearch(verify=3), attempt(5), completer(lambda steps: 0.0 if steps == 2 else 0.95))
    steady = search(FirstErrorSearch(verify=3), attempt(5), completer(lambda steps: 0.0 if steps >= 2 else 0.95))
    assert steady.meta["recovers"] is False and steady.first_error == 1
    assert careful.first_error == 4 or careful.meta["recovers"] is True


def test_a_trace_cut_short_may_have_no_error_at_all() -> None:
    labeled = search(FirstErrorSearch(), attempt(4, "step 3", finish="length"), completer(lambda steps: 0.9))
    assert labeled.first_error is None


def test_guessing_among_options_does_not_keep_a_dead_prefix_alive() -> None:
    choice = replace(PROBLEM, answer_kind="choice", meta={"options": 4})
    policy = completer(lambda steps: 0.95 if steps < 3 else 0.25)
    hits = sum(
        search(
            FirstErrorSearch(most=24, least=0.005),
            from_steps("p", [*(f"{s}.{at}" for at in range(5)), "wrong"], "\n"),
            policy,
            choice,
        ).first_error
        == 2
        for s in range(10)
    )
    assert hits >= 8
    with pytest.raises(LabelError, match="among how many options"):
        search(FirstErrorSearch(), attempt(3), policy, replace(choice, meta={}))


def test_empty_traces_and_problems_without_answer() -> None:
    policy = completer(lambda steps: 0.9)
    assert search(FirstErrorSearch(), from_steps("p", [], "\n"), policy).labels == ()
    with pytest.raises(LabelError, match="has no answer"):
        search(FirstErrorSearch(), attempt(3), policy, replace(PROBLEM, answer=None))
    assert not policy.calls


def test_settings_out_of_range_are_refused_and_recipes_can_state_them() -> None:
    for broken in ({"labels": "all"}, {"batch": 0}, {"confidence": 1.0}, {"explore": -1}):
        with pytest.raises(ConfigError):
            FirstErrorSearch(**broken)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="less often"):
        Beliefs(alive=(1.0, 3.0), dead=(1.0, 1.0))
    made = build("labeler", {"use": "first_error", "beliefs": {"hazard": 0.1, "dead": [0.1, 1.0]}})
    assert made == FirstErrorSearch(beliefs=Beliefs(hazard=0.1, dead=(0.1, 1.0)))


def posterior(steps: int, spotless: bool = False) -> ErrorPosterior:
    return ErrorPosterior(steps=steps, spotless=spotless)


def test_before_any_completion_the_posterior_is_the_prior() -> None:
    chances = posterior(3, spotless=True).chances()
    assert chances.tolist() == pytest.approx([0.03, 0.97 * 0.2, 0.97 * 0.16, 0.97 * 0.128, 0.97 * 0.512])


def by_hand(successes: Sequence[int], failures: Sequence[int], beliefs: Beliefs) -> np.ndarray:
    """Bayes' rule with theta on a grid, for a trace of as many steps."""
    steps, grid = len(successes), (np.arange(200_000) + 0.5) / 200_000
    weights = []
    for first in range(steps + 1):
        prior = (
            beliefs.unsolvable if first == 0 else (1 - beliefs.unsolvable) * 0.2 * 0.8 ** (first - 1) / (1 - 0.8**steps)
        )
        for at, (k, f) in enumerate(zip(successes, failures, strict=True)):
            a, b = beliefs.alive if first > at else beliefs.dead
            density = grid ** (a - 1) * (1 - grid) ** (b - 1)
            prior *= (density * grid**k * (1 - grid) ** f).sum() / density.sum()
        weights.append(prior)
    return np.array(weights) / sum(weights)


def test_counts_move_the_posterior_as_bayes_rule_says() -> None:
    beliefs = Beliefs(alive=(1.0, 1.0), dead=(1.2, 4.0))
    found = ErrorPosterior(steps=3, spotless=False, beliefs=beliefs)
    for at, (k, f) in enumerate(zip((1, 2, 0), (0, 1, 3), strict=True)):
        for _ in range(k):
            found.succeeded(at)
        for _ in range(f):
            found.failed(at)
    assert found.chances().tolist() == pytest.approx(by_hand((1, 2, 0), (0, 1, 3), beliefs).tolist(), abs=1e-4)


def test_what_a_completion_tells_is_the_expected_fall_in_entropy() -> None:
    def entropy(chances: np.ndarray) -> float:
        return float(-(chances * np.log(chances)).sum())

    for origin in range(4):
        before, right, wrong = posterior(4), posterior(4), posterior(4)
        right.succeeded(origin)
        wrong.failed(origin)
        chances = before.chances()
        alive = chances[origin + 1 :].sum()
        likely = alive * 0.5 + (1 - alive) * 0.12 / 1.12
        after = likely * entropy(right.chances()) + (1 - likely) * entropy(wrong.chances())
        assert before.tells(4)[origin] == pytest.approx(entropy(chances) - after, abs=1e-9)


def test_a_solution_that_leaves_the_trace_hints_at_the_step_most_where_solutions_read_alike() -> None:
    alike, own = posterior(5), posterior(5)
    alike.went(0, 3)
    own.went(0, 0)
    assert alike.chances().argmax() == 4
    assert alike.chances()[4] > own.chances()[1] > posterior(5).chances()[1]
