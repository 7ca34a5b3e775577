from __future__ import annotations

from dataclasses import replace

import pytest

from stepward.errors import ConfigError, LabelError, ModelError
from stepward.training.examples import Intake, OutcomeExamples, Slot, StepExamples, TwoHeadExamples
from stepward.training.objectives.bradley_terry import BradleyTerry
from stepward.training.objectives.contract import StepTargets
from stepward.training.siblings import only_compared
from stepward.training.weights import Agreement, PosteriorWeights, StatedWeights, Trust, Weigher
from stepward.types import UNKNOWN, Origin, StepLabel, Verdict


def learned(example) -> dict[int, float]:
    """Target by step, of the steps that are learned."""
    return {slot.step: slot.target for slot in example.slots}


def value(v: float, **more) -> StepLabel:
    return StepLabel(target="value", value=v, source="rollout", **more)


def test_the_hard_view_says_any_success_and_the_soft_view_keeps_the_share(tiny_codec, make_labeled):
    pair = make_labeled(["a\n", "b\n"], [value(0.25, successes=2, trials=8), value(0.0, successes=0, trials=8)])
    (hard,), (soft,) = (StepExamples(view=view).build(tiny_codec, [pair]).examples for view in ("hard", "soft"))
    assert learned(hard) == {0: 1.0, 1: 0.0} and learned(soft) == {0: 0.25, 1: 0.0}
    assert [(slot.trials, slot.weight) for slot in soft.slots] == [(8, 1.0), (8, 1.0)]


def test_an_unlabelled_step_is_read_and_teaches_nothing(tiny_codec, make_labeled):
    (example,) = StepExamples().build(tiny_codec, [make_labeled(["a\n", "b\n"], [None, value(1.0)])]).examples
    assert learned(example) == {1: 1.0} and len(example.encoded.read_positions) == 2


def test_steps_after_the_first_error_are_kept_or_dropped_on_request(tiny_codec, make_labeled):
    pair = make_labeled(["a\n", "b\n", "c\n"], [value(1.0), value(0.0), value(1.0)])
    kept, dropped = (
        StepExamples(after_error=after).build(tiny_codec, [pair]).examples[0] for after in ("keep", "drop")
    )
    assert learned(kept) == {0: 1.0, 1: 0.0, 2: 1.0} and learned(dropped) == {0: 1.0, 1: 0.0}


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
    for view in ("hard", "soft"):
        with pytest.raises(LabelError, match=r"progress labels lie in \[-1, 1\]"):
            StepExamples(view=view).build(tiny_codec, [make_labeled(["a\n"], [label])])


def test_an_outcome_is_learned_at_the_last_step_end_or_at_every_one(tiny_codec, make_labeled):
    pair = make_labeled(["a\n", "b\n"], [None, None], Verdict(outcome="equal"))
    last, every = (OutcomeExamples(at=at).build(tiny_codec, [pair]) for at in ("last", "every"))
    assert last.target == "value" and learned(last.examples[0]) == {1: 1.0}
    assert learned(every.examples[0]) == {0: 1.0, 1: 1.0}


def test_an_undecided_verdict_is_counted_and_never_wrong(tiny_codec, make_labeled):
    outcomes = ["equal", "different", "unparsable", "undecided"]
    pairs = [make_labeled(["a\n"], [None], Verdict(outcome=outcome)) for outcome in outcomes]
    built = OutcomeExamples().build(tiny_codec, [*pairs, make_labeled(["a\n"], [None])])
    assert [learned(example) for example in built.examples] == [{0: 1.0}, {0: 0.0}, {0: 0.0}]
    assert built.excluded == {"undecided": 1, "no verdict": 1}


def test_examples_of_one_problem_text_share_a_group_whatever_its_id(tiny_codec, make_labeled):
    pairs = [make_labeled(["a\n"], [value(1.0)], problem=name) for name in ("a", "a", "b")]
    first, second, third = StepExamples().build(tiny_codec, pairs).examples
    assert first.group == second.group != third.group


def test_the_key_of_a_set_follows_its_targets(tiny_codec, make_labeled):
    keys = {StepExamples().build(tiny_codec, [make_labeled(["a\n"], [value(v)])]).key for v in (0.0, 1.0, 1.0)}
    assert len(keys) == 2


def rating(r: int, neutral: float = 1.0) -> StepLabel:
    return StepLabel(target="prefix", value={1: 1.0, 0: neutral, -1: 0.0}[r], source="human")


def prm800k_like(make_labeled, ratings, **reading):
    problem, made = make_labeled(["a\n", "b\n", "c\n", "d\n"][: len(ratings)], [rating(r, **reading) for r in ratings])
    return problem, replace(made, trace=replace(made.trace, meta={"ratings": list(ratings)}))


@pytest.mark.parametrize(
    "neutral, view, target",
    [
        ("as_read", "hard", 1.0),
        ("good", "hard", 1.0),
        ("bad", "hard", 0.0),
        ("ignore", "hard", None),
        (0.5, "soft", 0.5),
    ],
)
def test_a_neutral_rating_means_what_was_chosen_and_is_counted(neutral, view, target, tiny_codec, make_labeled):
    pair = prm800k_like(make_labeled, (1, 0, -1))
    built = StepExamples(neutral=neutral, view=view).build(tiny_codec, [pair])
    want = {0: 1.0, 1: target, 2: 0.0}
    assert learned(built.examples[0]) == {step: y for step, y in want.items() if y is not None}
    assert built.notes == {f"neutral steps: {neutral}": 1}


def test_a_neutral_step_that_the_reader_ignored_can_be_brought_back(tiny_codec, make_labeled):
    problem, made = prm800k_like(make_labeled, (1, 0, 1))
    ignored = replace(made, labels=(made.labels[0], None, made.labels[2]))
    (example,) = StepExamples(neutral="bad").build(tiny_codec, [(problem, ignored)]).examples
    assert learned(example) == {0: 1.0, 1: 0.0, 2: 1.0}


def test_pooled_labels_and_what_follows_an_error_are_no_neutral_steps(tiny_codec, make_labeled):
    problem, made = prm800k_like(make_labeled, (0, 0, -1, 0), neutral=1.0)
    pooled = replace(made, labels=(replace(made.labels[0], value=0.75, note="mean of 4"), *made.labels[1:]))
    built = StepExamples(neutral="bad", view="soft").build(tiny_codec, [(problem, pooled)])
    assert learned(built.examples[0]) == {0: 0.75, 1: 0.0, 2: 0.0, 3: 1.0}


@pytest.mark.parametrize("neutral", ["worse", -0.1, 1.5, True])
def test_an_unknown_meaning_of_neutral_is_refused(neutral):
    with pytest.raises(ConfigError, match="neutral must be"):
        StepExamples(neutral=neutral)


def test_what_follows_an_error_is_counted_where_it_is_dropped(tiny_codec, make_labeled):
    pair = make_labeled(["a\n", "b\n", "c\n"], [value(0.0), None, value(1.0)])
    built = StepExamples(after_error="drop").build(tiny_codec, [pair])
    assert built.notes == {"labels after the first error left out": 1}


def test_labels_must_mean_what_was_asked_for(tiny_codec, make_labeled):
    with pytest.raises(LabelError, match=r"labels must mean prefix; got 'value'; convert"):
        StepExamples(target="prefix").build(tiny_codec, [make_labeled(["a\n"], [value(1.0)])])


def test_an_over_long_trace_is_left_out_and_counted_or_an_error(tiny_codec, make_labeled):
    pairs = [make_labeled(["a\n"] * count, [value(1.0)] * count) for count in (2, 200)]
    built = StepExamples().build(tiny_codec, pairs)
    assert len(built.examples) == 1 and built.excluded == {"over 256 tokens": 1}
    with pytest.raises(ModelError, match="over the model's limit of 256"):
        StepExamples(intake=Intake(overlong="error")).build(tiny_codec, pairs)
    with pytest.raises(LabelError, match="over 256 tokens"):
        OutcomeExamples().build(tiny_codec, [make_labeled(["a\n"] * 200, [None] * 200, Verdict(outcome="equal"))])


def test_equal_traces_are_merged_on_request(tiny_codec, make_labeled):
    human = [make_labeled(["a\n"], [rating(r)]) for r in (1, 1, -1, 1)]
    counted = [make_labeled(["b\n"], [value(k / n, successes=k, trials=n)], problem="q") for k, n in ((1, 8), (4, 4))]
    merge = StepExamples(view="soft", intake=Intake(repeats="merge"))
    (one,) = merge.build(tiny_codec, human).examples
    (two,) = merge.build(tiny_codec, counted).examples
    assert one.slots[0].target == 0.75 and (two.slots[0].target, two.slots[0].trials) == (5 / 12, 12)
    assert merge.build(tiny_codec, human).notes == {"repeated traces merged": 3}
    assert len(StepExamples().build(tiny_codec, human).examples) == 4


def test_labels_weigh_by_rollouts_trust_and_agreement(tiny_codec, make_labeled):
    few, many = value(0.5, successes=1, trials=2), value(0.5, successes=50, trials=100)
    problem, made = make_labeled(["a\n", "b\n", "c\n"], [few, many, value(1.0)])
    second = replace(made, labels=(value(1.0), value(0.0), None))
    posterior, trust = PosteriorWeights(spread=0.25), Trust(of={"rollout": 0.5})
    v = 1.5 * 1.5 / (9 * 4)
    found = posterior.weights(made)
    assert found[0] == pytest.approx(0.0625 / (0.0625 + v)) and found[0] < found[1] < found[2] == 1.0
    agreement = Agreement.of([second], disagree=0.25)
    assert list(agreement.weights(made)) == [1.0, 0.25, 0.0]
    weighers = (posterior, trust, agreement)
    assert all(isinstance(weigher, Weigher) for weigher in weighers)
    built = StepExamples(weighers=weighers).build(tiny_codec, [(problem, made)])
    weights = {slot.step: slot.weight for slot in built.examples[0].slots}
    assert weights == pytest.approx({0: 0.5 * found[0], 1: 0.125 * found[1]})
    assert built.notes == {"labels of weight 0 left out": 1}


def test_trust_asks_the_maker_before_the_source(make_labeled):
    label = value(1.0, origin=Origin(maker="labeler:rollout"))
    _, made = make_labeled(["a\n", "b\n", "c\n"], [label, value(1.0), replace(label, source="outcome", origin=UNKNOWN)])
    trust = Trust(of={"labeler:rollout": 0.9, "rollout": 0.2}, otherwise=0.7)
    assert list(trust.weights(made)) == [0.9, 0.2, 0.7]
    with pytest.raises(ConfigError, match="trust must be at least 0"):
        Trust(of={"rollout": -1.0})


def test_an_outcome_is_learned_at_every_token_from_the_first_step_to_the_last_read(tiny_codec, make_labeled):
    pair = make_labeled(["a b\n", "c\n"], [None, None], Verdict(outcome="equal"))
    (whole,), (tokens,) = (OutcomeExamples(at=at).build(tiny_codec, [pair]).examples for at in ("last", "token"))
    first, last = whole.encoded.spans[0][0], whole.encoded.read_positions[-1]
    assert tokens.encoded.read_positions == tuple(range(first, last + 1)) and tokens.encoded.ids == whole.encoded.ids
    assert [slot.target for slot in tokens.slots] == [1.0] * (last + 1 - first)


def test_two_heads_learn_labels_and_verdicts(tiny_codec, make_labeled):
    pairs = [
        make_labeled(["a\n", "b\n"], [rating(1), rating(-1)], Verdict(outcome="equal")),
        make_labeled(["b\n"], [rating(1)]),
        make_labeled(["c\n"], [None], Verdict(outcome="different")),
        make_labeled(["d\n"], [None]),
    ]
    built = TwoHeadExamples().build(tiny_codec, pairs)
    slots = [[(slot.output, slot.step, slot.target) for slot in example.slots] for example in built.examples]
    assert slots == [[(0, 0, 1.0), (0, 1, 0.0), (1, 0, 1.0), (1, 1, 1.0)], [(0, 0, 1.0)], [(1, 0, 0.0)]]
    assert (built.target, built.second, built.outputs) == ("prefix", "value", 2)
    assert built.excluded == {"neither labels nor verdict": 1}


def test_two_heads_learn_two_labellings_of_the_same_traces(tiny_codec, make_labeled):
    first = [make_labeled(["a\n", "b\n"], [rating(1), rating(-1)]), make_labeled(["c\n"], [rating(1)])]
    second = [make_labeled(["a\n", "b\n"], [value(0.75), value(0.25)])]
    both = TwoHeadExamples(second=StepExamples(view="soft"))
    one, two = both.build(tiny_codec, first, second).examples
    assert [(slot.output, slot.target) for slot in one.slots] == [(0, 1.0), (0, 0.0), (1, 0.75), (1, 0.25)]
    assert [slot.output for slot in two.slots] == [0]
    with pytest.raises(LabelError, match="second output"):
        both.build(tiny_codec, first[:1], [make_labeled(["e\n"], [value(1.0)])])


def test_a_slot_that_names_no_read_step_is_refused(tiny_codec, make_labeled):
    (example,) = StepExamples().build(tiny_codec, [make_labeled(["a\n"], [value(1.0)])]).examples
    with pytest.raises(LabelError, match=r"read at 1 steps; it has more labels; got 'a label at step 1'"):
        replace(example, slots=(Slot(step=1, target=1.0),))
    for wrong in (Slot(step=0, target=1.5), Slot(step=0, target=1.0, weight=float("nan"))):
        with pytest.raises(LabelError, match="out of range"):
            replace(example, slots=(wrong,))


def test_only_what_is_compared_with_a_sibling_stays(tiny_codec, make_labeled):
    pairs = [
        make_labeled(["a\n", "b\n"], [rating(1), rating(1)]),
        make_labeled(["a\n", "c\n"], [rating(1), rating(-1)]),
        make_labeled(["d\n"], [rating(1)]),
        make_labeled(["a\n", "d\n"], [rating(1), rating(1)], problem="q"),
    ]
    whole = StepExamples().build(tiny_codec, pairs)
    with pytest.raises(LabelError, match="without such siblings"):
        BradleyTerry().check(StepTargets.of(whole.examples))
    kept = only_compared(whole, BradleyTerry())
    assert [learned(example) for example in kept.examples] == [{1: 1.0}, {1: 0.0}]
    assert kept.excluded == {"no siblings to compare": 2} and kept.notes == {"labels without siblings left out": 5}
    BradleyTerry().check(StepTargets.of(kept.examples))
    with pytest.raises(LabelError, match="no step has a sibling"):
        only_compared(StepExamples().build(tiny_codec, pairs[2:]), BradleyTerry())


def test_a_weight_that_the_record_states_multiplies_its_labels(tiny_codec, make_labeled):
    problem, labeled = make_labeled(["a\n", "b\n"], [value(1.0), value(0.0)])
    near = replace(labeled, meta={"agreement": "near", "weight": 0.5})
    (example,) = StepExamples(weighers=(StatedWeights(),)).build(tiny_codec, [(problem, near)]).examples
    assert [slot.weight for slot in example.slots] == [0.5, 0.5]
    assert StatedWeights().weights(labeled) == [1.0, 1.0]
    with pytest.raises(LabelError, match=r"weight of trace .* at least 0; got -1"):
        StatedWeights().weights(replace(labeled, meta={"weight": -1}))
