import asyncio
import importlib.util
import pickle

import pytest

from stepward.errors import ConfigError, MissingExtraError, ResourceError
from stepward.protocols import Verifier
from stepward.types import Problem, Verdict
from stepward.verifiers.fake import ScriptedGrader, ScriptedVerifier
from stepward.verifiers.math import MathVerifier
from stepward.verifiers.pool import MathWorkers
from stepward.verifiers.routed import RoutedVerifier

PROBLEM = Problem(id="p", text="?", answer="2x")


def judged(text, *, gold="2x", grader=None, **settings):
    problem = Problem(id="p", text="?", answer=gold)
    return asyncio.run(MathVerifier(**settings).verify(problem, text, workers=grader))


def test_the_verifiers_satisfy_the_protocol_and_pickle():
    for verifier in (MathVerifier(), RoutedVerifier(), ScriptedVerifier()):
        assert isinstance(verifier, Verifier)
        assert pickle.loads(pickle.dumps(verifier)) == verifier


def test_numbers_never_reach_a_worker():
    grader = ScriptedGrader(verdict=Verdict(outcome="different"))
    assert judged(r"so \boxed{1{,}080}", gold="1080", grader=grader).outcome == "equal"
    assert judged("#### 7", gold="1080", grader=grader).outcome == "different"
    assert grader.asked == []


@pytest.mark.parametrize("outcome", ["equal", "different", "unparsable", "undecided"])
def test_the_workers_verdict_is_passed_on_with_the_answer_as_it_was_read(outcome):
    grader = ScriptedGrader(verdict=Verdict(outcome=outcome, reason="scripted"))
    verdict = judged(r"\boxed{x+x}", grader=grader)
    assert (verdict.outcome, verdict.answer, verdict.reason) == (outcome, "x+x", "scripted")
    assert [(check.gold, check.answer, check.seconds) for check in grader.asked] == [("2x", "x+x", 3.0)]


def test_undecided_is_neither_right_nor_wrong():
    verdict = judged("9" * 1_500, gold="9")
    assert (verdict.outcome, verdict.correct) == ("undecided", None)
    assert "digits" in verdict.reason


def test_a_long_reference_still_equals_itself():
    gold = "+".join(f"x^{n}" for n in range(600))
    assert judged(rf"\boxed{{{gold}}}", gold=gold).outcome == "equal"


def test_a_text_without_answer_is_unparsable():
    assert judged("Let us first think about what is asked for here.").outcome == "unparsable"
    assert judged("the answer is not 2x").outcome == "unparsable"


def test_strict_refuses_several_boxes_and_lenient_takes_the_last():
    text = r"\boxed{1} we first thought, but \boxed{2}"
    assert judged(text, gold="2").outcome == "equal"
    assert judged(text, gold="2", profile="strict").outcome == "unparsable"


def test_a_missing_reference_names_the_problem():
    with pytest.raises(ResourceError, match="'p'"):
        judged("2", gold=None)


def test_settings_have_ranges():
    for wrong in ({"seconds": 0.0}, {"profile": "lax"}, {"processes": 0}):
        with pytest.raises(ConfigError):
            MathVerifier(**wrong)
    with pytest.raises(ConfigError):
        MathWorkers(0)


def test_provenance_names_settings_and_library_versions():
    settings = MathVerifier(profile="strict").origin.settings
    assert settings["profile"] == "strict"
    assert "math-verify" in settings["libraries"]


def test_a_missing_library_is_an_error_only_where_it_is_needed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with MathWorkers(1) as workers:
        assert judged("18.0", gold="18", grader=workers).outcome == "equal"
        with pytest.raises(MissingExtraError, match=r"stepward\[math\]"):
            judged("x+x", grader=workers)


def test_routing_follows_the_answer_kind():
    script = {
        kind: ScriptedVerifier(outcomes={"t": outcome})
        for kind, outcome in (("math", "equal"), ("choice", "different"), ("exact", "undecided"))
    }
    routed = RoutedVerifier(**script)
    outcomes = [
        asyncio.run(routed.verify(Problem(id="p", text="?", answer="a", answer_kind=kind), "t")).outcome
        for kind in script
    ]
    assert outcomes == ["equal", "different", "undecided"]
