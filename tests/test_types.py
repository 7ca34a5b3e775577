import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepward.errors import LabelError, ScoreError, TraceError
from stepward.types import LabeledTrace, Sampling, Step, StepLabel, StepScores, Trace, TraceScore, Verdict, content_key


def trace_of(*texts: str, **fields) -> Trace:
    steps, at = [], 0
    for text in texts:
        steps.append(Step(at, at + len(text)))
        at += len(text)
    return Trace(problem_id="p", text="".join(texts), steps=tuple(steps), **fields)


def label(value: float, target: str = "prefix") -> StepLabel:
    return StepLabel(target=target, value=value, source="human")


@given(st.lists(st.text(min_size=1), max_size=6))
def test_steps_joined_give_the_text_back(texts):
    trace = trace_of(*texts)
    assert trace.step_texts == tuple(texts)
    assert "".join(trace.step_texts) == trace.text
    assert [trace.prefix(count) for count in range(len(trace) + 1)] == [
        "".join(texts[:count]) for count in range(len(texts) + 1)
    ]


@given(st.text(max_size=8), st.lists(st.tuples(st.integers(-1, 9), st.integers(-1, 9)), max_size=4))
def test_spans_are_accepted_exactly_where_they_partition_the_text(text, spans):
    edges = [0, *(end for _, end in spans)]
    partition = all(start == edge and end > start for (start, end), edge in zip(spans, edges, strict=False)) and edges[
        -1
    ] == len(text)
    steps = tuple(Step(start, end) for start, end in spans)
    if partition:
        assert len(Trace(problem_id="p", text=text, steps=steps)) == len(spans)
    else:
        with pytest.raises(TraceError):
            Trace(problem_id="p", text=text, steps=steps)


@pytest.mark.parametrize(
    ("text", "steps", "message"),
    [
        ("abc", (Step(0, 1), Step(2, 3)), r"step 1 of a trace of problem 'p' must start at 1 .*got \(2, 3\)"),
        ("abc", (Step(0, 2), Step(1, 3)), "step 1 .* must start at 2"),
        ("abc", (Step(0, 0), Step(0, 3)), "step 0 .* at least one character"),
        ("abc", (Step(0, 2),), "end at 2, its text at 3"),
        ("", (Step(0, 1),), "end at 1, its text at 0"),
    ],
)
def test_a_trace_says_which_step_breaks_the_partition(text, steps, message):
    with pytest.raises(TraceError, match=message):
        Trace(problem_id="p", text=text, steps=steps)


def test_an_id_depends_on_problem_text_and_spans_alone():
    trace = trace_of("a", "bc")
    assert trace.id == trace_of("a", "bc", answer="7", meta={"draw": 3}).id
    others = [trace_of("ab", "c"), trace_of("a", "bd"), Trace(problem_id="q", text=trace.text, steps=trace.steps)]
    assert trace.id not in {other.id for other in others}


def test_a_content_key_depends_on_content_and_not_on_order_of_fields():
    assert content_key({"a": 1, "b": [2]}) == content_key({"b": [2], "a": 1})
    assert len({content_key("a", "b"), content_key("ab"), content_key("b", "a"), content_key(["a", "b"])}) == 4
    assert len(content_key("\ud800")) == 24


@pytest.mark.parametrize(("target", "low"), [("validity", 0.0), ("prefix", 0.0), ("value", 0.0), ("progress", -1.0)])
def test_labels_keep_to_the_range_of_their_target(target, low):
    assert label(low, target).value == low
    assert label(1.0, target).good
    for value in (low - 1e-9, 1.0 + 1e-9, math.nan, math.inf):
        with pytest.raises(LabelError, match=f"a {target} label must lie in"):
            label(value, target)


@pytest.mark.parametrize("counts", [(1, None), (None, 1), (2, 1), (-1, 1), (0, 0)])
def test_counts_must_make_sense(counts):
    with pytest.raises(LabelError):
        StepLabel(target="value", value=0.5, source="rollout", successes=counts[0], trials=counts[1])


@pytest.mark.parametrize(
    ("target", "value", "good"),
    [
        ("value", 0.0, False),
        ("value", 0.125, True),
        ("prefix", 0.49, False),
        ("prefix", 0.5, True),
        ("validity", 0.0, False),
        ("progress", -0.1, False),
        ("progress", 0.0, True),
    ],
)
def test_the_hard_view_depends_on_the_target(target, value, good):
    assert label(value, target).good is good


def test_labels_fit_their_trace_and_share_a_target():
    trace = trace_of("a", "b")
    with pytest.raises(LabelError, match="has 2 steps and needs one label or None for each; got 1"):
        LabeledTrace(trace=trace, labels=(label(1),))
    with pytest.raises(LabelError, match=r"must share a target; got \['prefix', 'value'\]"):
        LabeledTrace(trace=trace, labels=(label(1), label(1, "value")))
    assert LabeledTrace(trace=trace, labels=(None, label(1, "value"))).target == "value"
    assert LabeledTrace(trace=trace, labels=(None, None)).target is None


def test_the_first_error_is_the_first_label_that_is_not_good():
    trace = trace_of("a", "b", "c")
    assert LabeledTrace(trace=trace, labels=(label(1), label(0), None)).first_error == 1
    assert LabeledTrace(trace=trace, labels=(label(1), label(1), label(1))).first_error is None
    with pytest.raises(LabelError, match=r"step 0 .* is unlabelled"):
        _ = LabeledTrace(trace=trace, labels=(None, label(0), None)).first_error


def test_undecided_is_neither_right_nor_wrong():
    outcomes = {
        outcome: Verdict(outcome=outcome).correct for outcome in ("equal", "different", "unparsable", "undecided")
    }
    assert outcomes == {"equal": True, "different": False, "unparsable": False, "undecided": None}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_scores_are_finite(value):
    with pytest.raises(ScoreError, match="score of step 1 by unknown is not a finite number"):
        StepScores(values=(0.5, value))
    with pytest.raises(ScoreError, match="not a finite number"):
        TraceScore(value=value)


def test_probabilities_keep_to_their_range_and_logits_do_not():
    with pytest.raises(ScoreError, match=r"score of step 0 by unknown is no probability; got 1\.5"):
        StepScores(values=(1.5,))
    assert len(StepScores(values=(1.5, -3.0), convention="logit")) == 2


@pytest.mark.parametrize("count", [0, 1, 3])
def test_scores_must_be_one_for_each_step(count):
    trace = trace_of("a", "b")
    right = StepScores(values=(0.5, 0.5))
    assert right.check(trace) is right
    with pytest.raises(ScoreError, match=f"has 2 steps and needs one score for each; got {count}"):
        StepScores(values=(0.5,) * count).check(trace)


@pytest.mark.parametrize(
    "wrong", [{"temperature": -0.1}, {"top_p": 0.0}, {"top_p": 1.1}, {"top_k": -1}, {"max_tokens": 0}, {"stop": ("",)}]
)
def test_sampling_settings_are_checked(wrong):
    with pytest.raises(ValueError, match=r"sampling needs|empty stop string"):
        Sampling(**wrong)


def test_records_can_be_used_in_sets():
    steps = [Step(0, 1), Step(0, 1), Step(0, 2)]
    random.Random(0).shuffle(steps)
    assert len(set(steps)) == 2
