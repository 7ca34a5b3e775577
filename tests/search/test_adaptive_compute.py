"""Early stopping, adaptive budgets, and searches over stored pools."""

import asyncio
import math
import random

import numpy as np
import pytest
from step_world import PROBLEM, resources, solve

from stepward.errors import ConfigError, ResourceError, ScoreError
from stepward.protocols import Resources
from stepward.search.adaptive import AdaptiveBestOfN
from stepward.search.allocation import by_difficulty, dynamic_budget, marginal_gain
from stepward.search.beam import Beam
from stepward.search.best_of_n import BestOfN
from stepward.search.growth import Growing
from stepward.search.pool import StoredPolicy, StoredScorer
from stepward.search.pruning import Scored, calibrate_pruning, saved_steps
from stepward.search.sequential import SequentialMajority, decided
from stepward.search.voting import Majority, majority
from stepward.segment.cut import from_steps
from stepward.segment.newline import Newline
from stepward.types import SampleRequest, Sampling, StepScores, Trace
from stepward.verifiers.answers import StatedAnswers


def test_marginal_gain_gives_the_published_counts() -> None:
    assert marginal_gain([0.5, 0.1], 4) == [3, 1]


def test_marginal_gain_is_the_best_of_all_allocations() -> None:
    def worth(chances: list[float], counts: tuple[int, ...]) -> float:
        return sum(1 - (1 - p) ** n for p, n in zip(chances, counts, strict=True))

    chance = random.Random(0)
    for _ in range(40):
        chances = [chance.random() for _ in range(3)]
        budget = chance.randint(0, 7)
        found = marginal_gain(chances, budget)
        every = [(a, b, budget - a - b) for a in range(budget + 1) for b in range(budget + 1 - a)]
        assert sum(found) == budget
        assert worth(chances, tuple(found)) == pytest.approx(max(worth(chances, counts) for counts in every))


def test_marginal_gain_keeps_its_limits() -> None:
    assert marginal_gain([0.9, 0.0], 6, least=1, most=3) == [3, 3]
    assert marginal_gain([], 5) == []
    assert marginal_gain([0.4, 0.4], 3) == [2, 1]
    with pytest.raises(ConfigError, match="chance"):
        marginal_gain([1.5], 2)
    with pytest.raises(ConfigError, match="least"):
        marginal_gain([0.5, 0.5], 1, least=1)


def test_dynamic_budget_is_the_published_one() -> None:
    assert dynamic_budget(0.3, eps=0.05, most=10) == 9
    assert dynamic_budget(0.0, eps=0.05, most=10) == 10
    assert dynamic_budget(1.0, eps=0.05, most=10) == 1


def test_each_problem_takes_the_method_that_other_problems_chose() -> None:
    rng = np.random.default_rng(0)
    difficulty = rng.random(400)
    easy = difficulty < 0.5
    correct = np.stack([np.where(easy, 0.9, 0.1), np.where(easy, 0.2, 0.6)], axis=1)
    choice = by_difficulty(list(difficulty), correct, bins=2, folds=4)
    assert np.mean(choice.correct_P) > 0.7 > correct.mean(axis=0).max()
    noise = rng.random((400, 6)) < 0.5
    honest = np.mean(by_difficulty(list(difficulty), noise.astype(float), bins=8, folds=4).correct_P)
    oracle = np.mean(by_difficulty(list(difficulty), noise.astype(float), bins=8, folds=1).correct_P)
    assert abs(honest - 0.5) < 0.06 < oracle - 0.5  # the oracle finds a method in pure noise


def test_a_vote_is_decided_when_no_draw_can_change_it() -> None:
    vote = majority(["7", "7", "7", "8"])
    assert decided(vote, 1, 1.0) and not decided(vote, 2, 1.0)
    assert decided(majority(["7"] * 5), 100, 0.95) and not decided(majority(["7"] * 3), 100, 0.95)
    assert not decided(majority([None, None]), 0, 0.95)


def test_certainty_gives_the_answer_of_the_fixed_n_for_fewer_draws() -> None:
    saved = 0
    for seed in range(30):
        sampling = Sampling(seed=seed)
        live = resources(script=lambda r, d, s=seed: _answer(r, d, s))  # type: ignore[misc]
        full = solve(Majority(n=15, sampling=sampling), live)
        early = solve(SequentialMajority(most=15, batch=1, confidence=1.0, sampling=sampling), live)
        assert early.answer == full.answer
        saved += len(full.traces) - len(early.traces)
    assert saved > 30


def _answer(request: SampleRequest, draw: int, seed: int) -> str:
    return f"The answer is {random.Random(f'{seed} {draw}').choice([7, 7, 7, 8, 9])}."


def test_a_likely_winner_ends_the_drawing_earlier_than_a_certain_one() -> None:
    live = resources(script=lambda request, draw: "The answer is 7.")
    likely = solve(SequentialMajority(most=40, batch=1), live)
    certain = solve(SequentialMajority(most=40, batch=1, confidence=1.0), live)
    assert len(likely.traces) == 4 and len(certain.traces) == 21  # I_1/2(1, 5) = 1 - 1/32 is the first above .95
    assert "4 of 40 draws" in likely.note


def test_sure_scores_ask_for_fewer_samples() -> None:
    easy, hard = resources(), resources(script=lambda request, draw: f"d\nThe answer is {draw}.")
    search = AdaptiveBestOfN(most=32, batch=2, confidence=0.9, quantile=0.1, reduce="min")
    assert len(solve(search, resources(script=lambda r, d: "a\nThe answer is 7.")).traces) < len(
        solve(search, hard).traces
    )
    assert solve(search, easy).chosen is not None
    assert search.needed((None,) * 4) == 32


def test_a_pruning_threshold_keeps_its_promise_on_new_problems() -> None:
    rng = np.random.default_rng(1)

    def draw(count: int) -> list[Scored]:
        return [
            Scored(
                problem_id=f"p{i}", steps=tuple(rng.beta(6, 1, 4) if i % 3 else rng.beta(2, 2, 4)), correct=bool(i % 3)
            )
            for i in range(count)
        ]

    lost, saved = [], []
    for _ in range(60):
        rule = calibrate_pruning(draw(200), lost=0.05)
        new = draw(300)
        assert rule.tau is not None and rule.lost <= 0.05
        right = [trace for trace in new if trace.correct]
        lost.append(np.mean([min(trace.steps) < rule.tau for trace in right]))
        saved.append(saved_steps(new, rule.tau))
    assert np.mean(lost) <= 0.05 + 0.01 and np.mean(saved) > 0.1


def test_few_problems_promise_nothing() -> None:
    rule = calibrate_pruning([Scored(problem_id="p", steps=(0.9,), correct=True)], lost=0.01)
    assert rule.tau is None and rule.saved == 0.0
    with pytest.raises(ScoreError, match="right"):
        calibrate_pruning([Scored(problem_id="p", steps=(0.9,), correct=False)])


def test_all_the_loss_that_is_allowed_is_used_and_ties_are_kept() -> None:
    traces = [Scored(problem_id=f"p{i}", steps=(i / 10, 1.0), correct=True) for i in range(10)]
    rule = calibrate_pruning(traces, lost=0.3)  # (2 + 1) / 11 <= 0.3 < (3 + 1) / 11
    assert rule.tau == 0.2 and rule.lost == pytest.approx(0.2) and rule.saved == pytest.approx(2 / 20)


def _pool() -> tuple[list[Trace], Resources]:
    texts = [["a\n", "b\n", "The answer is 7."], ["a\n", "d\n", "The answer is 8."], ["c\n", "The answer is 8."]]
    values = [(0.9, 0.8, 0.9), (0.9, 0.2, 0.1), (0.5, 0.4)]
    traces = [from_steps("p", steps, separator="", answer=steps[-1][-2]) for steps in texts]
    scores = [StepScores(values=v) for v in values]
    live = Resources(
        policy=StoredPolicy(pools={"p": traces}),
        scorer=StoredScorer(scores={"p": list(zip(traces, scores, strict=True))}),
        segmenter=Newline(),
        answers=StatedAnswers(),
    )
    return traces, live


def test_searches_run_on_a_pool_without_a_model() -> None:
    traces, live = _pool()
    best = solve(BestOfN(n=3, reduce="min"), live)
    assert [t.text for t in best.traces] == [t.text for t in traces] and best.scores == (0.8, 0.1, 0.4)
    assert solve(Majority(n=3), live).answer == "8"
    found = solve(Beam(beams=2, width=6, growing=Growing(reduce="min")), live)
    assert found.answer == "7" and {t.text for t in found.traces} == {t.text for t in traces}


def test_a_pool_says_what_it_does_not_hold() -> None:
    _, live = _pool()
    with pytest.raises(ResourceError, match="begins with"):
        asyncio.run(live.need_policy().sample(SampleRequest(problem=PROBLEM, prefix="zz")))
    stranger = from_steps("p", ["zz\n"])
    with pytest.raises(ScoreError, match="no stored scores"):
        asyncio.run(live.need_scorer().score(PROBLEM, stranger))


def test_marginal_gain_falls_with_every_sample() -> None:
    counts = marginal_gain([0.5, 0.25], 3)
    assert counts == [2, 1] and math.isclose(0.5 * 0.5, 0.25)


def test_a_trace_that_is_good_enough_ends_the_drawing() -> None:
    live = resources(script=lambda request, draw: "a\nThe answer is 7.")  # scores .9 and .8
    search = AdaptiveBestOfN(most=16, batch=2, reduce="min", enough=0.8)
    assert len(solve(search, live).traces) == 2
    assert len(solve(AdaptiveBestOfN(most=16, batch=2, reduce="min", enough=0.85), live).traces) > 2
