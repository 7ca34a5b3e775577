"""Judges over a real model: every published prompt goes through its chat template, and chances are exact."""

from __future__ import annotations

import pytest

from stepward.reward_models.generative.engine import JudgeEngine
from stepward.reward_models.generative.library import JUDGES
from stepward.segment.cut import from_steps
from stepward.types import Problem

pytestmark = pytest.mark.slow

PROBLEM = Problem(id="p", text="What is 3*4+2?", answer="14")
TRACE = from_steps("p", ["3*4 = 12.", "The answer is 14."], "\n")


@pytest.fixture(scope="module")
def smollm2():
    from stepward.policies.smollm2 import load

    return load()


@pytest.mark.parametrize("name", [name for name, format in JUDGES.items() if format.read == "choice"])
def test_judges_that_are_asked_for_a_verdict_always_give_one(smollm2, name: str) -> None:
    skip = tuple(phase.name for phase in JUDGES[name].phases if phase.code_stop)
    format = JUDGES[name]
    engine = JudgeEngine(
        format=format, policy=smollm2, votes=1, most_tokens=16, skip=skip, for_labels=format.sees_reference
    )
    found = engine.judge_batch([(PROBLEM, TRACE)])[0]
    assert found.abstentions == 0 and all(value is not None and 0.0 < value < 1.0 for value in found.values)
    assert 100 < found.spend.scorer_tokens < 5000


def test_a_weak_critic_abstains_and_says_why(smollm2) -> None:
    engine = JudgeEngine(format=JUDGES["processbench-critic"], policy=smollm2, votes=2, most_tokens=24)
    found = engine.judge_batch([(PROBLEM, TRACE)])[0]
    assert found.abstentions == 4 and "cut at its limit of tokens" in found.reasons()
