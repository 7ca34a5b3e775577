"""Posterior, chance, after-error and propagation: numbers by hand, and what is refused."""

from dataclasses import replace

import pytest
from labelled import CHOICE, PROBLEM, marked, rolled, signs, values

from stepward.errors import ConfigError, LabelError
from stepward.metrics.binomial import any_of, fit_prior
from stepward.relabel.after_error import AfterError
from stepward.relabel.chance import ChanceCorrected
from stepward.relabel.hard import hard_calls
from stepward.relabel.posterior import PosteriorMean, PosteriorTruth
from stepward.relabel.propagation import Propagation
from stepward.types import Json, LabeledTrace


def test_jeffreys_means_are_those_of_the_reference_and_the_hard_view_stays_any_success() -> None:
    (found,) = PosteriorMean().relabel(PROBLEM, [rolled([(8, 8), (0, 8), None])])
    assert values(found) == [0.9444, 0.0556, None]
    assert signs(found) == "+-?", "0 of 8 is no success, though its mean is above 0"
    assert found.labels[1] is not None and found.labels[1].origin.settings["posterior"] == {
        "a": 0.5,
        "b": 0.5,
        "prior": "fixed",
    }


def test_an_empirical_prior_is_fitted_to_the_problem_s_counts() -> None:
    counts = [(8, 8), (7, 8), (8, 8), (0, 8), (0, 8)]
    prior = fit_prior([k for k, _ in counts], [n for _, n in counts])
    (found,) = PosteriorMean(prior="empirical").relabel(PROBLEM, [rolled(counts)])
    assert values(found)[0] == pytest.approx(prior.mean(8, 8), abs=1e-4)
    (alone,) = PosteriorMean(prior="empirical").relabel(PROBLEM, [rolled([(0, 8)])])
    assert values(alone) == [0.0556], "one label fits no prior: Jeffreys'"
    two = fit_prior([8, 1], [8, 2])
    (pair,) = PosteriorMean(prior="empirical").relabel(PROBLEM, [rolled([(8, 8), (1, 2), (1, 1)])])
    assert values(pair)[:2] == pytest.approx([two.mean(8, 8), two.mean(1, 2)], abs=1e-4), "two fit one; 1 of 1 has none"
    assert PosteriorMean().relabel(PROBLEM, [marked("+-")]) == [marked("+-")], "no counts, no change"


def test_the_chance_of_a_good_step_given_a_noisy_label_is_bayes_rule() -> None:
    rule = PosteriorTruth(target="prefix", false_bad=0.2, false_good=0.1, good_share=0.75)
    assert rule.chance(called_good=True) == pytest.approx(0.6 / 0.625)
    assert rule.chance(called_good=False) == pytest.approx(0.15 / 0.375)
    (found,) = rule.relabel(PROBLEM, [rolled([(3, 8), (0, 8), None])])
    assert values(found) == [0.96, 0.4, None] and found.target == "prefix"
    certain = PosteriorTruth(target="prefix", false_bad=0.0, false_good=0.0, good_share=1.0)
    assert certain.chance(called_good=False) == 0.5
    for wrong in ({"false_bad": 0.95}, {"false_bad": -0.1}, {"good_share": 1.1}):
        with pytest.raises(ConfigError, match="rates lie"):
            replace(rule, **wrong)


def test_guessing_is_taken_off_multiple_choice_alone() -> None:
    assert any_of(0.25, 8) == pytest.approx(0.8999, abs=1e-4), "why any-of-K says nothing there"
    trace = rolled([(8, 8), (2, 8), (5, 8), (0, 8), (1, 1)], problem_id="c", finish="stop")
    (found,) = ChanceCorrected().relabel(CHOICE, [trace])
    assert values(found) == [1.0, 0.0, 0.5, 0.0, 1.0]
    assert hard_calls(CHOICE, found) == (True, False, True, False, True)
    label = found.labels[1]
    assert label is not None and label.trials is None and label.note == "2 of 8, chance level 1/4"
    assert ChanceCorrected().relabel(PROBLEM, [trace]) == [trace]


def test_a_share_must_be_surely_above_chance_where_asked() -> None:
    three = rolled([(3, 8), (6, 8)], problem_id="c")
    (found,) = ChanceCorrected(sure=0.95).relabel(CHOICE, [three])
    assert signs(found) == "-+"
    assert signs(ChanceCorrected().relabel(CHOICE, [three])[0]) == "++"


@pytest.mark.parametrize("stated", [None, 1, "ABCD", True])
def test_a_number_of_options_is_needed(stated: Json) -> None:
    problem = replace(CHOICE, meta={"options": stated})
    with pytest.raises(LabelError, match="how many options"):
        ChanceCorrected().relabel(problem, [rolled([(1, 8)], problem_id="c")])
    assert ChanceCorrected(options=2).options_of(replace(CHOICE, meta={})) == 2
    assert ChanceCorrected().options_of(replace(CHOICE, meta={"options": ["a", "b", "c"]})) == 3


def after_error(how: str, labeled: LabeledTrace) -> LabeledTrace:
    return AfterError(how=how).relabel(PROBLEM, [labeled])[0]  # type: ignore[arg-type]


def test_labels_behind_the_first_error_are_dropped_zeroed_or_kept() -> None:
    trace = marked("+-+?", target="validity")
    assert signs(after_error("drop", trace)) == "+-??"
    assert after_error("keep", trace) == trace
    zeroed = after_error("zero", trace)
    assert signs(zeroed) == "+---" and zeroed.target == "prefix"
    assert signs(after_error("zero", marked("?++"))) == "?++"


def test_a_zeroed_value_loses_its_counts() -> None:
    found = after_error("zero", rolled([(3, 8), (0, 8), (1, 8)]))
    assert found.target == "value" and values(found) == [0.375, 0.0, 0.0]
    assert [label and label.trials for label in found.labels] == [8, 8, None]
    with pytest.raises(LabelError, match="no zero"):
        after_error("zero", marked("+-", target="progress"))


def resting(signs_: str, premises: Json) -> LabeledTrace:
    labeled = marked(signs_, target="validity")
    return replace(labeled, trace=replace(labeled.trace, meta={"premises": premises}))


def test_an_error_spreads_to_what_builds_on_it_and_ends_where_nothing_does() -> None:
    #   0 wrong; 1 builds on 0; 2 on the question alone; 3 on 1; 4 on 2
    (found,) = Propagation().relabel(PROBLEM, [resting("-++++", [[-1], [0], [-1], [1], [2]])])
    assert signs(found) == "--+-+" and found.target == "prefix"
    assert [label and label.note for label in found.labels] == ["", "builds on an error", "", "builds on an error", ""]


def test_premises_that_a_labeler_states_go_before_the_trace_s_own() -> None:
    labeled = replace(resting("-+", [[], [0]]), meta={"premises": [[], []]})
    assert signs(Propagation().relabel(PROBLEM, [labeled])[0]) == "-+"


def test_what_builds_on_an_unlabelled_step_is_unknown_unless_bad_anyway() -> None:
    (found,) = Propagation().relabel(PROBLEM, [resting("?-++", [[], [0], [0], [0, 1]])])
    assert signs(found) == "?-?-"


@pytest.mark.parametrize("premises", [None, [[0]], [[-1], [1]], [[-1], ["x"]], "ab"])
def test_premises_that_do_not_fit_are_refused(premises: Json) -> None:
    with pytest.raises(LabelError, match="a list of earlier steps for each of its 2 steps"):
        Propagation().relabel(PROBLEM, [resting("+-", premises)])


def test_a_trace_without_premises_is_left_out_where_asked_and_other_targets_are_refused() -> None:
    (found,) = Propagation(missing="drop").relabel(PROBLEM, [marked("+-", target="validity")])
    assert signs(found) == "??"
    bare = marked("??")
    assert Propagation().relabel(PROBLEM, [bare]) == [bare], "no label, nothing to spread"
    with pytest.raises(LabelError, match="wrong in themselves"):
        Propagation().relabel(PROBLEM, [marked("+-")])
