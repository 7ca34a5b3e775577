"""Labels of several labelers: whom to believe is chosen, never guessed."""

from dataclasses import replace

import pytest
from stored_scores import labelled, material

from stepward.errors import LabelError
from stepward.evaluation.evaluate import evaluate
from stepward.evaluation.labelers import check_one_labeler, full_name, labelers_of, labels_by, others_than
from stepward.types import LabeledTrace, Origin, StepLabel


def by(each: LabeledTrace, *makers: str | None, flip: bool = False) -> LabeledTrace:
    """The labels of `each` as made by one maker a step; None for no label."""
    labels = []
    for label, maker in zip(each.labels, makers, strict=True):
        assert label is not None
        value = 1 - label.value if flip else label.value
        labels.append(None if maker is None else replace(label, value=value, origin=Origin(maker=maker)))
    return replace(each, labels=tuple(labels))


ONE = labelled("p", 1, False)
TWO_ROWS = {"a": by(ONE, *["human:ann"] * 3), "b": by(ONE, *["human:ben"] * 3, flip=True)}
MIXED = {"a": by(ONE, "human:ann", "human:ben", "human:ann")}


@pytest.mark.parametrize("labels", [TWO_ROWS, MIXED])
def test_several_labelers_of_one_trace_are_listed_with_the_way_out(labels: dict[str, LabeledTrace]) -> None:
    with pytest.raises(LabelError, match=r"1 traces have .*human:ann \(\d steps\), human:ben.*--labeler"):
        check_one_labeler(labels.values())


def test_one_labeler_a_trace_is_no_conflict() -> None:
    other = labelled("q", None, True)
    check_one_labeler([by(ONE, *["human:ann"] * 3), by(other, *["human:ben"] * 3)])
    settings = Origin(maker="human:ann", settings={"screen": 1}, seed=3)
    again = replace(MIXED["a"].labels[0], origin=settings)  # type: ignore[type-var]
    check_one_labeler([replace(ONE, labels=(again, *by(ONE, *["human:ann"] * 3).labels[1:]))])


@pytest.mark.parametrize("name", ["human:ann", "ann"])
def test_the_chosen_labeler_s_labels_stay_and_a_repeated_row_goes(name: str) -> None:
    found = labels_by(TWO_ROWS, name)
    assert found == {"a": TWO_ROWS["a"]}
    assert full_name(TWO_ROWS, name) == "human:ann"
    (mixed,) = labels_by(MIXED, name).values()
    assert [label is None for label in mixed.labels] == [False, True, False]
    assert others_than(TWO_ROWS, name) == {"human:ben": {ONE.trace.id: TWO_ROWS["b"]}}


def test_a_trace_that_the_chosen_one_did_not_label_stays_once_for_its_answer() -> None:
    other = labelled("q", None, True)
    rows = {**TWO_ROWS, "c": by(other, *["human:ben"] * 3), "d": by(other, *["human:cas"] * 3)}
    found = labels_by(rows, "ann")
    assert list(found) == ["a", "c"]
    assert found["c"].target is None and found["c"].verdict == other.verdict


def test_a_name_that_is_none_or_several_is_refused() -> None:
    with pytest.raises(LabelError, match=r"'bob' is no labeler of these traces; got \['human:ann', 'human:ben'\]"):
        labels_by(TWO_ROWS, "bob")
    judge = StepLabel(target="prefix", value=1.0, source="judge", origin=Origin(maker="human:ann"))
    both = {"a": replace(TWO_ROWS["a"], labels=(judge, *TWO_ROWS["a"].labels[1:]))}
    assert list(labelers_of(both.values())) == ["human:ann@judge", "human:ann@human"]
    with pytest.raises(LabelError, match="several labelers"):
        labels_by(both, "ann")
    assert labels_by(both, "human:ann@judge")["a"].labels[1:] == (None, None)


def test_an_evaluation_refuses_several_and_tells_how_far_the_others_agree() -> None:
    made = material()
    second = {f"{key}x": by(each, *["human:ben"] * 3) for key, each in made.labels.items()}
    with pytest.raises(LabelError, match="several labelers"):
        replace(made, labels={**made.labels, **second})
    others = {"human:ben": {each.trace.id: each for each in second.values()}}
    record = evaluate(replace(made, labeler="human:x", others=others)).record
    (other,) = record.labelers
    assert other.name == "human:ben" and other.agreement.steps.kappa.value == 1.0
    assert record.data.labeler == "human:x"
