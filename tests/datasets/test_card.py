import json

from stepward.codec import to_json
from stepward.datasets.card import Beside, CardTally
from stepward.datasets.card_text import card_text
from stepward.segment.cut import cut
from stepward.segment.newline import Newline
from stepward.types import LabeledTrace, Origin, Problem, StepLabel, Verdict

MAKER = Origin(maker="labeler:rollout", revision="1", settings={"n": 4})


def problem(name="p", text="How many apples are there?", kind="math"):
    return Problem(id=name, text=text, answer="4", answer_kind=kind)


def labeled(counts, *, name="p", text="", outcome="equal", **meta):
    """A trace with a label k of 4 for each k of `counts`, and None for None."""
    trace = cut(name, text or "".join(f"Step {at}.\n" for at in range(len(counts))), Newline())
    labels = tuple(
        None
        if k is None
        else StepLabel(target="value", value=k / 4, source="rollout", successes=k, trials=4, origin=MAKER)
        for k in counts
    )
    return LabeledTrace(trace=trace, labels=labels, verdict=Verdict(outcome=outcome), meta=meta)


NOTHING = Beside()


def card_of(*pairs, beside=NOTHING):
    tally = CardTally()
    for asked, each in pairs:
        tally.add(asked, each)
    return tally.card(beside)


def test_a_card_counts_by_hand():
    card = card_of(
        (problem("a"), labeled([4, 3, 0], name="a", outcome="different", undecided=1, failed=2)),
        (problem("b"), labeled([4, None], name="b", stopped="sure")),
    )
    assert (card.problems, card.traces, card.steps, card.labels, card.good, card.trials) == (2, 2, 5, 4, 3, 16)
    by_position = [(each.group, each.labels, each.good) for each in card.by_position]
    assert by_position == [
        ("0", 2, 2),
        ("1", 1, 1),
        ("2", 1, 0),
    ]
    assert [(each.group, each.labels, each.good) for each in card.by_length] == [("2", 1, 1), ("3", 3, 2)]
    assert card.first_errors == {"2": 1, "unknown": 1}
    assert card.verdicts == {"different": 1, "equal": 1}
    assert card.counted == {"failed": 2, "undecided": 1} and card.stopped == {"sure": 1}
    assert card.makers == {'labeler:rollout 1 {"n": 4}': 4}


def test_repeats_are_counted_and_those_with_other_labels_named():
    same = labeled([4, 0])
    card = card_of((problem(), same), (problem(), same), (problem(), labeled([4, 4])), (problem(), labeled([4, 4, 4])))
    assert (card.repeats, card.disputed) == (2, 1)
    assert any("50% of the traces are repeats; 1 of them differ" in each for each in card.warnings)


def test_problems_that_stand_in_a_benchmark_are_counted_and_shown():
    text = "A farmer has seven red hens and eleven brown hens in each of his nine barns"
    pairs = [(problem("a", text), labeled([4, 0], name="a")), (problem("b"), labeled([4, 0], name="b"))]
    beside = Beside(references={"test set": [Problem(id="t1", text=f"{text}, how many?")]})
    (found,) = card_of(*pairs, beside=beside).contamination
    assert (found.problems, found.size) == (1, 1) and found.pairs[0][:2] == ("a", "t1")
    assert any("test set" in each for each in card_of(*pairs, beside=beside).warnings)


def test_counts_on_multiple_choice_are_warned_of():
    choice = card_of((problem(kind="choice"), labeled([2, 0])))
    assert any("multiple-choice" in each for each in choice.warnings)
    assert not any("multiple-choice" in each for each in card_of((problem(), labeled([2, 0]))).warnings)


def test_labels_that_the_place_of_a_step_tells_are_warned_of():
    told = [(problem(f"p{at}"), labeled([4, 4, 0], name=f"p{at}")) for at in range(30)]
    assert any("the place of a step alone tells 100%" in each for each in card_of(*told).warnings)
    mixed = [(problem(f"p{at}"), labeled([4, 4 * (at % 2), 0], name=f"p{at}")) for at in range(30)]
    assert not any("the place of a step" in each for each in card_of(*mixed).warnings)


def test_a_verifier_that_cannot_decide_is_warned_of_and_one_that_never_decides_is_loud():
    some = card_of((problem(), labeled([4, 0], undecided=4)))
    assert any("left 33% of the completions undecided" in each for each in some.warnings)
    never = card_of((problem(), labeled([None, None], outcome="undecided", undecided=8)))
    assert any(each.startswith("ALL 8 completions were undecided") for each in never.warnings)
    assert any("EVERY trace is undecided" in each for each in never.warnings)


def test_failures_and_mixed_targets_and_one_class_are_warned_of():
    label = StepLabel(target="prefix", value=1.0, source="human")
    trace = cut("q", "One.\n", Newline())
    pairs = [(problem(), labeled([4, 4])), (problem("q"), LabeledTrace(trace=trace, labels=(label,)))]
    warnings = " ".join(card_of(*pairs, beside=Beside(failures={"LabelError": 3})).warnings)
    assert "3 problems failed" in warnings and "value, prefix" in warnings and "100% of the labels are good" in warnings


def test_an_empty_set_has_a_card_that_says_so():
    assert card_of().warnings == ("the set is empty",)
    assert "the set is empty" in card_text(card_of())


def test_the_page_holds_every_table_and_nothing_that_markdown_would_read():
    hostile = Problem(id="a|b", text="x", answer="1", answer_kind="math")
    trace = labeled([4, 1], name="a|b", stopped="<script>|*\n# no heading")
    card = card_of((hostile, trace), beside=Beside(cost={"policy tokens": 1234, "seconds": 0.51}))
    page = card_text(card)
    assert "| 0 | 1 | 100.0% |" in page and "| policy tokens | 1,234 |" in page
    assert "\\<script\\>\\|\\* # no heading" in page and "\n# no heading" not in page
    assert json.loads(json.dumps(to_json(card)))["labels"] == 2
