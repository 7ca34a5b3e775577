"""Cascades ask the judge where the classifier is uncertain, and bands keep what they promise."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from stepward.errors import ConfigError, LabelError, ScoreError
from stepward.reward_models.fake import ScriptedScorer
from stepward.reward_models.generative.ballots import Judgement
from stepward.reward_models.generative.cascade import Cascade, LabelledScores, ScorerJudge, fit_band
from stepward.segment.cut import from_steps
from stepward.types import Origin, Problem, Spend

PROBLEM = Problem(id="p", text="?")
TRACE = from_steps("p", ["a", "b", "c", "d", "e"], "\n")
FIRST = ScriptedScorer(scores={"a": 0.99, "b": 0.5, "c": 0.7, "d": 0.3, "e": 0.01})


class Oracle:
    """Gives every asked step 1.0, except those it abstains from."""

    def __init__(self, *silent: int) -> None:
        self.silent, self.asked = silent, []

    async def judge(self, problem, trace, steps=None):
        self.asked.append(tuple(steps))
        values = [1.0 if step in steps and step not in self.silent else None for step in range(len(trace))]
        return Judgement(
            values=tuple(values),
            ballots=(),
            asked=tuple(steps),
            judge=Origin(maker="scorer:oracle", revision="r"),
            spend=Spend(scorer_tokens=100 * len(steps), scorer_calls=1),
        )


def decide(judge, trace=TRACE, **settings):
    return asyncio.run(Cascade(first=FIRST, judge=judge, **settings).decide(PROBLEM, trace))


def test_only_uncertain_steps_are_asked_about_and_the_signals_say_who_decided() -> None:
    judge = Oracle(3)
    found = decide(judge)
    assert judge.asked == [(1, 2, 3)]
    assert found.signals == ("first", "judge", "judge", "abstained", "first")
    assert found.scores.values == (0.99, 1.0, 1.0, 0.3, 0.01) and found.share == pytest.approx(0.6)
    assert found.scores.spend.scorer_tokens == 300 + len(TRACE.text)
    assert found.scores.scorer.settings["signals"] == ["scorer:scripted", "scorer:oracle"]


def test_a_limit_sends_the_most_uncertain_first() -> None:
    judge = Oracle()
    found = decide(judge, most_share=0.4)
    assert judge.asked == [(1, 2)]
    assert found.signals == ("first", "judge", "judge", "over the limit", "first")
    assert decide(judge, most_share=0.0).signals[1] == "over the limit" and len(judge.asked) == 1


def test_certain_traces_cost_no_judge() -> None:
    judge = Oracle()
    found = decide(judge, trace=from_steps("p", ["a", "e"], "\n"))
    assert judge.asked == [] and found.judgement is None and found.share == 0.0
    assert found.scores.values == found.first.values == (0.99, 0.01)
    assert asyncio.run(Cascade(first=FIRST, judge=judge).score(PROBLEM, from_steps("p", []))).values == ()


def test_any_scorer_may_be_the_judge() -> None:
    large = ScriptedScorer(default=0.1)
    found = decide(ScorerJudge(scorer=large))
    assert found.scores.values == (0.99, 0.1, 0.1, 0.1, 0.01)
    assert asyncio.run(ScorerJudge(scorer=large).judge(PROBLEM, TRACE)).values == (0.1,) * 5


def test_signals_of_different_meaning_do_not_mix() -> None:
    with pytest.raises(ScoreError, match=r"says prefix, .* says value"):
        decide(ScorerJudge(scorer=ScriptedScorer(target="value")))

    class Logits:
        async def score(self, problem, trace):
            return replace(await FIRST.score(problem, trace), convention="logit")

    with pytest.raises(ScoreError, match="needs probabilities"):
        asyncio.run(Cascade(first=Logits(), judge=Oracle()).score(PROBLEM, TRACE))
    with pytest.raises(ScoreError, match="needs probabilities"):
        decide(ScorerJudge(scorer=Logits()))


@pytest.mark.parametrize("settings", [{"low": 0.6, "high": 0.4}, {"low": -0.1}, {"high": 1.1}, {"most_share": 1.5}])
def test_bands_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        decide(Oracle(), **settings)


def data(problems: int, steps: int = 4, seed: int = 0) -> LabelledScores:
    """Calibrated scores: a step is good with the chance that its score states."""
    chance = np.random.default_rng(seed)
    probs = chance.beta(0.7, 0.7, problems * steps)
    names = [f"p{i // steps}" for i in range(problems * steps)]
    return LabelledScores(probs_S=probs, good_S=chance.random(len(probs)) < probs, problems_S=names)


def test_a_budget_takes_the_widest_band_within_it() -> None:
    scores = LabelledScores(probs_S=[0.1, 0.4, 0.45, 0.6, 0.8], good_S=[0, 1, 0, 1, 1], problems_S=list("aabbc"))
    band = fit_band(scores, budget=0.5)
    assert (band.share, band.steps, band.problems) == (0.2, 5, 3)  # 0.4 and 0.6 are equally far: both or neither
    wide = fit_band(scores, budget=0.6)
    assert wide.share == 0.6 and wide.low == pytest.approx(0.4) and wide.high == pytest.approx(0.6)
    assert wide.low < 0.4 and wide.high > 0.6 and wide.error == 0.0
    assert fit_band(scores, budget=0.1).error == 0.2


def test_a_risk_takes_the_narrowest_band_whose_bound_holds() -> None:
    scores = LabelledScores(
        probs_S=[0.9] * 18 + [0.6, 0.55], good_S=[1] * 18 + [0, 0], problems_S=[f"p{i}" for i in range(20)]
    )
    assert fit_band(scores, risk=0.2).share == 0.0
    assert fit_band(scores, risk=0.2).bound == pytest.approx(3 / 21)
    band = fit_band(scores, risk=2.5 / 21)
    assert band.bound == pytest.approx(2 / 21) and band.share == 0.05 and band.high == pytest.approx(0.55)
    assert fit_band(scores, risk=0.05).bound == pytest.approx(1 / 21)


def test_the_promised_risk_holds_on_new_problems() -> None:
    risk, made = 0.1, []
    for seed in range(60):
        band = fit_band(data(80, seed=seed), risk=risk)
        fresh = data(400, seed=1000 + seed)
        probs, good = np.asarray(fresh.probs_S), np.asarray(fresh.good_S)
        certain = (probs < band.low) | (probs > band.high)
        made.append((certain & ((probs >= 0.5) != good)).mean())
    assert 0.07 < np.mean(made) <= risk  # the bound is kept, and is not idle


def test_fits_that_cannot_be_trusted_are_refused() -> None:
    with pytest.raises(LabelError, match="2 problems of the fit were trained on"):
        fit_band(data(9), budget=0.3, trained_on={"p1", "p2", "x"})
    with pytest.raises(LabelError, match="no band keeps the risk on 9 problems"):
        fit_band(data(9), risk=0.05)
    with pytest.raises(LabelError, match="no band keeps the budget"):
        fit_band(LabelledScores(probs_S=[0.5, 0.5], good_S=[0, 1], problems_S=["a", "b"]), budget=0.5)
    with pytest.raises(LabelError, match="one problem id each"):
        fit_band(LabelledScores(probs_S=[0.5], good_S=[0], problems_S=["a", "b"]), budget=0.5)


@pytest.mark.parametrize("targets", [{}, {"budget": 0.5, "risk": 0.5}, {"risk": 0.0}, {"budget": 1.0}])
def test_one_target_in_range_is_needed(targets: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="budget or a risk"):
        fit_band(data(9), **targets)
