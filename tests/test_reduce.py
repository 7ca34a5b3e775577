import asyncio
import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepward.errors import ConfigError, ScoreError
from stepward.reduce import CLIP, NEEDS_PROBABILITIES, REDUCERS, Reduced, reducer
from stepward.types import Convention, Origin, Problem, Spend, Step, StepScores, Trace

SCORES = (0.9, 0.8, 0.3, 0.6)
PROBLEM = Problem(id="p", text="?")


@dataclass(frozen=True)
class FixedScorer:
    values: tuple[float, ...]
    convention: Convention = "probability"

    async def score(self, problem: Problem, trace: Trace) -> StepScores:
        scorer = Origin(maker="prm:fixed", revision="r1", settings={"window": 8}, seed=3)
        return StepScores(
            values=self.values, convention=self.convention, scorer=scorer, spend=Spend(scorer_tokens=7, scorer_calls=1)
        )


def trace_of(steps: int) -> Trace:
    return Trace(problem_id="p", text="x" * steps, steps=tuple(Step(i, i + 1) for i in range(steps)))


@pytest.mark.parametrize(
    ("how", "value"),
    [
        ("product", 0.1296),
        ("geometric_mean", 0.6),
        ("min", 0.3),
        ("mean", 0.65),
        ("last", 0.6),
        ("max", 0.9),
        ("sum_logits", 3.142),
        ("mean_odds", 3.732),
        ("soft_min", 0.433),
        ("alpha:0", 0.1296),
        ("alpha:1", 0.6),
        ("alpha", math.exp(math.log(0.1296) / 2)),
    ],
)
def test_every_reducer_gives_the_golden_number(how: str, value: float) -> None:
    assert reducer(how)(SCORES) == pytest.approx(value, abs=1e-3)


def test_deleting_a_step_raises_the_product() -> None:
    kept = (0.9, 0.8, 0.6)
    assert reducer("product")(kept) == pytest.approx(0.432)
    assert reducer("geometric_mean")(kept) == pytest.approx(0.756, abs=1e-3)
    assert reducer("product")(kept) > reducer("product")(SCORES)


@pytest.mark.parametrize("how", REDUCERS)
def test_no_steps_have_no_score(how: str) -> None:
    with pytest.raises(ScoreError, match="without steps"):
        REDUCERS[how]([])


@pytest.mark.parametrize("how", REDUCERS)
@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_refused_by_step(how: str, broken: float) -> None:
    with pytest.raises(ScoreError, match="step 1"):
        REDUCERS[how]([0.5, broken])


@pytest.mark.parametrize("how", REDUCERS)
def test_only_formulas_of_chance_demand_probabilities(how: str) -> None:
    if how in NEEDS_PROBABILITIES:
        with pytest.raises(ScoreError, match="no probability"):
            REDUCERS[how]([0.5, 1.5])
    else:
        assert math.isfinite(REDUCERS[how]([-3.0, 7.0]))


def test_certain_scores_stay_finite_and_a_zero_makes_a_product_zero() -> None:
    assert reducer("product")([1.0, 0.0]) == reducer("geometric_mean")([0.0, 1.0]) == 0.0
    assert reducer("sum_logits")([1.0]) == pytest.approx(math.log((1 - CLIP) / CLIP))
    assert reducer("sum_logits")([0.0]) == pytest.approx(-math.log((1 - CLIP) / CLIP))
    assert reducer("mean_odds")([1.0, 0.0]) == pytest.approx((1 - CLIP) / CLIP / 2)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_reducers_keep_their_order(scores: list[float]) -> None:
    slack = 1e-12
    value = {how: REDUCERS[how](scores) for how in ("product", "geometric_mean", "min", "mean", "max", "soft_min")}
    assert value["product"] <= value["min"] + slack
    assert value["min"] <= value["geometric_mean"] + slack
    assert value["geometric_mean"] <= value["mean"] + slack
    assert value["min"] - slack <= value["soft_min"] <= value["mean"] + slack
    assert value["mean"] <= value["max"] + slack


def test_soft_min_spans_from_mean_to_min() -> None:
    assert reducer("soft_min:1e-6")(SCORES) == pytest.approx(0.65, abs=1e-4)
    assert reducer("soft_min:1e5")(SCORES) == pytest.approx(0.3, abs=1e-4)


@pytest.mark.parametrize("how", ["prodct", "min:3", "alpha:2", "alpha:x", "soft_min:0", "soft_min:nan", ""])
def test_a_wrong_name_or_setting_is_refused_at_once(how: str) -> None:
    with pytest.raises(ConfigError):
        reducer(how)


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean product"):
        reducer("prodct")


def test_reduced_scores_a_trace_and_says_who_did_and_at_what_cost() -> None:
    score = asyncio.run(Reduced(scorer=FixedScorer(SCORES), how="min").score_trace(PROBLEM, trace_of(4)))
    assert score.value == 0.3
    assert score.spend == Spend(scorer_tokens=7, scorer_calls=1)
    expected = Origin(maker="prm:fixed/min", revision="r1", settings={"window": 8, "reduce": "min"}, seed=3)
    assert score.scorer == expected


def test_reduced_never_cuts_scores_to_fit() -> None:
    with pytest.raises(ScoreError, match="3 steps"):
        asyncio.run(Reduced(scorer=FixedScorer(SCORES)).score_trace(PROBLEM, trace_of(3)))


def test_reduced_refuses_a_product_of_logits_and_takes_their_minimum() -> None:
    logits = FixedScorer((0.2, 0.7), convention="logit")
    with pytest.raises(ScoreError, match="needs probabilities"):
        asyncio.run(Reduced(scorer=logits, how="product").score_trace(PROBLEM, trace_of(2)))
    assert asyncio.run(Reduced(scorer=logits, how="min").score_trace(PROBLEM, trace_of(2))).value == 0.2


def test_reduced_refuses_a_trace_without_steps_and_an_unknown_reducer() -> None:
    with pytest.raises(ScoreError, match="without steps"):
        asyncio.run(Reduced(scorer=FixedScorer(())).score_trace(PROBLEM, trace_of(0)))
    with pytest.raises(ConfigError):
        Reduced(scorer=FixedScorer(()), how="median")
