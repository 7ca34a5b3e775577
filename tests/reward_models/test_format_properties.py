"""What holds for every format, whatever the texts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from byte_tokenizer import byte_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from stepward.reward_models.encoding.codec import StepCodec
from stepward.reward_models.formats.library import FORMATS
from stepward.types import Problem, Step, Trace

TOKENIZER = byte_tokenizer()
TOKENIZER.add_tokens(["<|step_end|>"], special_tokens=True)

word = st.text("abcxyz0159=*()$.,é", min_size=1, max_size=5)
line = st.lists(word, min_size=1, max_size=4).map(" ".join)
step = st.lists(line, min_size=1, max_size=2).map("\n".join)
steps = st.lists(step, min_size=1, max_size=4)


def codec_of(name: str) -> StepCodec:
    """The format on bytes: ids are those of another tokenizer than published."""
    format = replace(FORMATS[name], marker_ids=(), answer_ids=())
    return StepCodec.of(TOKENIZER, format, context=1 << 20)


CODECS = {name: codec_of(name) for name in FORMATS}
WHOLE = [name for name, format in FORMATS.items() if not format.passes]
STABLE = [name for name, format in FORMATS.items() if format.prefix_stable]


def trace_of(texts: list[str]) -> Trace:
    spans, at = [], 0
    for text in texts:
        spans.append(Step(at, at + len(text) + 1))
        at += len(text) + 1
    return Trace(problem_id="p", text="".join(f"{text}\n" for text in texts), steps=tuple(spans))


def encoded(name: str, problem: str, texts: list[str]):
    return CODECS[name].encode(Problem(id="p", text=problem), trace_of(texts))


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=8, deadline=None)
@given(line, steps)
def test_there_is_one_read_position_and_one_span_per_step(name: str, problem: str, texts: list[str]) -> None:
    found = encoded(name, problem, texts)
    assert len(found.read_positions) == len(found.spans) == len(texts)
    assert list(found.read_positions) == sorted(set(found.read_positions))
    assert found.read_positions[0] >= 0 and found.read_positions[-1] < len(found)
    if len(texts) > 1:
        assert len(encoded(name, problem, texts[:-1]).read_positions) == len(texts) - 1


@pytest.mark.parametrize("name", STABLE)
@settings(max_examples=8, deadline=None)
@given(line, steps, step)
def test_a_later_step_changes_nothing_that_is_read_before_it(
    name: str, problem: str, texts: list[str], other: str
) -> None:
    whole, changed = encoded(name, problem, [*texts, "so z"]), encoded(name, problem, [*texts, other])
    count, stop = len(texts), whole.read_positions[len(texts) - 1] + 1
    assert whole.read_positions[:count] == changed.read_positions[:count]
    assert whole.ids[:stop] == changed.ids[:stop]
    prefix = encoded(name, problem, texts)
    assert prefix.ids == whole.ids[: len(prefix)]


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=4, deadline=None)
@given(line, steps)
def test_spans_hold_the_text_of_their_steps(name: str, problem: str, texts: list[str]) -> None:
    codec = CODECS[name]
    found = encoded(name, problem, texts)
    for text, (start, end) in zip(texts, found.spans, strict=True):
        seen = TOKENIZER.decode(list(found.ids[start:end]))
        assert (text.replace("\n", " ") if codec.format.line_breaks == "space" else text) in seen


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=3, deadline=None)
@given(st.lists(st.tuples(line, steps), min_size=1, max_size=3))
def test_many_encode_as_each_alone(name: str, rows: list[tuple[str, list[str]]]) -> None:
    pairs = [(Problem(id="p", text=problem), trace_of(texts)) for problem, texts in rows]
    assert CODECS[name].encode_many(pairs) == [CODECS[name].encode(*pair) for pair in pairs]


@settings(max_examples=10, deadline=None)
@given(line, steps)
def test_passes_read_their_own_marks_and_nothing_later(problem: str, texts: list[str]) -> None:
    codec, asked = CODECS["pathfinder-prm"], Problem(id="p", text=problem)
    first = codec.encode_pass(asked, trace_of(texts), 0)
    assert len(first.read_positions) == 2
    assert len(codec.encode_pass(asked, trace_of(texts), 0, ("<+>", "<+>")).read_positions) == 1
    assert codec.encode_pass(asked, trace_of(texts[:1]), 0) == first
