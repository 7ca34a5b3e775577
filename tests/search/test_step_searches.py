"""What every step-wise search keeps, and what each of them does by hand-checked numbers."""

import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from step_world import PROBLEM, drawn, letters, policy_of, resources, solve

from stepward.budget import Budget
from stepward.errors import ConfigError, ResourceError
from stepward.policies.fake import Faults
from stepward.protocols import Search
from stepward.reward_models.fake import ConstantScorer, HostileScorer, ScriptedScorer
from stepward.search.beam import Beam, shares
from stepward.search.best_first import BestFirst
from stepward.search.dvts import DiverseTrees
from stepward.search.growth import Growing
from stepward.search.mcts import TreeSearch
from stepward.search.particle import ParticleFilter, effective, log_odds, normalised, systematic
from stepward.search.rebase import Rebase, balance
from stepward.search.rejection import StepRejection
from stepward.search.speculative import SpeculativeRejection
from stepward.search.tree import Branch
from stepward.segment.think import Think
from stepward.types import Problem, SampleRequest, Sampling, Trace

GROWING = Growing(sampling=Sampling(max_tokens=8), reduce="mean", max_steps=6)


def searches(growing: Growing = GROWING) -> dict[str, Search]:
    return {
        "beam": Beam(beams=2, width=6, growing=growing),
        "dvts": DiverseTrees(trees=2, width=3, growing=growing),
        "rebase": Rebase(width=6, growing=growing),
        "particle": ParticleFilter(particles=6, growing=growing),
        "paper particle": ParticleFilter(particles=6, weights="replace", growing=growing),
        "gibbs": ParticleFilter(particles=4, sweeps=3, growing=growing),
        "best_first": BestFirst(pops=2, width=3, solutions=2, growing=growing),
        "astar": BestFirst(priority="astar", width=3, solutions=2, growing=growing),
        "rejection": StepRejection(chains=2, accept=0.6, growing=growing),
        "speculative": SpeculativeRejection(n=6, growing=growing),
        "uct": TreeSearch(form="uct", simulations=12, branching=3, growing=growing),
        "puct": TreeSearch(form="puct", simulations=12, branching=3, parallel=3, growing=growing),
        "rest": TreeSearch(form="rest", c=0.7, simulations=8, branching=3, roll=2, growing=growing),
    }


NAMES = list(searches())


@pytest.mark.parametrize("name", NAMES)
def test_a_search_finds_the_answer_and_keeps_its_tree(name: str) -> None:
    found = solve(searches()[name])
    assert found.chosen is not None and found.answer == "7"
    assert found.nodes[0].parent is None
    assert all(node.parent is not None and node.parent <= at for at, node in enumerate(found.nodes[1:]))
    on_path = [node for node in found.nodes if node.chosen]
    assert "".join(node.text for node in on_path) == found.traces[found.chosen].text
    assert [t.finish for t in found.traces] == ["stop"] * len(found.traces)
    assert len(found.scores) == len(found.traces)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_search_twice_is_the_same(name: str) -> None:
    first, second = solve(searches()[name]), solve(searches()[name])
    assert replace(first, spend=second.spend) == second
    assert first.spend.policy_tokens == second.spend.policy_tokens


@pytest.mark.parametrize("name", NAMES)
def test_every_token_is_counted(name: str) -> None:
    live = resources()
    found = solve(searches()[name], live)
    asked = sum(request.n for request in policy_of(live).calls)
    assert found.spend.policy_tokens >= asked > 0  # each draw writes a token at least
    assert found.spend.policy_calls == len(policy_of(live).calls)
    kept = sum({(n.parent, n.text): n.tokens / n.copies for n in found.nodes if n.state != "failed"}.values())
    assert 0 <= found.spend.discarded_tokens <= found.spend.policy_tokens
    assert found.spend.policy_tokens - found.spend.discarded_tokens <= kept


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scorer", ["nan", "infinite", "too few", "too many"])
def test_a_broken_scorer_makes_a_search_abstain_and_say_why(name: str, scorer: str) -> None:
    found = solve(searches()[name], resources(HostileScorer(fault=scorer)))  # type: ignore[arg-type]
    assert found.chosen is None and found.answer is None
    assert "abstained" in found.note and "score" in found.note
    assert len(found.nodes) > 1


@pytest.mark.parametrize("name", NAMES)
def test_equal_scores_are_settled_by_order_of_arrival(name: str) -> None:
    found = solve(searches()[name], resources(ConstantScorer(value=0.5)))
    assert found.chosen is not None
    best = max(score for score in found.scores if score is not None)
    if name not in ("dvts", "rebase", "particle", "paper particle", "gibbs"):  # those vote
        assert found.chosen == found.scores.index(best)


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_that_says_nothing_ends_in_an_abstention(name: str) -> None:
    found = solve(searches()[name], resources(script=lambda request, draw: "\n" * 3))
    assert found.chosen is None and "empty step" in found.note


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_that_repeats_itself_for_ever_is_stopped(name: str) -> None:
    found = solve(searches()[name], resources(script=lambda request, draw: "again\nx"))
    assert found.chosen is None and "repeats" in found.note


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_that_never_ends_is_stopped_at_the_longest_trace(name: str) -> None:
    def counts(request: SampleRequest, draw: int) -> str:
        return f"step {len(request.prefix.split())} {draw}\nx"

    found = solve(searches()[name], resources(script=counts))
    assert found.chosen is None and "no trace was finished" in found.note
    depth = [0]
    for node in found.nodes[1:]:
        assert node.parent is not None
        depth.append(depth[node.parent] + 1)
    stopped = [node for node, d in zip(found.nodes, depth, strict=True) if d == 6]
    assert max(depth) <= 6 and all("not finished after 6 steps" in node.reason for node in stopped)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_without_its_stop_marker_is_cut_at_the_limit_and_stands_behind_whole_traces(name: str) -> None:
    def endless(request: SampleRequest, draw: int) -> str:
        return "word " * 50 if draw % 2 else letters(request, draw)

    found = solve(searches()[name], resources(script=endless))
    cut = [trace for trace in found.traces if trace.finish == "length"]
    if found.chosen is not None and any(trace.finish == "stop" for trace in found.traces):
        assert found.traces[found.chosen].finish == "stop" or name in ("particle", "paper particle", "gibbs")
    assert all(len(trace.text.split()) <= 3 + 8 for trace in cut)


@pytest.mark.parametrize("name", NAMES)
def test_failed_draws_stay_in_the_tree_and_are_never_chosen(name: str) -> None:
    found = solve(searches()[name], resources(faults=Faults(fail=0.3, seed=5)))
    failed = [node for node in found.nodes if "scripted upstream failed" in node.reason]
    assert all(node.state == "failed" and not node.chosen for node in failed)


@pytest.mark.parametrize("name", NAMES)
def test_a_budget_too_small_for_one_step_keeps_the_partial_tree(name: str) -> None:
    found = solve(searches(replace(GROWING, budget=Budget(policy_tokens=1)))[name])
    assert found.chosen is None and "the budget ended" in found.note
    assert len(found.nodes) > 1 and found.spend.policy_tokens > 0


@pytest.mark.parametrize("limit", ["policy_tokens", "scorer_tokens"])
@pytest.mark.parametrize("name", NAMES)
def test_a_budget_is_passed_by_one_batch_at_most(name: str, limit: str) -> None:
    chance = random.Random(f"{name}{limit}")
    for case in range(12):
        budget = Budget(**{limit: chance.randint(1, 120)})
        live = resources(chance.choice([ConstantScorer(value=chance.random()), None]))
        problem = Problem(id=f"p{case}", text="Spell it.")
        found = solve(searches(replace(GROWING, budget=budget))[name], live, problem)
        spent, most = getattr(found.spend, limit), getattr(budget, limit)
        # a batch here is at most 12 draws of 8 tokens, scored as traces of at most 4 lines of at most 40 characters
        assert spent <= most + (12 * 8 if limit == "policy_tokens" else 12 * 160)


def test_a_segmenter_without_stop_strings_is_refused() -> None:
    with pytest.raises(ResourceError, match="stop strings"):
        solve(Beam(growing=GROWING), replace(resources(), segmenter=Think()))


def test_equal_steps_are_one_branch_that_was_drawn_several_times() -> None:
    found = solve(Beam(beams=1, width=4, growing=GROWING), resources(script=_alike))
    assert [node.text for node in found.nodes] == ["", "a\n", "The answer is 7."]
    assert [node.copies for node in found.nodes] == [1, 4, 4]
    assert found.spend.policy_tokens - found.spend.discarded_tokens == sum(n.tokens // n.copies for n in found.nodes)


def _alike(request: SampleRequest, draw: int) -> str:
    return "The answer is 7." if request.prefix else "a\n"


def test_a_beam_goes_on_with_its_best_prefixes_only() -> None:
    def script(request: SampleRequest, draw: int) -> str:
        return "The answer is 7." if request.prefix else "abcd"[draw % 4] + "\n"

    found = solve(Beam(beams=2, width=4, growing=GROWING), live := resources(script=script))
    assert {request.prefix for request in policy_of(live).calls} == {"", "a\n", "b\n"}
    assert {trace.text for trace in found.traces} == {"a\nThe answer is 7.", "b\nThe answer is 7."}


def test_lookahead_changes_what_a_prefix_is_worth() -> None:
    def script(request: SampleRequest, draw: int) -> str:
        first = request.prefix[:1]
        return "ab"[draw % 2] + "\n" if not first else ("d\nThe answer is 8." if first == "a" else "The answer is 7.")

    def first_choice(lookahead: int) -> str:
        growing = replace(GROWING, lookahead=lookahead)
        live = resources(script=script)
        solve(Beam(beams=1, width=2, growing=growing), live)
        return next(request.prefix for request in policy_of(live).calls if request.prefix and request.n == 2)

    assert first_choice(0) == "a\n"  # .9 beats .7
    assert first_choice(1) == "b\n"  # mean(.9, .1) loses to mean(.7, .8)


def test_pruning_gives_up_weak_branches_but_never_the_last() -> None:
    found = solve(DiverseTrees(trees=3, width=2, growing=replace(GROWING, prune_below=0.3)))
    pruned = [node for node in found.nodes if node.state == "pruned"]
    assert pruned and all("below 0.3" in node.reason for node in pruned)
    only_bad = resources(ScriptedScorer(default=0.1))
    assert solve(Beam(beams=1, width=1, growing=replace(GROWING, prune_below=0.3)), only_bad).chosen is not None


def test_dvts_trees_do_not_compete() -> None:
    """The second tree starts from a weak step and still ends."""

    def script(request: SampleRequest, draw: int) -> str:
        return "The answer is 7." if request.prefix else "aad"[min(draw, 2)] + "\n"

    found = solve(DiverseTrees(trees=2, width=2, growing=GROWING), resources(script=script))
    assert {trace.text[0] for trace in found.traces} == {"a", "d"} or len(found.traces) == 1
    live = resources(script=lambda r, d: "The answer is 7." if r.prefix else ("a\n" if d < 2 else "d\n"))
    both = solve(DiverseTrees(trees=2, width=2, growing=GROWING), live)
    assert {trace.text[0] for trace in both.traces} == {"a", "d"}


@pytest.mark.parametrize(("width", "counts"), [(8, [5, 3, 0, 0]), (16, [10, 5, 1, 0])])
def test_rebase_balances_as_published(width: int, counts: list[int]) -> None:
    assert balance([0.9, 0.8, 0.5, 0.2], width, 0.2) == counts


def test_rebase_splits_equals_evenly_and_sums_to_the_width() -> None:
    assert balance([0.5] * 4, 8, 0.2) == [2, 2, 2, 2]
    chance = random.Random(3)
    for _ in range(200):
        scores = sorted((chance.random() for _ in range(chance.randint(1, 9))), reverse=True)
        width = chance.randint(0, 40)
        counts = balance(scores, width, chance.choice([0.01, 0.2, 3.0]))
        assert sum(counts) == width and sorted(counts, reverse=True) == counts


def test_particle_weights_are_the_published_ones() -> None:
    weights = normalised([log_odds(p, 1e-4) for p in (0.9, 0.8, 0.5, 0.2)])
    assert weights == pytest.approx([0.632, 0.281, 0.070, 0.018], abs=1e-3)
    assert effective(weights) == pytest.approx(2.07, abs=5e-3)


def test_systematic_resampling_gives_each_its_share_rounded() -> None:
    chance = random.Random(1)
    for _ in range(300):
        raw = [chance.random() for _ in range(chance.randint(1, 9))]
        weights = [w / sum(raw) for w in raw]
        n = chance.randint(1, 30)
        chosen = systematic(weights, n, chance.random())
        counts = np.bincount(chosen, minlength=len(weights))
        assert len(chosen) == n
        for count, weight in zip(counts, weights, strict=True):
            assert math.floor(n * weight - 1e-9) <= count <= math.ceil(n * weight + 1e-9)


def test_particles_that_cannot_be_told_apart_are_not_resampled() -> None:
    live = resources(ConstantScorer(value=0.4))
    solve(ParticleFilter(particles=6, growing=GROWING), live)
    assert sum(request.n for request in policy_of(live).calls if request.prefix.count("\n") == 2) == 6


def test_rejected_steps_are_written_again_until_one_is_accepted() -> None:
    def script(request: SampleRequest, draw: int) -> str:
        return "The answer is 7." if request.prefix else "ddb"[min(draw, 2)] + "\n"

    live = resources(script=script)
    found = solve(StepRejection(chains=1, accept=0.6, retries=3, growing=replace(GROWING, reduce="last")), live)
    assert [r.first_draw for r in policy_of(live).calls if not r.prefix] == [0, 1, 2]
    assert found.traces[0].text == "b\nThe answer is 7."


def test_speculative_rejection_halves_at_every_step() -> None:
    def script(request: SampleRequest, draw: int) -> str:
        return f"{'abcd'[draw % 4]}\n" if len(request.prefix.split()) < 3 else "The answer is 7."

    live = resources(script=script)
    solve(SpeculativeRejection(n=8, reject=0.5, growing=GROWING), live)
    by_depth = [0, 0, 0, 0]
    for request in policy_of(live).calls:
        by_depth[request.prefix.count("\n")] += request.n
    assert by_depth == [8, 4, 2, 1]


def test_mcts_backs_up_the_mean_and_visits_the_better_child_more() -> None:
    found = solve(TreeSearch(form="uct", simulations=20, branching=4, c=0.2, growing=GROWING))
    children: dict[int, list[int]] = {}
    for at, node in enumerate(found.nodes):
        if node.parent is not None:
            children.setdefault(node.parent, []).append(at)
    for parent, below in children.items():
        seen = [found.nodes[i] for i in below if found.nodes[i].visits]
        if seen:
            visits = sum(node.visits for node in seen)
            mean = sum(node.visits * (node.value or 0.0) for node in seen) / visits
            assert found.nodes[parent].visits == visits
            assert found.nodes[parent].value == pytest.approx(mean)
    first = [found.nodes[i] for i in children[0]]
    assert max(first, key=lambda node: node.visits).text == "a\n"


def test_mcts_ends_when_nothing_is_left_to_try() -> None:
    found = solve(TreeSearch(simulations=1000, branching=2, growing=GROWING), live := resources(script=_alike))
    assert found.answer == "7" and len(policy_of(live).calls) == 2


def test_mcts_ends_with_a_trace_that_is_good_enough() -> None:
    live = resources()
    solve(TreeSearch(simulations=500, branching=3, enough=0.5, growing=GROWING), live)
    assert len(policy_of(live).calls) < 60


def test_best_first_says_that_depths_were_compared() -> None:
    assert "different depth" in solve(BestFirst(growing=GROWING)).note


def test_astar_estimates_the_rest_at_the_rate_so_far() -> None:
    search = BestFirst(priority="astar", expected_steps=4)
    short, long = branch(steps=(0.8,), depth=1), branch(steps=(0.8, 0.8, 0.8), depth=3)
    assert search.promise(short) == pytest.approx(4 * math.log(0.8)) == search.promise(long)
    assert search.promise(branch(steps=(0.9, 0.9, 0.9), depth=3)) > search.promise(short)


def branch(*, steps: tuple[float, ...], depth: int) -> Branch:
    trace = Trace(problem_id="p", text="", steps=())
    return Branch(id=0, parent=None, text="", trace=trace, depth=depth, steps=steps, score=steps[-1])


def test_draws_are_shared_out_evenly() -> None:
    assert shares(16, 3) == [6, 5, 5] and shares(4, 4) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Beam(beams=0),
        lambda: Beam(beams=5, width=4),
        lambda: DiverseTrees(width=0),
        lambda: Rebase(temperature=0),
        lambda: ParticleFilter(particles=0),
        lambda: ParticleFilter(clip=0.5),
        lambda: BestFirst(width=0),
        lambda: StepRejection(retries=-1),
        lambda: SpeculativeRejection(reject=1.0),
        lambda: TreeSearch(roll_share=2),
        lambda: Growing(max_steps=0),
        lambda: Growing(reduce="sum"),
    ],
)
def test_settings_out_of_range_are_refused(make: object) -> None:
    with pytest.raises(ConfigError):
        make()  # type: ignore[operator]


def test_the_problem_of_the_world_is_the_one_asked() -> None:
    assert solve(Beam(growing=GROWING)).problem_id == PROBLEM.id


@pytest.mark.parametrize("name", NAMES)
def test_the_tree_is_the_golden_one(name: str) -> None:
    """Followed by hand once; a search that grows another tree says so here."""
    golden = Path(__file__).parent / "golden" / f"{name.replace(' ', '_')}.txt"
    assert drawn(solve(searches()[name])) == golden.read_text(encoding="utf-8")
