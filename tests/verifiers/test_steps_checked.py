"""The `checked` labeler: scripted workers for the plumbing, real ones for the algebra."""

import asyncio

import pytest

from stepward.errors import ConfigError
from stepward.registry import resolve
from stepward.segment.newline import Newline
from stepward.types import Problem, Trace, Verdict
from stepward.verifiers.fake import ScriptedGrader
from stepward.verifiers.pool import Check, MathWorkers
from stepward.verifiers.steps.checked import CheckedLabeler
from stepward.verifiers.steps.identities import links

PROBLEM = Problem(id="p", text="How many?")


def labelled(text, *, workers=None, **fields):
    trace = Trace(problem_id="p", text=text, steps=Newline().segment(text))
    return asyncio.run(CheckedLabeler(**fields).label(PROBLEM, trace, workers=workers))


def values(labeled):
    return [label and label.value for label in labeled.labels]


def test_only_errors_are_labels_unless_claims_are_asked_for():
    text = "3 + 4 = 7.\n3 + 4 = 8.\nSo it is.\n7 / 2 = 3"
    assert values(labelled(text)) == [None, 0.0, None, None]
    assert values(labelled(text, says="claims")) == [1.0, 0.0, None, None]


def test_a_label_names_the_claim_its_target_and_its_settings():
    label = labelled("We get 3 + 4 = 8.").labels[0]
    assert (label.note, label.target, label.source) == ("does not hold: 3 + 4 = 8", "validity", "checker")
    assert label.origin.settings == {"says": "errors", "algebra": True, "seconds": 3.0}


def test_claims_are_counted_with_the_reasons_of_the_undecided():
    meta = labelled("3 + 4 = 7. 1 + 1 = 3.\n7 / 2 = 3, so 9 / 2 = 4\nif 1 + 1 = 3").meta
    assert meta == {"claims": 5, "hold": 1, "fail": 1, "undecided": {"not asserted": 1, "rounding": 2}}


def test_numbers_need_no_worker_and_algebra_can_be_left_out():
    grader = ScriptedGrader(verdict=Verdict(outcome="different"))
    assert labelled("3 + 4 = 7", workers=grader).spend.verifier_calls == 0
    assert labelled(r"$\sqrt{8} = 3\sqrt{2}$", workers=grader, algebra=False).meta["claims"] == 0
    assert grader.asked == []
    assert values(labelled(r"$\sqrt{8} = 3\sqrt{2}$", workers=grader)) == [0.0]
    assert [check.identity for check in grader.asked] == [True]


@pytest.mark.parametrize("outcome", ["undecided", "unparsable"])
def test_a_worker_that_times_out_or_cannot_read_accuses_nobody(outcome):
    grader = ScriptedGrader(verdict=Verdict(outcome=outcome, reason="time-out after 3 s"))
    found = labelled(r"$\sqrt{8} = 3\sqrt{2}$", workers=grader)
    assert (values(found), found.meta["undecided"]) == ([None], {"time-out after 3 s": 1})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"$f = (x+1)^2 = x^2+2x+2$", 0.0),
        (r"$f = (x+1)^2 = x^2+2x+1$", 1.0),
        (r"$(x+1)^2 = x^2+2x+2$", None),  # an equation to solve
        (r"$f = x^2 + y = 2x + y$", None),  # a relation between x and y may have been put in
        (r"$y = 4t + 7 = 4(5) + 7$", None),  # a value was put in
        (r"$y = 3x - 6 = 0$", None),
        (r"$\sqrt{12} = 2\sqrt{3}$", 1.0),
        (r"$\sqrt{12} = 3\sqrt{2}$", 0.0),
        (r"Suppose that $\sqrt{12} = 3\sqrt{2}$", None),
        (r"$\sqrt{12} = 3\sqrt{2}$ is false", None),
        (r"$A = 2\pi \cdot 3 = 6\pi$", 1.0),
        (r"$A = 2\pi \cdot 3 = 5\pi$", 0.0),
        (r"$\sqrt{2} = 1.41$", None),  # a rounding
        (r"$e^2 = 7$", None),
        (r"$\sin x = \sin y$", None),
    ],
)
def test_identities_are_decided_by_the_workers(text, value):
    assert values(labelled(text, says="claims")) == [value]


@pytest.mark.slow
def test_hostile_algebra_ends_within_its_limit_and_leaves_the_pool_usable():
    with MathWorkers(1) as pool:
        for hostile in ("9^{9^{9}}", "(10^8)!+(10^8)!", "(x+1)^{9999}"):
            assert pool.submit(Check(hostile, "1", 0.3, identity=True)).result().outcome != "equal"
        assert pool.submit(Check("2x", "x+x", 3.0, identity=True)).result().outcome == "equal"


def test_what_is_over_a_limit_is_not_sent_to_a_worker():
    assert links("$9^{9^{9}} = 9^{99999999}x = 1$") == []
    assert links("$" + "(" * 300 + "x = x$") == []


def test_settings_out_of_range_are_refused():
    for fields in ({"says": "all"}, {"seconds": 0}, {"processes": 0}):
        with pytest.raises(ConfigError):
            CheckedLabeler(**fields)


def test_it_is_a_labeler_of_the_registry():
    assert resolve("labeler", "checked") is CheckedLabeler
