"""Promises are kept in simulation: seeds are fixed, margins are several standard errors wide."""

import math
from dataclasses import replace

import numpy as np
import pytest

from stepward.combine.risk import RiskControl, Threshold
from stepward.errors import ConfigError, ScoreError


def world(
    problems: int, each: int, rng: np.random.Generator, *, power: float = 2.0
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Scores that carry something: P(right) = score^power, and the traces of a problem go up and down together."""
    hard = np.repeat(rng.normal(0, 1, problems), each)
    scores = 1 / (1 + np.exp(-(hard + rng.normal(0, 1, problems * each))))
    return scores, rng.random(problems * each) < scores**power, np.repeat(np.arange(problems), each).tolist()


def test_the_formula_by_hand() -> None:
    """n = 9: bound (sum of losses + 1) / 10 <= 0.2 allows one wrong trace; the second wrong one stands at 0.5."""
    scores = [0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.4, 0.3]
    right = [1, 1, 0, 1, 1, 1, 0, 1, 1]
    found = RiskControl(alpha=0.2).fit(scores, right, range(9))
    assert found == Threshold(
        tau=0.6, promise="conformal", alpha=0.2, problems=9, accepted=pytest.approx(6 / 9), risk=pytest.approx(1 / 9)
    )


def test_tied_scores_stand_or_fall_together() -> None:
    found = RiskControl(alpha=0.3).fit([0.9, 0.5, 0.5, 0.5], [1, 1, 0, 0], range(4))
    assert found.tau == 0.9, "taking one of the 0.5 takes two wrong ones"


def test_a_problem_counts_once_however_many_traces_it_has() -> None:
    alone = RiskControl(alpha=0.4).fit([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1], range(4))
    scores, right, problems = [0.9, 0.8, *[0.7] * 50, 0.6], [1, 1, *[0] * 50, 1], [0, 1, *[2] * 50, 3]
    assert RiskControl(alpha=0.4).fit(scores, right, problems).tau == alone.tau == 0.6


def test_too_few_problems_accept_nothing() -> None:
    for promise in ("conformal", "clopper"):
        found = RiskControl(alpha=0.05, promise=promise).fit([0.9] * 10, [1] * 10, range(10))
        assert found.tau is None and not found.accepts(1.0) and found.accepted == 0.0


def test_a_scorer_that_is_always_wrong_uses_up_the_one_promise_and_cannot_make_the_other() -> None:
    scores, wrong = np.linspace(0, 1, 50), [0] * 50
    assert RiskControl(alpha=0.1, promise="clopper").fit(scores, wrong, range(50)).tau is None
    found = RiskControl(alpha=0.1).fit(scores, wrong, range(50))
    assert found.risk == found.accepted == pytest.approx(4 / 50), "(4 + 1) / 51 is below 0.1, (5 + 1) / 51 is not"


def test_a_perfect_scorer_accepts_all() -> None:
    scores = np.linspace(0, 1, 50)
    for promise in ("conformal", "clopper"):
        found = RiskControl(alpha=0.1, promise=promise).fit(scores, [1] * 50, range(50))
        assert found.tau == 0.0 and found.accepted == pytest.approx(1.0) and found.risk == 0.0


@pytest.mark.parametrize("each", [1, 4])
def test_conformal_keeps_its_promise_on_new_problems(each: int) -> None:
    rng = np.random.default_rng(1)
    control, losses = RiskControl(alpha=0.15), []
    for _ in range(400):
        found = control.fit(*world(60, each, rng))
        scores, right, _ = world(50, 1, rng)
        accepted = np.array([found.accepts(score) for score in scores])
        losses.append(float((accepted & ~right).mean()))
    mean, error = np.mean(losses), np.std(losses, ddof=1) / math.sqrt(len(losses))
    assert mean <= 0.15 + 4 * error
    assert mean > 0.09, "and it is no cheap promise: it is nearly used up"


def test_the_plain_mean_without_the_correction_breaks_the_promise() -> None:
    """So the test above can fail: n = 8 and alpha = 1/8 let the plain mean accept one wrong trace too many."""
    rng = np.random.default_rng(2)
    plain, kept = [], []
    for _ in range(1500):
        scores, right, problems = world(8, 1, rng)
        order = np.argsort(-scores)
        allowed = np.flatnonzero(np.cumsum(~right[order]) / 8 <= 0.125)
        naive = scores[order][allowed[-1]] if len(allowed) else math.inf
        found = RiskControl(alpha=0.125).fit(scores, right, problems)
        new, truth, _ = world(10, 1, rng)
        plain.append(float(((new >= naive) & ~truth).mean()))
        kept.append(float((np.array([found.accepts(score) for score in new]) & ~truth).mean()))
    error = np.std(plain, ddof=1) / math.sqrt(1500)
    assert np.mean(plain) > 0.125 + 3 * error
    assert np.mean(kept) <= 0.125


def test_clopper_keeps_its_promise_with_its_confidence() -> None:
    rng = np.random.default_rng(3)
    control, broken, given = RiskControl(alpha=0.2, promise="clopper", delta=0.1), 0, 0
    for _ in range(300):
        found = control.fit(*world(300, 2, rng, power=0.5))
        if found.tau is None:
            continue
        given += 1
        scores, right, _ = world(4000, 1, rng, power=0.5)
        accepted = scores >= found.tau
        broken += bool((~right[accepted]).mean() > 0.2)
    assert given > 200, "it does accept something"
    assert broken <= 300 * 0.1 + 4 * math.sqrt(300 * 0.1 * 0.9)


def test_the_furthest_walk_counts_where_a_bad_patch_ends_the_first() -> None:
    """A quarter of the best 400 is wrong and nothing below them: one walk stops there, a later one does not."""
    scores, right = np.linspace(1, 0, 1000), np.ones(1000)
    right[300:400] = 0
    control = RiskControl(alpha=0.2, promise="clopper")
    found = control.fit(scores, right, range(1000))
    assert (found.tau, found.accepted, found.risk) == (0.0, 1.0, 0.1)
    assert 0.3 <= replace(control, starts=1, grid=10).fit(scores, right, range(1000)).accepted < 0.4


def test_clopper_draws_one_trace_a_problem() -> None:
    scores, right, problems = world(100, 5, np.random.default_rng(0), power=0.5)
    found = RiskControl(alpha=0.5, promise="clopper").fit(scores, right, problems)
    assert found.problems == 100 and 0 < found.accepted <= 1
    again = RiskControl(alpha=0.5, promise="clopper").fit(scores, right, problems)
    assert again == found


def test_wrong_promises_and_scores_are_refused() -> None:
    for wrong in (
        {"alpha": 0.0},
        {"alpha": 1.0},
        {"delta": 0.0},
        {"delta": 1.0},
        {"promise": "vow"},
        {"starts": 0},
        {"starts": 5, "grid": 4},
    ):
        with pytest.raises(ConfigError):
            RiskControl(**{"alpha": 0.1, **wrong})
    with pytest.raises(ScoreError, match="not a finite"):
        RiskControl(alpha=0.1).fit([math.nan, 0.5], [0, 1], [0, 1])
