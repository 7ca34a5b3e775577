import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from stepward.config import build, describe
from stepward.errors import ConfigError, LabelError, ResourceError
from stepward.labelers.adaptive import Stop
from stepward.labelers.halving import Found, Halving
from stepward.labelers.omega import OmegaLabeler
from stepward.labelers.omega_pool import Candidate, Pool, Selection
from stepward.labelers.omega_tree import Growing
from stepward.labelers.rolling import Tally
from stepward.policies.fake import Faults, ScriptedPolicy
from stepward.protocols import Resources
from stepward.segment.cut import cut
from stepward.segment.newline import Newline
from stepward.tree import StepTree
from stepward.types import Json, LabeledTrace, Outcome, Problem, SampleRequest, Trace, Verdict

PROBLEM = Problem(id="p", text="?", answer="right")
STEPS = 8


class EndsRight:
    """equal where the text ends in "right", undecided where it ends in "?"."""

    async def verify(self, problem: Problem, text: str) -> Verdict:
        outcome: Outcome = "undecided" if text.endswith("?") else "equal" if text.endswith("right") else "different"
        return Verdict(outcome=outcome, answer=text[-5:])


class LastWord:
    """Reads the last word as the answer."""

    def extract(self, text: str) -> str | None:
        return text.split()[-1] if text.split() else None

    def canonical(self, answer: str) -> str:
        return answer


def attempt(bad_at: int | None = None, steps: int = STEPS, name: str = "") -> Trace:
    """`steps` lines, "bad" from `bad_at` on; the last line is the answer."""
    lines = ["good" if bad_at is None or i < bad_at else "bad" for i in range(steps - 1)]
    lines = [f"{line}{name}{i}" for i, line in enumerate(lines)]
    return cut("p", "\n".join([*lines, "right" if bad_at is None else "wrong"]), Newline())


def recoverable(request: SampleRequest, draw: int) -> str:
    """Behind a bad step all completions are wrong; elsewhere every second one is, from a random step on."""
    written = request.prefix.count("\n")
    bad = "bad" in request.prefix or draw % 2 == 1
    lines = [f"{'bad' if bad and i > written else 'good'}{i}.{draw}" for i in range(written, STEPS - 1)]
    return "\n".join([*lines, "wrong" if bad else "right"])


def bench(script: Callable[[SampleRequest, int], str] = recoverable, *, failing: float = 0.0) -> Resources:
    policy = ScriptedPolicy(script=script, faults=Faults(fail=failing))
    return Resources(policy=policy, verifier=EndsRight(), segmenter=Newline(), answers=LastWord())


def drawn(resources: Resources) -> int:
    assert isinstance(resources.policy, ScriptedPolicy)
    return sum(call.n for call in resources.policy.calls)


def asked(resources: Resources) -> list[int]:
    """Steps of each prefix that was completed."""
    assert isinstance(resources.policy, ScriptedPolicy)
    return [call.prefix.count("\n") for call in resources.policy.calls]


def label(labeler: OmegaLabeler, trace: Trace, resources: Resources | None = None) -> LabeledTrace:
    return asyncio.run(labeler.label(PROBLEM, trace, resources or bench()))


def harvest(labeler: OmegaLabeler, traces: Sequence[Trace], resources: Resources | None = None) -> list[LabeledTrace]:
    return asyncio.run(labeler.harvest(PROBLEM, traces, resources or bench()))


def counts(labeled: LabeledTrace) -> list[tuple[int | None, int | None] | None]:
    return [(x.successes, x.trials) if x else None for x in labeled.labels]


def values(labeled: LabeledTrace) -> list[float | None]:
    return [x.value if x else None for x in labeled.labels]


def halve(alive: Sequence[bool | None], verify: int = 0) -> tuple[Found, list[int]]:
    """The search over prefixes of which `alive` says whether they live; and which were asked."""
    order: list[int] = []

    async def ask(kept: int) -> Tally:
        order.append(kept)
        lives = alive[kept]
        return Tally(undecided=1) if lives is None else Tally(successes=int(lives), trials=1)

    def lives(tally: Tally) -> bool | None:
        return tally.successes > 0 if tally.trials else None

    found = asyncio.run(Halving(ask=ask, alive=lives, verify=verify).between(0, len(alive) - 1))
    return found, order


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 8, 31, 100])
def test_halving_finds_every_first_error_with_log_many_questions(steps: int) -> None:
    for error in range(steps):
        found, order = halve([kept <= error for kept in range(steps + 1)])
        assert (found.first_error, found.alive, found.dead) == (error, error, error + 1)
        assert len(order) <= math.ceil(math.log2(steps))
        assert list(found.counted) == order


def test_a_prefix_that_cannot_be_decided_ends_the_search_with_what_is_known() -> None:
    found, _ = halve([True, True, None, False, False])
    assert (found.alive, found.dead, found.first_error) == (0, 4, None)
    found, _ = halve([True, True, True, True, True, None, False, False, False])
    assert (found.alive, found.dead, found.first_error) == (4, 6, None)


def test_neighbours_behind_the_error_show_what_was_called_dead_by_bad_luck() -> None:
    unlucky = [True, True, False, True, True, True, False, False, False]
    assert halve([True, True, False, True, False])[0].first_error == 1
    found, _ = halve([True, True, False, True, False], verify=1)
    assert (found.first_error, found.rose) == (3, 1)
    assert halve(unlucky)[0].first_error == 5
    late, order = halve([True, True, False, False, False, True, False, False, False], verify=3)
    assert (late.first_error, late.rose) == (5, 1)
    assert set(order) >= {3, 4, 5}


@pytest.mark.parametrize("error", range(STEPS))
def test_one_search_finds_the_first_error_of_a_wrong_trace(error: int) -> None:
    resources = bench()
    labeled = label(OmegaLabeler(k=4), attempt(error), resources)
    assert labeled.meta["search"] == "found"
    assert labeled.meta["first_error"] == error
    assert labeled.labels[-1] is not None and (labeled.labels[-1].value, labeled.labels[-1].trials) == (0, 1)
    assert drawn(resources) == 4 * (1 + math.log2(STEPS))
    known = [x for x in labeled.labels[:-1] if x]
    assert len(known) == 3 and all(x.trials == 4 and x.source == "tree" for x in known)


def test_steps_that_were_not_asked_have_no_value_unless_the_gaps_are_filled() -> None:
    assert counts(label(OmegaLabeler(k=4), attempt(5))) == [None, None, None, (2, 4), (2, 4), (0, 4), None, (0, 1)]
    filled = label(OmegaLabeler(k=4, fill="monotone"), attempt(5))
    assert values(filled) == [1, 1, 1, 1, 1, 0, 0, 0]
    assert filled.target == "prefix" and filled.first_error == 5


def test_a_right_trace_costs_its_verdict_and_nothing_else() -> None:
    resources = bench()
    labeled = label(OmegaLabeler(), attempt(), resources)
    assert (labeled.meta["search"], drawn(resources), labeled.spend.verifier_calls) == ("right", 0, 1)
    assert counts(labeled) == [None] * 7 + [(1, 1)]
    assert values(label(OmegaLabeler(fill="monotone"), attempt())) == [1] * STEPS


def test_a_problem_that_is_never_solved_gives_no_values() -> None:
    labeled = label(OmegaLabeler(k=4, fill="monotone"), attempt(3), bench(lambda request, draw: "wrong"))
    assert labeled.meta["search"] == "unsolvable" and labeled.meta["first_error"] is None
    assert values(labeled) == [None] * 7 + [0]


def test_a_problem_may_be_taken_for_solvable() -> None:
    resources = bench(lambda request, draw: "right" if request.prefix == "good0\n" else "wrong")
    labeled = label(OmegaLabeler(k=4, root=False), attempt(1), resources)
    assert labeled.meta["first_error"] == 1
    assert 0 not in asked(resources)
    dead = label(OmegaLabeler(k=4, root=False), attempt(1), bench(lambda request, draw: "wrong"))
    assert dead.meta["first_error"] == 0


def test_short_traces() -> None:
    assert label(OmegaLabeler(), attempt(0, steps=1)).meta["first_error"] == 0
    empty = label(OmegaLabeler(), cut("p", "", Newline()))
    assert (empty.labels, empty.meta["search"]) == ((), "no steps")
    undecided = label(OmegaLabeler(), cut("p", "a\nb?", Newline()))
    assert (undecided.labels, undecided.meta["search"]) == ((None, None), "undecided")


def test_a_trace_cut_short_is_asked_from_its_end() -> None:
    alive = label(OmegaLabeler(k=4), cut("p", "good0\ngood1\n", Newline(), finish="length"))
    assert (alive.meta["search"], counts(alive)) == ("open end", [None, (2, 4)])
    dead = label(OmegaLabeler(k=4), cut("p", "good0\ngood1\nbad2\nbad3\n", Newline(), finish="length"))
    assert dead.meta["first_error"] == 2
    assert counts(dead) == [None, (2, 4), (0, 4), (0, 4)]


def test_stopping_at_the_first_success_finds_the_same_errors_with_fewer_completions() -> None:
    stop = Stop(batch=1, most=4, first_success=True)
    for error in range(STEPS):
        fixed, sequential = bench(), bench()
        one = label(OmegaLabeler(k=4), attempt(error), fixed)
        two = label(OmegaLabeler(stop=stop), attempt(error), sequential)
        assert one.meta["first_error"] == two.meta["first_error"] == error
        assert drawn(sequential) < drawn(fixed)
    assert two.labels[-1] is not None and two.labels[-1].origin.settings["rule"] == "first success"


def test_a_posterior_that_is_never_decisive_goes_by_its_larger_half() -> None:
    labeled = label(OmegaLabeler(stop=Stop(batch=4, most=16, threshold=0.2)), attempt(2))
    assert labeled.meta["first_error"] == 2


def test_together_and_one_by_one_give_the_same_labels_and_shared_prefixes_are_paid_once() -> None:
    traces = [attempt(2), attempt(6), attempt(), attempt(2)]
    resources = bench()
    together = asyncio.run(OmegaLabeler().label_all(PROBLEM, traces, resources))
    alone = [label(OmegaLabeler(), trace) for trace in traces]
    assert [x.labels for x in together] == [x.labels for x in alone]
    assert [x.meta for x in together] == [x.meta for x in alone]
    assert [x.spend.policy_tokens > 0 for x in together] == [True, True, False, False]
    assert sum(x.spend.policy_tokens for x in together) < sum(x.spend.policy_tokens for x in alone)


def test_what_cannot_be_labelled_is_named() -> None:
    with pytest.raises(LabelError, match="has no answer"):
        asyncio.run(OmegaLabeler().label(replace(PROBLEM, answer=None), attempt(1), bench()))
    with pytest.raises(LabelError, match=r"could be decided.*8 undecided"):
        label(OmegaLabeler(), attempt(1), bench(lambda request, draw: "what?"))
    with pytest.raises(LabelError, match=r"could be decided.*32 failed"):
        harvest(OmegaLabeler(), [attempt(1)], bench(failing=1.0))
    with pytest.raises(ResourceError, match="needs a policy"):
        label(OmegaLabeler(), attempt(1), Resources(verifier=EndsRight()))


def test_any_of_k_is_refused_for_multiple_choice_and_a_posterior_counts_from_the_chance_level() -> None:
    choice = replace(PROBLEM, answer_kind="choice")
    with pytest.raises(LabelError, match="multiple choice"):
        asyncio.run(OmegaLabeler().label(choice, attempt(1), bench()))
    labeler = OmegaLabeler(stop=Stop(most=16), options=4)
    assert asyncio.run(labeler.label(choice, attempt(1), bench())).meta["first_error"] == 1


def test_settings_out_of_range_are_named() -> None:
    for wrong in ({"k": 0}, {"verify": -1}, {"fill": "up"}, {"options": 1}):
        with pytest.raises(ConfigError):
            OmegaLabeler(**wrong)  # type: ignore[arg-type]
    for wrong in ({"searches": 0}, {"tokens": 0}, {"keep": "none"}, {"screen": 0}):
        with pytest.raises(ConfigError):
            Growing(**wrong)  # type: ignore[arg-type]
    for constants in ({"alpha": 0.0}, {"beta": 2.0}, {"length": 0.0}, {"c_puct": -1.0}):
        with pytest.raises(ConfigError):
            Selection(**constants)


def test_a_recipe_can_name_every_setting() -> None:
    spec: Json = {
        "use": "omega",
        "stop": {"first_success": True, "batch": 1, "most": 4},
        "grow": {"searches": 5, "keep": "all", "selection": {"alpha": 0.25}},
    }
    made = build("labeler", spec)
    assert made == OmegaLabeler(
        stop=Stop(first_success=True, batch=1, most=4),
        grow=Growing(searches=5, keep="all", selection=Selection(alpha=0.25)),
    )
    assert build("labeler", describe(made)) == made


def test_the_paper_s_constants_and_worked_values() -> None:
    chosen = Selection()
    assert (chosen.alpha, chosen.beta, chosen.length, chosen.c_puct) == (0.5, 0.9, 500, 0.125)
    assert (OmegaLabeler().k, Growing().searches, Growing().screen) == (8, 100, 32)
    assert chosen.quality(0.75, 250) == pytest.approx(0.7977, abs=1e-4)
    assert chosen.quality(0.25, 1000) == pytest.approx(0.4816, abs=1e-4)
    assert chosen.exploration(visits=2, total=9) == pytest.approx(0.125)


def test_the_pool_gives_the_best_pair_first_and_the_earlier_of_equals() -> None:
    tree, pool = StepTree(PROBLEM), Pool(selection=Selection(c_puct=0.0))
    often, seldom = tree.add_step(tree.root, "often"), tree.add_step(tree.root, "seldom")
    often.count(7, 8)
    seldom.count(1, 8)
    names = ["a", "b", "c", "d"]
    pairs = zip(names, [seldom, often, often, often], [10, 100, 10, 10], strict=True)
    pool.extend(Candidate(state=s, trace=cut("p", name, Newline()), tokens=t) for name, s, t in pairs)
    pool.extend([Candidate(state=often, trace=cut("p", "d", Newline()), tokens=10)])
    popped = [found.trace.text for _ in range(5) if (found := pool.pop())]
    assert popped == ["c", "d", "b", "a"]
    assert (often.visits, seldom.visits) == (3, 1)


def test_states_that_were_searched_often_give_way_to_others() -> None:
    tree, pool = StepTree(PROBLEM), Pool(selection=Selection(c_puct=10.0))
    states = [tree.add_step(tree.root, name) for name in "ab"]
    states[0].count(7, 8)
    states[1].count(1, 8)
    for name in "xyz":
        pool.extend(Candidate(state=s, trace=cut("p", s.text + name, Newline()), tokens=1) for s in states)
    order = [found.state.text for _ in range(4) if (found := pool.pop())]
    assert order == ["a", "b", "a", "b"]


def test_a_tree_brings_home_its_searched_rollouts_beside_right_ones() -> None:
    resources = bench()
    done = harvest(OmegaLabeler(k=4, grow=Growing(searches=3, screen=8)), [attempt(5), attempt()], resources)
    given, own = done[:2], done[2:]
    assert [x.trace for x in given] == [attempt(5), attempt()]
    assert given[0].meta["first_error"] == 5
    assert {x.verdict.outcome for x in own if x.verdict} == {"equal", "different"}
    assert all(x.trace.text.count("\n") == STEPS - 1 and x.trace.segmenter == "newline@1" for x in own)
    assert all(x.trace.answer == x.trace.text.split()[-1] for x in own)
    assert len({x.trace.text for x in done}) == len(done)
    assert all(any(label and label.trials == 4 for label in x.labels) for x in own)
    tree = done[0].meta["tree"]
    assert isinstance(tree, dict) and tree["searches"] == 3 and tree["stopped"] == "searches used up"
    assert done[0].meta["root"] == {"successes": 4, "trials": 8}


def test_the_first_record_bears_the_whole_cost_and_what_comes_home_is_not_discarded() -> None:
    resources = bench()
    labeler = OmegaLabeler(k=4, grow=Growing(searches=3, screen=8, keep="all"))
    done = harvest(labeler, [attempt(5)], resources)
    assert done[0].spend.policy_tokens > 0 and all(x.spend.tokens == 0 for x in done[1:])
    assert 0 <= done[0].spend.discarded_tokens < done[0].spend.policy_tokens
    few = harvest(OmegaLabeler(k=4, grow=Growing(searches=3, screen=8, keep="searched")), [attempt(5)])
    pairs = harvest(OmegaLabeler(k=4, grow=Growing(searches=3, screen=8)), [attempt(5)])
    assert len(few) < len(pairs) < len(done)
    assert few[0].spend.discarded_tokens > pairs[0].spend.discarded_tokens > done[0].spend.discarded_tokens
    assert {x.verdict.outcome for x in few[1:] if x.verdict} <= {"different"}


def test_the_same_call_gives_the_same_tree() -> None:
    labeler = OmegaLabeler(k=4, verify=2, grow=Growing(searches=10))
    traces = [attempt(5), attempt(2, name="b"), attempt()]
    assert harvest(labeler, traces) == harvest(labeler, traces)


def test_a_tree_stops_when_nothing_is_left_or_tokens_are_used_up() -> None:
    def stopped(grow: Growing) -> tuple[object, int]:
        tree = harvest(OmegaLabeler(k=2, grow=grow), [attempt(5)])[0].meta["tree"]
        assert isinstance(tree, dict) and isinstance(tree["searches"], int)
        return tree["stopped"], tree["searches"]

    assert stopped(Growing(screen=2, tokens=1)) == ("tokens used up", 0)
    reason, searches = stopped(Growing(screen=2, searches=1000))
    assert reason == "nothing left to search" and searches > 2


@pytest.mark.parametrize(("word", "reason"), [("right", "dropped: all right"), ("wrong", "dropped: all wrong")])
def test_problems_that_are_always_or_never_solved_are_dropped_and_say_so(word: str, reason: str) -> None:
    always = bench(lambda request, draw: word)
    done = harvest(OmegaLabeler(), [attempt(3) if word == "wrong" else attempt()], always)
    tree = done[0].meta["tree"]
    assert len(done) == 1 and isinstance(tree, dict) and tree["stopped"] == reason
    assert drawn(always) == 32 and asked(always) == [0]
    alone = harvest(OmegaLabeler(), [], bench(lambda request, draw: word))
    assert [x.trace.text for x in alone] == [word]


def test_a_wrong_given_trace_is_searched_though_every_completion_of_the_problem_is_right() -> None:
    resources = bench(lambda request, draw: "wrong" if "bad" in request.prefix else "right")
    done = harvest(OmegaLabeler(), [attempt(3)], resources)
    assert done[0].meta["first_error"] == 3


def test_a_state_keeps_its_cuts_where_the_segmenter_would_move_them() -> None:
    def script(request: SampleRequest, draw: int) -> str:
        return "right" if draw % 2 == 0 and "bad" not in request.prefix else f"\n\nbad{draw} wrong"

    given = replace(cut("p", "good0 good1\nbad2\nwrong", Newline()), segmenter="given@1")
    done = harvest(OmegaLabeler(k=2, grow=Growing(keep="all")), [given], bench(script))
    assert all("".join(x.trace.step_texts) == x.trace.text for x in done)
    assert any(x.trace.step_texts[:1] == ("good0 good1\n",) for x in done[1:])
