from __future__ import annotations

import pytest

from stepward.errors import LabelError
from stepward.training.examples import OutcomeExamples, StepExamples
from stepward.types import StepLabel, Verdict


def value(v: float, **more) -> StepLabel:
    return StepLabel(target="value", value=v, source="rollout", **more)


def test_the_hard_view_says_any_success_and_the_soft_view_keeps_the_share(tiny_codec, make_labeled):
    pair = make_labeled(["a\n", "b\n"], [value(0.25, successes=2, trials=8), value(0.0, successes=0, trials=8)])
    (hard,), (soft,) = (StepExamples(view=view).build(tiny_codec, [pair]).examples for view in ("hard", "soft"))
    assert hard.targets == (1.0, 0.0) and soft.targets == (0.25, 0.0)
    assert soft.trials == (8, 8) and soft.weights == (1.0, 1.0)


def test_an_unlabelled_step_weighs_nothing(tiny_codec, make_labeled):
    (example,) = StepExamples().build(tiny_codec, [make_labeled(["a\n", "b\n"], [None, value(1.0)])]).examples
    assert example.weights == (0.0, 1.0) and len(example.encoded.read_positions) == 2


def test_steps_after_the_first_error_are_kept_or_dropped_on_request(tiny_codec, make_labeled):
    pair = make_labeled(["a\n", "b\n", "c\n"], [value(1.0), value(0.0), value(1.0)])
    kept, dropped = (
        StepExamples(after_error=after).build(tiny_codec, [pair]).examples[0] for after in ("keep", "drop")
    )
    assert kept.weights == (1.0, 1.0, 1.0) and dropped.weights == (1.0, 1.0, 0.0)


def test_what_cannot_be_trained_on_is_counted_by_reason(tiny_codec, make_labeled):
    pairs = [make_labeled(["a\n"], [value(1.0)]), make_labeled(["b\n"], [None]), make_labeled([], [])]
    built = StepExamples().build(tiny_codec, pairs)
    assert len(built.examples) == 1 and built.excluded == {"no labels": 1, "no steps": 1}
    with pytest.raises(LabelError, match=r"no trace can be trained on; got \{'no labels': 1"):
        StepExamples().build(tiny_codec, pairs[1:])


def test_labels_of_different_targets_do_not_train_one_head(tiny_codec, make_labeled):
    other = make_labeled(["b\n"], [StepLabel(target="validity", value=1.0, source="human")])
    with pytest.raises(LabelError, match=r"different targets.*'validity', 'value'"):
        StepExamples().build(tiny_codec, [make_labeled(["a\n"], [value(1.0)]), other])


def test_progress_is_no_probability(tiny_codec, make_labeled):
    label = StepLabel(target="progress", value=-0.5, source="rollout")
    with pytest.raises(LabelError, match="progress"):
        StepExamples().build(tiny_codec, [make_labeled(["a\n"], [label])])


def test_an_outcome_is_learned_at_the_last_step_end_or_at_every_one(tiny_codec, make_labeled):
    pair = make_labeled(["a\n", "b\n"], [None, None], Verdict(outcome="equal"))
    last, every = (OutcomeExamples(at=at).build(tiny_codec, [pair]) for at in ("last", "every"))
    assert last.target == "value" and last.examples[0].targets == (1.0, 1.0)
    assert last.examples[0].weights == (0.0, 1.0) and every.examples[0].weights == (1.0, 1.0)


def test_an_undecided_verdict_is_counted_and_never_wrong(tiny_codec, make_labeled):
    outcomes = ["equal", "different", "unparsable", "undecided"]
    pairs = [make_labeled(["a\n"], [None], Verdict(outcome=outcome)) for outcome in outcomes]
    built = OutcomeExamples().build(tiny_codec, [*pairs, make_labeled(["a\n"], [None])])
    assert [example.targets for example in built.examples] == [(1.0,), (0.0,), (0.0,)]
    assert built.excluded == {"undecided": 1, "no verdict": 1}


def test_examples_of_one_problem_text_share_a_group_whatever_its_id(tiny_codec, make_labeled):
    pairs = [make_labeled(["a\n"], [value(1.0)], problem=name) for name in ("a", "a", "b")]
    first, second, third = StepExamples().build(tiny_codec, pairs).examples
    assert first.group == second.group != third.group


def test_the_key_of_a_set_follows_its_targets(tiny_codec, make_labeled):
    keys = {StepExamples().build(tiny_codec, [make_labeled(["a\n"], [value(v)])]).key for v in (0.0, 1.0, 1.0)}
    assert len(keys) == 2
