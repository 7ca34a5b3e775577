import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepward import types as words
from stepward.codec import from_json, to_json
from stepward.errors import DataError, LabelError, TraceError
from stepward.protocols import SearchResult
from stepward.types import (
    Completion,
    Json,
    LabeledTrace,
    Origin,
    Part,
    Problem,
    Sampling,
    Spend,
    Step,
    StepLabel,
    StepScores,
    Trace,
    TraceScore,
    Verdict,
)

TEXT = st.text(st.characters(), max_size=12)  # lone surrogates included
FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
META = st.dictionaries(TEXT, JSON, max_size=3)
ORIGIN = st.builds(Origin, maker=TEXT, revision=TEXT, settings=META, seed=st.none() | st.integers())
SPEND = st.builds(Spend, policy_tokens=st.integers(), scorer_calls=st.integers(), flops=FINITE, seconds=FINITE)
KINDS = st.sampled_from(["thought", "action", "observation", "answer"])


@st.composite
def traces(draw):
    pieces = draw(st.lists(st.tuples(st.text(min_size=1, max_size=6), KINDS), max_size=5))
    steps, at = [], 0
    for text, kind in pieces:
        steps.append(Step(at, at + len(text), kind))
        at += len(text)
    return Trace(
        problem_id=draw(TEXT),
        text="".join(text for text, _ in pieces),
        steps=tuple(steps),
        answer=draw(st.none() | TEXT),
        finish=draw(st.sampled_from(["stop", "length", "error"])),
        origin=draw(ORIGIN),
        spend=draw(SPEND),
        meta=draw(META),
    )


def labels(trials):
    return st.integers(0, trials).map(
        lambda k: StepLabel(target="value", value=k / trials, source="rollout", successes=k, trials=trials)
    )


@st.composite
def labeled(draw):
    trace = draw(traces())
    found = draw(st.lists(st.none() | labels(8), min_size=len(trace), max_size=len(trace)))
    return LabeledTrace(trace=trace, labels=tuple(found), spend=draw(SPEND))


RECORDS = st.one_of(
    ORIGIN,
    SPEND,
    traces(),
    labeled(),
    st.builds(Problem, id=TEXT, text=TEXT, answer=st.none() | TEXT, meta=META, parts=st.just((Part(kind="image"),))),
    st.builds(Verdict, outcome=st.sampled_from(["equal", "undecided"]), answer=st.none() | TEXT, reason=TEXT),
    st.builds(StepScores, values=st.lists(st.floats(0, 1), max_size=4).map(tuple), scorer=ORIGIN),
    st.builds(TraceScore, value=FINITE, spend=SPEND),
    st.builds(Completion, text=TEXT, logprobs=st.lists(st.floats(max_value=0, allow_nan=False), max_size=3).map(tuple)),
    st.builds(
        SearchResult,
        problem_id=TEXT,
        traces=st.lists(traces(), max_size=2).map(tuple),
        chosen=st.none() | st.integers(0, 3),
        answer=st.none() | TEXT,
        spend=SPEND,
        scores=st.lists(st.none() | FINITE, max_size=3).map(tuple),
    ),
)


@settings(max_examples=60, deadline=None)
@given(RECORDS)
def test_every_record_comes_back_equal_through_json_text(record):
    text = json.dumps(to_json(record), allow_nan=False)
    assert from_json(type(record), json.loads(text)) == record


def test_defaults_are_left_out_and_steps_are_short():
    trace = Trace(problem_id="p", text="ab", steps=(Step(0, 1), Step(1, 2, "answer")))
    assert to_json(trace) == {"problem_id": "p", "text": "ab", "steps": [[0, 1], [1, 2, "answer"]]}


def test_a_required_none_is_written():
    result = SearchResult(problem_id="p", traces=(), chosen=None, answer=None, spend=Spend())
    assert to_json(result) == {"problem_id": "p", "traces": [], "chosen": None, "answer": None, "spend": {}}


def test_numbers_that_json_lacks_are_spelled_out():
    written = to_json(Completion(text="", logprobs=(-math.inf, math.nan)))
    assert written == {"text": "", "logprobs": ["-inf", "nan"]}
    assert math.isnan(from_json(Completion, written).logprobs[1])


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (Problem, {"id": "1", "txt": "x"}, r"Problem has no field 'txt'; did you mean 'text'\?"),
        (Problem, {"id": "1"}, r"Problem lacks the field 'text'; got \['id'\]"),
        (Problem, {"id": 1, "text": ""}, r"Problem\.id must be text; got 1"),
        (Problem, {"id": "1", "text": "", "answer": 3}, r"Problem\.answer must be text; got 3"),
        (Problem, {"id": "1", "text": "", "meta": []}, r"Problem\.meta must be a mapping"),
        (Problem, ["1"], "Problem must be a mapping of fields"),
        (Trace, {"problem_id": "p", "text": "a", "steps": [[0, 1, "thougt"]]}, r"steps\[0\]\.kind .* 'thought'\?"),
        (Trace, {"problem_id": "p", "text": "a", "steps": [[0, True]]}, r"steps\[0\]\.end must be a whole number"),
        (Trace, {"problem_id": "p", "text": "a", "steps": [[0]]}, r"steps\[0\] must be a list of start, end, kind"),
        (Trace, {"problem_id": "p", "text": "a", "steps": {}}, r"Trace\.steps must be a list"),
        (StepScores, {"values": [0.5, "0.5"]}, r"StepScores\.values\[1\] must be a number; got '0\.5'"),
        (StepScores, {"values": [10**400]}, r"values\[0\] is too large a number"),
        (Completion, {"text": "", "ended": 1}, r"Completion\.ended must be true or false"),
    ],
)
def test_what_does_not_fit_is_named_with_its_path(kind: type, value: Json, message: str):
    with pytest.raises(DataError, match=message):
        from_json(kind, value)


def test_the_record_itself_refuses_fields_that_do_not_fit_each_other():
    with pytest.raises(TraceError, match="must start at 0"):
        from_json(Trace, {"problem_id": "p", "text": "ab", "steps": [[1, 2]]})
    with pytest.raises(LabelError, match="must lie in"):
        from_json(StepLabel, {"target": "value", "value": 2, "source": "rollout"})


def test_requests_and_rewards_come_back_too():
    assert from_json(Sampling, to_json(Sampling(stop=("\n",), seed=3))) == Sampling(stop=("\n",), seed=3)
    request = words.SampleRequest(problem=Problem(id="1", text="x"), n=2, sampling=Sampling(temperature=0.5))
    assert from_json(words.SampleRequest, to_json(request)) == request
    reward = words.StepReward(0, 2, 1.5)
    assert from_json(words.StepReward, to_json(reward)) == reward


def test_a_type_without_a_rule_is_a_programming_error():
    with pytest.raises(TypeError, match="no rule"):
        to_json(object())
