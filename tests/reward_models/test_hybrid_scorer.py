import asyncio
from dataclasses import dataclass

import pytest

from stepward.combine.gates import GatedOut, Gates
from stepward.combine.linear import Linear
from stepward.combine.log_linear import LogLinear
from stepward.combine.rank_mean import RankMean
from stepward.combine.referee import Referee
from stepward.errors import ConfigError, ScoreError, TraceError
from stepward.policies.fake import ScriptedPolicy
from stepward.protocols import Resources
from stepward.reward_models.fake import ConstantScorer, ScriptedScorer
from stepward.reward_models.several.hybrid import Ears, HybridScorer, RefereedScorer
from stepward.search.best_of_n import BestOfN
from stepward.search.voting import WeightedMajority
from stepward.segment.newline import Newline
from stepward.types import Origin, Problem, Spend, StepScores, Trace, TraceScore
from stepward.verifiers.answers import StatedAnswers
from stepward.verifiers.fake import ScriptedVerifier

PROBLEM = Problem(id="p", text="what is two plus three ?")
STEPS = ScriptedScorer(scores={"good.": 0.9, "bad.": 0.05})
EARS = Ears(steps=STEPS, outcome=ConstantScorer(value=0.8))


def run(scorer, trace: Trace) -> TraceScore:
    return asyncio.run(scorer.score_trace(PROBLEM, trace))


def test_both_signals_are_joined_by_the_formula_and_both_are_paid(make_trace) -> None:
    trace = make_trace("good.", "bad.")
    found = run(HybridScorer(ears=EARS, combination=Linear(outcome=0.25, reduce="min")), trace)
    assert found.value == pytest.approx(0.25 * 0.8 + 0.75 * 0.05)
    assert found.spend == Spend(scorer_tokens=2 * len(trace.text), scorer_calls=2)
    assert found.scorer.maker == "scorer:hybrid(scorer:scripted+scorer:constant)"
    other = run(HybridScorer(ears=EARS, combination=Linear(outcome=0.5, reduce="min")), trace)
    assert other.scorer.revision != found.scorer.revision, "other weights are another scorer"


def test_without_an_outcome_scorer_steps_alone_can_be_combined(make_trace) -> None:
    alone = HybridScorer(ears=Ears(steps=STEPS), combination=Linear(outcome=0.0, reduce="min"))
    assert run(alone, make_trace("good.")).value == 0.9
    with pytest.raises(ScoreError, match="needs an outcome score"):
        run(HybridScorer(ears=Ears(steps=STEPS), combination=LogLinear(a=1, b=1, c=0)), make_trace("good."))


def test_a_gate_refuses_with_its_reason_and_its_price(make_trace) -> None:
    scorer = HybridScorer(ears=EARS, combination=Linear(), gates=Gates(min_step=0.5))
    with pytest.raises(GatedOut, match=r"step 1 scores 0.05, below 0.5") as refusal:
        run(scorer, make_trace("good.", "bad."))
    assert refusal.value.spend.scorer_calls == 2
    assert run(scorer, make_trace("good.")).value > 0.5


def test_a_failed_executable_check_refuses_and_an_undecided_one_does_not(make_trace) -> None:
    trace = make_trace("good.")
    for outcome, refused in (("different", True), ("undecided", False), ("equal", False)):
        check = ScriptedVerifier(otherwise=outcome)
        scorer = HybridScorer(ears=EARS, combination=Linear(), check=check)
        if refused:
            with pytest.raises(GatedOut, match="executable check failed"):
                run(scorer, trace)
        else:
            assert run(scorer, trace).value > 0.5


def test_what_needs_the_pool_and_what_is_no_probability_is_refused(make_trace) -> None:
    with pytest.raises(ConfigError, match="all traces of a problem"):
        HybridScorer(ears=EARS, combination=RankMean())
    with pytest.raises(TraceError, match="no step"):
        run(HybridScorer(ears=EARS, combination=Linear()), make_trace())

    @dataclass(frozen=True)
    class Logits:
        async def score(self, problem: Problem, trace: Trace) -> StepScores:
            return StepScores(values=(3.0,) * len(trace), convention="logit", scorer=Origin(maker="scorer:logits"))

    with pytest.raises(ScoreError, match="must be probabilities"):
        run(HybridScorer(ears=Ears(steps=Logits()), combination=Linear(outcome=0)), make_trace("good."))


def test_a_refereed_score_says_who_won(make_trace) -> None:
    scorer = RefereedScorer(ears=EARS, referee=Referee(reduce="mean"))
    found = run(scorer, make_trace("good.", "bad."))
    assert found.value == 0.05 and found.scorer.settings == {"winner": "prm", "reason": "prm_veto"}
    unsure = RefereedScorer(
        ears=Ears(steps=ConstantScorer(value=0.45), outcome=ConstantScorer(value=0.55)), referee=Referee()
    )
    with pytest.raises(GatedOut, match="neither is the surer"):
        run(unsure, make_trace("good."))


def resources(*texts: str) -> Resources:
    return Resources(
        policy=ScriptedPolicy(script=lambda request, draw: texts[draw]),
        segmenter=Newline(),
        answers=StatedAnswers(),
        trace_scorer=HybridScorer(
            ears=Ears(steps=ScriptedScorer(scores={"sure": 0.95, "slip": 0.01}, default=0.6), outcome=ConstantScorer()),
            combination=Linear(reduce="mean"),
            gates=Gates(min_step=0.1),
        ),
    )


def test_searches_never_choose_what_a_gate_refused_and_pay_for_it() -> None:
    texts = ("sure\nsure\nslip\nThe answer is 1", "fine\nThe answer is 2")
    found = asyncio.run(BestOfN(n=2).solve(PROBLEM, resources(*texts)))
    assert found.chosen == 1 and found.scores[0] is None and "gated out: step 2 scores 0.01" in found.note
    assert found.spend.scorer_calls == 4, "the refused trace was scored by both"
    vote = asyncio.run(WeightedMajority(n=2).solve(PROBLEM, resources(*texts)))
    assert vote.chosen == 1 and vote.answer == "2"


def test_where_every_draw_is_refused_the_search_abstains() -> None:
    found = asyncio.run(BestOfN(n=2).solve(PROBLEM, resources("slip\nThe answer is 1", "slip\nThe answer is 2")))
    assert found.chosen is None and found.answer is None and "abstained" in found.note
