"""Filters: each leaves out what its name says, keeps places, and leaves alone what it cannot judge."""

from dataclasses import replace

import pytest
from labelled import CHOICE, PROBLEM, marked, rolled, signs

from stepward.errors import ConfigError, LabelError, ScoreError
from stepward.metrics.binomial import CountPosterior
from stepward.protocols import Relabeler
from stepward.relabel.filters.balance import BalancedLabels
from stepward.relabel.filters.duplicates import Duplicates
from stepward.relabel.filters.few_trials import FewTrials
from stepward.relabel.filters.length import LengthCap
from stepward.relabel.filters.one_sided import OneSidedProblems
from stepward.relabel.filters.scorer_disagreement import ScorerDisagreement
from stepward.relabel.filters.trusted import TrustedByEnsemble
from stepward.relabel.filters.undecided import UndecidedCounts
from stepward.relabel.scores import with_scores, without_scores
from stepward.types import LabeledTrace, StepScores


def after(rule: Relabeler, *labeled: LabeledTrace) -> list[str]:
    return [signs(each) for each in rule.relabel(PROBLEM, labeled)]


def test_few_trials_are_left_out_but_not_the_trace_s_own_verdict() -> None:
    counts = [(1, 8), (0, 2), None, (1, 1)]
    assert after(FewTrials(trials=4), rolled(counts, finish="stop"), rolled(counts), marked("+-")) == [
        *("+??+", "+???", "+-")
    ]


def test_counts_that_decide_nothing_are_left_out() -> None:
    trace = rolled([(0, 8), (1, 8), (2, 8), (0, 40), None])
    assert after(UndecidedCounts(), trace) == ["??+-?"], "see the module's docstring for the four posteriors"
    sceptic = UndecidedCounts(prior=CountPosterior(a=0.1, b=0.5), tail=0.1)
    assert after(sceptic, trace) == ["-?+-?"]
    assert after(UndecidedCounts(), rolled([(1, 1)], finish="stop"), marked("-")) == ["+", "-"]


def test_on_multiple_choice_alive_means_above_chance() -> None:
    lucky = rolled([(2, 8), (7, 8)], problem_id="c")
    (found,) = UndecidedCounts().relabel(CHOICE, [lucky])
    assert signs(found) == "?+"


def test_problems_solved_always_or_never_are_left_out() -> None:
    right, wrong, open_ = (marked("+", verdict=outcome) for outcome in ("equal", "different", "undecided"))
    assert after(OneSidedProblems(), right, right, open_) == ["?", "?", "?"]
    assert after(OneSidedProblems(), wrong, wrong) == ["?", "?"]
    assert after(OneSidedProblems(), right, wrong) == ["+", "+"]
    assert after(OneSidedProblems(), right, open_) == ["+", "+"], "one verdict says nothing"
    assert after(OneSidedProblems(drop="right"), wrong, wrong) == ["+", "+"]


def scored(labeled: LabeledTrace, *rows: tuple[float, ...]) -> LabeledTrace:
    return with_scores(labeled, [StepScores(values=row) for row in rows])


def test_labels_far_from_the_scores_are_left_out() -> None:
    trace = scored(marked("+-?+"), (0.1, 0.1, 0.5, 0.9), (0.2, 0.3, 0.5, 0.9))
    assert after(ScorerDisagreement(gap=0.8), trace) == ["?-?+"]
    assert after(ScorerDisagreement(gap=0.1, view="soft"), scored(rolled([(1, 8), (4, 8)]), (0.2, 0.9))) == ["+?"]
    with pytest.raises(ScoreError, match="no scores"):
        after(ScorerDisagreement(), marked("+"))


def test_an_ensemble_splits_traces_by_whether_it_is_sure_up_to_the_first_error() -> None:
    sure = scored(marked("+-+"), (0.95, 0.05, 0.5), (0.95, 0.05, 0.9))
    unsure = scored(marked("+-+"), (0.95, 0.4, 0.5), (0.95, 0.4, 0.5))
    apart = scored(marked("+-+"), (0.99, 0.05, 0.5), (0.91, 0.05, 0.5))
    assert after(TrustedByEnsemble(), sure, unsure, apart) == ["+-+", "???", "???"]
    assert after(TrustedByEnsemble(keep="untrusted"), sure, unsure, apart) == ["???", "+-+", "+-+"]
    with pytest.raises(ScoreError, match="two heads"):
        after(TrustedByEnsemble(), scored(marked("+"), (0.9,)))


def test_scores_ride_along_and_are_taken_off() -> None:
    plain = replace(marked("+-"), meta={"why": "x"})
    assert without_scores(scored(plain, (0.5, 0.5))) == plain
    with pytest.raises(ScoreError, match="one score for each"):
        scored(plain, (0.5,))
    with pytest.raises(ScoreError, match="only probabilities"):
        with_scores(plain, [StepScores(values=(2.0, 3.0), convention="logit")])


def test_traces_outside_the_limits_are_left_out() -> None:
    rule = LengthCap(least_steps=2, most_steps=3)
    assert after(rule, marked("+"), marked("++"), marked("+++"), marked("++++")) == ["?", "++", "+++", "????"]
    assert after(LengthCap(most_characters=6), marked("+"), marked("+", text="longer")) == ["+", "?"]
    assert after(LengthCap(ended=True), rolled([(1, 2)]), rolled([(1, 2)], finish="stop")) == ["?", "+"]


def test_what_another_trace_said_is_left_out() -> None:
    spaced = replace(marked("+-"), trace=marked("+-", text=" step").trace)
    assert after(Duplicates(), marked("+-"), spaced, marked("-+", text="other")) == ["+-", "??", "-+"]
    assert after(Duplicates(), marked("??"), marked("+-")) == ["??", "+-"], "an empty first trace takes no place"
    assert after(Duplicates(by="prefix"), marked("+?"), marked("+-"), marked("+-+")) == ["+?", "?-", "??+"]


def test_a_class_is_capped_by_the_other_and_the_same_labels_stay_in_any_company() -> None:
    (kept,) = after(BalancedLabels(ratio=2.0), marked("+++++++-"))
    assert (kept.count("+"), kept.count("-")) == (2, 1)
    again = after(BalancedLabels(ratio=2.0), marked("?", text="other"), marked("+++++++-"))
    assert again[1] == kept
    assert after(BalancedLabels(ratio=1.0), marked("+++"))[0].count("+") == 1


@pytest.mark.parametrize(
    "bad",
    [
        lambda: FewTrials(trials=0),
        lambda: UndecidedCounts(tau=0.0),
        lambda: OneSidedProblems(traces=0),
        lambda: ScorerDisagreement(gap=0.0),
        lambda: TrustedByEnsemble(sure=0.2),
        lambda: LengthCap(least_steps=5, most_steps=2),
        lambda: Duplicates(by="text"),  # type: ignore[arg-type]
        lambda: BalancedLabels(ratio=0.5),
    ],
)
def test_settings_out_of_range_are_refused(bad: object) -> None:
    with pytest.raises(ConfigError):
        bad()  # type: ignore[operator]


def test_multiple_choice_without_options_is_refused_by_name() -> None:
    with pytest.raises(LabelError, match="'c' does not say how many options"):
        UndecidedCounts().relabel(replace(CHOICE, meta={}), [rolled([(2, 8)], problem_id="c")])
