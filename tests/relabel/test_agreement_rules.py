"""Rules of agreement: what is kept, what it means afterwards, and what does not compare."""

import pytest
from labelled import CHOICE, PROBLEM, marked, rolled, signs, values

from stepward.errors import ConfigError, LabelError
from stepward.relabel.agreement.first_error import FirstErrorConsensus
from stepward.relabel.agreement.majority import MajorityConsensus
from stepward.relabel.agreement.same_step import SameStepConsensus
from stepward.relabel.hard import first_error

BOTH = FirstErrorConsensus()


@pytest.mark.parametrize(
    ("one", "two", "kept", "how"),
    [
        ("++-+", "++--", "++-?", "agree"),
        ("++++", "++++", "++++", "agree"),
        ("++-+", "+-++", "????", "differ"),
        ("++++", "+++-", "????", "differ"),
        ("++-+", "+?-+", "????", "unknown"),
        ("++-?", "++-?", "++-?", "agree"),
    ],
)
def test_a_trace_is_kept_where_first_errors_agree_and_labels_end_there(one: str, two: str, kept: str, how: str) -> None:
    found = BOTH.agree(PROBLEM, [marked(one), marked(two)])
    assert (signs(found), found.meta["agreement"]) == (kept, how)


def test_a_band_keeps_near_misses_at_the_first_labelling_s_place_and_half_the_weight() -> None:
    rule = FirstErrorConsensus(band=1)
    near = rule.agree(PROBLEM, [marked("++-+"), marked("+++-")])
    assert (signs(near), near.meta["weight"]) == ("++-?", 0.5)
    exact = rule.agree(PROBLEM, [marked("++-+"), marked("++--")])
    assert "weight" not in exact.meta
    assert signs(rule.agree(PROBLEM, [marked("+++-"), marked("++++")])) == "????", "none is near nothing"
    assert signs(rule.agree(PROBLEM, [marked("+-++"), marked("++-+"), marked("+++-")])) == "????"


def test_labels_of_one_target_are_kept_with_their_counts_and_origins() -> None:
    weak, strong = rolled([(3, 8), (0, 8), (1, 8)]), rolled([(8, 8), (0, 8), (0, 8)])
    found = BOTH.agree(PROBLEM, [weak, strong])
    assert found.labels == (*weak.labels[:2], None)
    assert found.spend.tokens == 0


def test_different_targets_need_a_name_for_what_they_agree_on() -> None:
    rollouts, judge = rolled([(3, 8), (0, 8)]), marked("+-")
    judge = marked("+-").__class__(trace=rollouts.trace, labels=judge.labels)
    with pytest.raises(LabelError, match="different targets do not compare"):
        BOTH.agree(PROBLEM, [rollouts, judge])
    found = FirstErrorConsensus(target="prefix").agree(PROBLEM, [rollouts, judge])
    assert found.target == "prefix" and values(found) == [1.0, 0.0]
    label = found.labels[0]
    assert label is not None and label.source == "consensus" and label.trials is None
    assert label.origin.settings["of"] == ["unknown", "human"]


def test_same_step_keeps_what_all_call_the_same() -> None:
    found = SameStepConsensus().agree(PROBLEM, [marked("+-+?"), marked("+--+")])
    assert signs(found) == "+-??"
    assert found.meta["agreement"] == {"agree": 2, "differ": 1, "unknown": 1}


def test_majority_counts_votes_and_drops_ties() -> None:
    votes = [marked("++-+", maker="a"), marked("+--?", maker="b"), marked("-+-?", maker="c"), marked("+--?", maker="d")]
    found = MajorityConsensus().agree(PROBLEM, votes)
    assert values(found) == [0.75, None, 0.0, None]
    label = found.labels[0]
    assert label is not None and (label.successes, label.trials, label.target) == (3, 4, "prefix")
    assert signs(MajorityConsensus(votes=1, share=0.75).agree(PROBLEM, votes)) == "??-+"


def test_values_are_no_votes_unless_asked_to_be() -> None:
    both = [rolled([(3, 8)]), rolled([(1, 8)])]
    with pytest.raises(LabelError, match="value labels are no votes"):
        MajorityConsensus().agree(PROBLEM, both)
    assert values(MajorityConsensus(target="prefix").agree(PROBLEM, both)) == [1.0]


@pytest.mark.parametrize("rule", [BOTH, SameStepConsensus(), MajorityConsensus()])
def test_what_does_not_compare_is_refused(rule: FirstErrorConsensus) -> None:
    with pytest.raises(LabelError, match="at least two"):
        rule.agree(PROBLEM, [marked("+")])
    with pytest.raises(LabelError, match="of one trace"):
        rule.agree(PROBLEM, [marked("+"), marked("++")])
    lucky = rolled([(1, 8)], problem_id="c")
    with pytest.raises(LabelError, match="guessing succeeds once in K"):
        rule.agree(CHOICE, [lucky, lucky])


def test_the_first_error_behind_an_unlabelled_step_is_unknown() -> None:
    assert [first_error(x) for x in ((True, None, False), (True, False, None), (True, True), ())] == [
        *("unknown", 1, "none", "none")
    ]


def test_settings_out_of_range_are_refused() -> None:
    for bad in (lambda: FirstErrorConsensus(band=-1), lambda: FirstErrorConsensus(weight=0.0)):
        with pytest.raises(ConfigError, match="band"):
            bad()
    with pytest.raises(ConfigError, match="target"):
        SameStepConsensus(target="value")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="share"):
        MajorityConsensus(share=0.4)
