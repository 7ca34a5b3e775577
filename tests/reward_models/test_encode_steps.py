from __future__ import annotations

from dataclasses import replace

import pytest

from stepward.errors import ModelError, ScoreError
from stepward.reward_models.backbone import open_codec
from stepward.reward_models.encoding.codec import StepCodec
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.types import Problem


def test_ids_are_prompt_then_each_step_followed_by_the_marker(codec, problem, make_trace):
    encoded = codec.encode(problem, make_trace("two plus three\n", "is five ."))
    tokenizer = codec.tokenizer
    own = [
        tokenizer.encode(text, add_special_tokens=False)
        for text in (problem.text + "\n", "two plus three", "is five .")
    ]
    marker = [tokenizer.convert_tokens_to_ids(STEPWARD_DEFAULT.marker)]
    assert list(encoded.ids) == own[0] + own[1] + marker + own[2] + marker
    assert [encoded.ids[at] for at in encoded.read_positions] == marker * 2
    assert [list(encoded.ids[a:b]) for a, b in encoded.spans] == own[1:]


def test_the_ids_of_a_prefix_are_a_prefix_of_the_ids(codec, problem, make_trace):
    steps = ["two plus\n", "three is five", " . so", "the answer\n\n", "is 5"]
    whole = codec.encode(problem, make_trace(*steps))
    for count in range(len(steps)):
        part = codec.encode(problem, make_trace(*steps[:count]))
        assert part.ids == whole.ids[: len(part)]
        assert part.read_positions == whole.read_positions[:count]


def test_separators_between_steps_do_not_change_the_ids(codec, problem, make_trace):
    lines = codec.encode(problem, make_trace("two plus three\n", "is five"))
    blanks = codec.encode(problem, make_trace("two plus three\n\n", "  is five\n"))
    assert lines == blanks


def test_many_traces_encode_as_each_alone(codec, pairs):
    assert codec.encode_many(pairs) == [codec.encode(*pair) for pair in pairs]


def test_a_trace_without_steps_has_no_read_position(codec, problem, make_trace):
    assert codec.encode(problem, make_trace()).read_positions == ()


def test_a_format_that_reads_before_the_marker_reads_the_last_own_token(tiny_folder, problem, make_trace):
    codec = open_codec(tiny_folder, replace(STEPWARD_DEFAULT, read="before"))
    encoded = codec.encode(problem, make_trace("two plus three\n", "is five ."))
    assert [at + 1 for at in encoded.read_positions] == [end for _, end in encoded.spans]


def test_a_marker_inside_a_step_is_refused_by_step(codec, problem, make_trace):
    with pytest.raises(ScoreError, match=r"step 1 .*holds the step marker"):
        codec.encode(problem, make_trace("two .", "is <|step_end|> five"))


def test_a_marker_inside_the_problem_is_refused(codec, make_trace):
    with pytest.raises(ScoreError, match="problem 'bad' holds the step marker"):
        codec.encode(Problem(id="bad", text="what is <|step_end|> ?"), make_trace("two"))


def test_a_white_space_marker_inside_a_step_is_refused(tiny_folder, problem, make_trace):
    codec = open_codec(tiny_folder, replace(STEPWARD_DEFAULT, marker="\n", added=False))
    assert len(codec.encode(problem, make_trace("two\n", "plus\n")).read_positions) == 2
    with pytest.raises(ScoreError, match="step 0"):
        codec.encode(problem, make_trace("two\nplus", "three"))


def test_a_blank_step_is_refused(codec, problem, make_trace):
    with pytest.raises(ScoreError, match=r"step 1 .*holds no token.*segmenter"):
        codec.encode(problem, make_trace("two\n", " \n", "three"))


def test_over_the_models_limit_is_an_error_with_limit_and_length(codec, problem, make_trace):
    with pytest.raises(ModelError, match=r"limit of 256 tokens; got 30\d; nothing is truncated"):
        codec.encode(problem, make_trace("two " * 300))


def test_a_marker_that_is_not_one_token_is_refused(codec):
    format = replace(STEPWARD_DEFAULT, marker="two plus", added=False)
    with pytest.raises(ModelError, match="must be one token"):
        StepCodec.of(codec.tokenizer, format, context=256)


@pytest.mark.parametrize("changed", [{"marker": "zebra"}, {"output": "tokens", "answers": ("two", "zebra")}])
def test_a_marker_or_an_answer_outside_the_vocabulary_is_refused(codec, changed):
    format = replace(STEPWARD_DEFAULT, added=False, **changed)
    with pytest.raises(ModelError, match=r"zebra.* cannot be written in this tokenizer"):
        StepCodec.of(codec.tokenizer, format, context=256)


def test_chat_formats_put_the_steps_into_the_assistants_turn(codec, problem, make_trace):
    turns = "{% for m in messages %}{{ m.role }} : {{ m.content }} .{% endfor %}"
    codec.tokenizer.chat_template = turns + "{% if add_generation_prompt %} answer{% endif %}"
    format = replace(STEPWARD_DEFAULT, layout="chat", system="is", prompt="{problem}", generation_prompt=True)
    try:
        chat = StepCodec.of(codec.tokenizer, format, context=256).encode(problem, make_trace("five"))
    finally:
        codec.tokenizer.chat_template = None
    text = f"system : is .user : {problem.text} . answer"
    assert list(chat.ids[: chat.spans[0][0]]) == codec.tokenizer.encode(text, add_special_tokens=False)


def test_a_text_of_unknown_words_is_refused_as_foreign(codec, make_trace) -> None:
    with pytest.raises(ModelError, match="foreign to this model"):
        codec.encode(Problem(id="p", text="two plus"), make_trace("zebra ", "quagga "))
