"""Assemblies, windows and refusals, on a tokenizer of bytes whose merges cross every unguarded boundary."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from byte_tokenizer import SPECIAL, WORDS, byte_tokenizer
from tokenizers import processors

from stepward.errors import ModelError, ScoreError
from stepward.reward_models.encoding.codec import StepCodec
from stepward.reward_models.formats.library import FORMATS
from stepward.reward_models.formats.record import PRMFormat
from stepward.types import Part, Problem

TOKENIZER = byte_tokenizer()
TOKENIZER.add_tokens(["<|step_end|>"], special_tokens=True)
MERGING = byte_tokenizer((".\n\n", ".\n", "\n\n", ". ", "x ", *WORDS))
"""Merges full stops with what follows."""


def codec(name: str, tokenizer: Any = TOKENIZER, context: int = 4096, **changed: Any) -> StepCodec:
    format = replace(FORMATS[name], marker_ids=(), answer_ids=(), **changed)
    return StepCodec.of(tokenizer, format, context=context)


def ids(text: str, tokenizer: Any = TOKENIZER) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False).input_ids)


@pytest.fixture
def question() -> Problem:
    return Problem(id="p", text="What is x?")


def test_joined_ids_keep_a_separator_that_joined_text_would_merge(question, make_trace) -> None:
    trace = make_trace("x is 1.\n", "So 1.\n")
    joined = codec("trl-blank-line", MERGING).encode(question, trace)
    one, blank = ids("x is 1.", MERGING), ids("\n\n", MERGING)
    expected = [MERGING.bos_token_id, *ids("What is x?", MERGING), *one, *blank, *ids("So 1.", MERGING), *blank]
    assert list(joined.ids) == expected and len(blank) == 1
    assert ids("x is 1.\n\n", MERGING) != one + blank


def test_joined_text_whose_marker_merges_is_refused_and_names_the_tokens(question, make_trace) -> None:
    with pytest.raises(ScoreError, match=r"merges a mark of format 'llemma-headings'.*ĊĊ"):
        codec("llemma-headings", MERGING).encode(question, make_trace("x is 1.\n", "So 1.\n"))
    assert codec("llemma-headings", MERGING).encode(question, make_trace("x is 1\n")).read_positions


def test_an_answer_that_merges_with_its_turn_is_refused(question, make_trace) -> None:
    swallows = byte_tokenizer(("\n+", *WORDS))
    with pytest.raises(ScoreError, match="merges a mark"):
        codec("rlhflow-mistral", swallows).encode(question, make_trace("x is 1"))


@pytest.mark.parametrize("step", ["Step 1: x is 1.", "Step 12. x is 1.", " x is 1. "])
def test_a_number_that_a_step_brings_is_replaced(question, make_trace, step) -> None:
    made = codec("math-shepherd")
    assert made.text(question, make_trace(step + "\n")) == "What is x? Step 1: x is 1. ки"


def test_braces_in_texts_stay_what_they_are(make_trace) -> None:
    made = codec("math-shepherd")
    asked = Problem(id="p", text="What is {step} of {number}?")
    assert made.text(asked, make_trace("{problem}\n")) == "What is {step} of {number}? Step 1: {problem} ки"


def test_markers_that_only_force_boundaries_are_taken_out(question, make_trace) -> None:
    found = codec("reasoneval-34b").encode(question, make_trace("x is 1\n", "So 1\n"))
    head = "Question:\nWhat is x?\nAnswer:\nLet's think step by step.\n"
    assert list(found.ids) == ids(head) + ids("x is 1") + ids("So 1")
    assert [at + 1 for at in found.read_positions] == [end for _, end in found.spans]


def test_a_tokenizer_may_pad_with_its_unknown_token(question, make_trace) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.unk_token = tokenizer.pad_token
    assert len(codec("reasoneval-34b", tokenizer).encode(question, make_trace("x is 1\n")).read_positions) == 1


def test_line_breaks_become_spaces_where_the_format_says_so(make_trace) -> None:
    made = codec("math-psa")
    assert made.text(Problem(id="p", text="What\n\nis x?"), make_trace("x\n is 1\n")) == "What is x? x is 1 \n\n\n\n\n"


def test_a_step_of_several_lines_is_read_at_its_last_one(question, make_trace) -> None:
    made = codec("skywork")
    found = made.encode(question, make_trace("x is\n1\n", "So 1\n"))
    assert [found.ids[at] for at in found.read_positions] == ids("\n") * 2
    assert found.ids.count(ids("\n")[0]) == 4  # behind the problem, inside the first step, behind each step


@pytest.mark.parametrize("name", ["math-shepherd", "qwen2.5-math-prm", "med-prm", "mm-prm"])
def test_a_marker_in_a_step_or_the_problem_is_refused(name, question, make_trace) -> None:
    made = codec(name)
    marker = made.format.marker
    with pytest.raises(ScoreError, match=r"step 1 of trace .* holds the step marker"):
        made.encode(question, make_trace("x is 1\n", f"So{marker} 1\n"))
    with pytest.raises(ScoreError, match="problem 'q' holds the step marker"):
        made.encode(Problem(id="q", text=f"What{marker}?"), make_trace("x is 1\n"))


def test_a_special_token_that_would_break_a_dialogue_is_refused(question, make_trace) -> None:
    made = codec("rlhflow-mistral")
    with pytest.raises(ScoreError, match=r"step 0 .* special token.*<\|im_end\|>"):
        made.encode(question, make_trace("x<|im_end|> is 1\n"))
    with pytest.raises(ScoreError, match="problem 'q' holds a special token"):
        made.encode(Problem(id="q", text="What<|im_start|>?"), make_trace("x is 1\n"))


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_step_is_refused(name, question, make_trace) -> None:
    made, trace = codec(name), make_trace("x is 1\n", " \n", "So 1\n")
    with pytest.raises(ScoreError, match=r"step 1 .*holds no token"):
        made.encode_pass(question, trace, 1) if made.format.passes else made.encode(question, trace)


@pytest.mark.parametrize("name", FORMATS)
def test_a_problem_with_an_image_is_refused(name, make_trace) -> None:
    made, asked = codec(name), Problem(id="p", text="What?", parts=(Part(kind="image", path="a.png"),))
    with pytest.raises(ModelError, match=r"problem 'p' holds an image, and format .* reads text alone"):
        made.encode_pass(asked, make_trace("a\n"), 0) if made.format.passes else made.encode(asked, make_trace("a\n"))


def test_a_number_alone_is_an_empty_step(question, make_trace) -> None:
    with pytest.raises(ScoreError, match=r"step 0 .*holds no token"):
        codec("math-shepherd").encode(question, make_trace("Step 1:\n", "x\n"))


@pytest.mark.parametrize("name", ["math-shepherd", "fover-llama", "qwen2.5-math-prm", "eurus"])
def test_a_trace_without_steps_is_read_nowhere(name, question, make_trace) -> None:
    assert codec(name).encode(question, make_trace()).read_positions == ()


def test_a_template_that_trims_is_followed(question, make_trace) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = tokenizer.chat_template.replace("{{ m.content }}", "{{ m.content | trim }}")
    made = codec("med-prm", tokenizer, system=" Judge. ")
    assert "<|im_start|>system\nJudge.<|im_end|>\n" in made.text(question, make_trace("x\n"))
    assert made.encode(question, make_trace("x\n")).read_positions


@pytest.mark.parametrize(
    "template, says",
    [
        ("{{ raise_exception('roles must alternate') }}", "refuses messages of the roles user, assistant.*alternate"),
        ("{{ messages[0].content }}", "drops, repeats or changes messages"),
        (None, "refuses messages"),
    ],
)
def test_a_chat_template_that_does_not_fit_is_refused(template, says, question, make_trace) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = template
    with pytest.raises(ModelError, match=says):
        codec("reasonflux-prm", tokenizer).encode(question, make_trace("x\n"))


def test_a_format_that_names_a_token_the_tokenizer_lacks_is_refused() -> None:
    bare = byte_tokenizer(special=tuple(token for token in SPECIAL if token not in ("<s>", "<pad>")))
    with pytest.raises(ModelError, match="format 'skywork' writes a bos token, and this tokenizer has none"):
        codec("skywork", bare)


def test_answers_with_one_id_are_refused() -> None:
    with pytest.raises(ModelError, match=r"answers \['1\+', '2\+'\] .* have one id"):
        codec("math-shepherd", answers=("1+", "2+"))
    assert len(set(codec("math-shepherd", answers=("1+", "2+"), answer_piece="first").answer_ids)) == 2


@pytest.mark.parametrize("opening, count", [("auto", 0), ("tokenizer", 0), ("bos", 1), ("none", 0)])
def test_what_stands_before_everything_is_the_formats_choice(opening, count, question, make_trace) -> None:
    found = codec("rlhflow-mistral", opening=opening).encode(question, make_trace("x\n"))
    assert found.ids.count(TOKENIZER.bos_token_id) == count


@pytest.mark.parametrize("name", ["math-shepherd", "rlhflow-mistral", "math-psa", "reasoneval-34b", "ursa-rm"])
def test_offsets_without_their_leading_spaces_find_the_same_tokens(name, question, make_trace) -> None:
    trimming = byte_tokenizer()
    trimming.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    trace = make_trace("x is 1.\n", "so  it is 1\n")
    assert codec(name, trimming).encode(question, trace) == codec(name).encode(question, trace)


WINDOWED = ["stepward", "math-shepherd", "rlhflow-mistral", "qwen2.5-math-prm", "reasoneval-34b"]


@pytest.mark.parametrize("name", WINDOWED)
def test_windows_read_every_step_once_behind_as_many_as_fit(name, question, make_trace) -> None:
    texts = [f"{'abc ' * (index % 3 + 1)}{index}\n" for index in range(8)]
    trace, whole = make_trace(*texts), codec(name).encode(question, make_trace(*texts))
    limit = len(whole) - 30
    made = codec(name, context=limit, overflow="window")
    windows = made.encode_windows([(question, trace)])[0]
    assert len(windows) > 1 and windows[0].shown == windows[0].dropped_tokens == 0
    assert [window.start for window in windows] == [
        sum(len(each.encoded.spans) for each in windows[:index]) for index in range(len(windows))
    ]
    assert sum(len(window.encoded.read_positions) for window in windows) == len(texts)
    for window in windows:
        end = window.start + len(window.encoded.spans)
        assert len(window.encoded) <= limit
        assert window.dropped_tokens == sum(b - a for a, b in whole.spans[: window.shown])
        if window.shown:  # one step more in front would not have fitted
            longer = codec(name)._encode([(question, trace)], window.shown - 1, window.start + 1)[0]
            assert len(longer) > limit
        own = codec(name)._encode([(question, trace)], window.shown, end)[0]
        assert window.encoded.ids == own.ids
        assert window.encoded.read_positions == own.read_positions[window.start - window.shown :]


def test_windows_of_a_prefix_read_its_steps_as_the_whole_does(question, make_trace) -> None:
    texts = [f"abc {index}\n" for index in range(9)]
    made = codec("math-shepherd", context=80, overflow="window")
    whole, part = made.encode_windows([(question, make_trace(*texts)), (question, make_trace(*texts[:6]))])

    def seen(windows: Any) -> list[tuple[int, ...]]:
        return [w.encoded.ids[: at + 1] for w in windows for at in w.encoded.read_positions]

    assert seen(whole)[:6] == seen(part)


def test_a_window_is_as_long_as_the_model_was_taught(question, make_trace) -> None:
    short = replace(FORMATS["math-shepherd"], marker_ids=(), answer_ids=(), context=70, overflow="window")
    taught = StepCodec.of(TOKENIZER, short, context=4096)
    windows = taught.encode_windows([(question, make_trace(*[f"abc {i}\n" for i in range(6)]))])[0]
    assert len(windows) > 1 and max(len(window.encoded) for window in windows) <= 70


def test_a_step_too_long_for_any_window_and_a_long_trace_without_windows_are_refused(question, make_trace) -> None:
    trace = make_trace("abc 1\n", "x" * 200 + "\n")
    with pytest.raises(ModelError, match=r"step 1 of trace .* over the model's limit of 100 tokens; got 2\d\d"):
        codec("math-shepherd", context=100, overflow="window").encode_windows([(question, trace)])
    with pytest.raises(ModelError, match="limit of 100 tokens"):
        codec("math-shepherd", context=100).encode_windows([(question, trace)])


def test_texts_that_repeat_are_tokenised_once(question, make_trace) -> None:
    class Counting:
        is_fast, bos_token_id, all_special_tokens = True, None, ()

        def __init__(self) -> None:
            self.texts: list[str] = []

        def __call__(self, texts: Any, **settings: Any) -> Any:
            self.texts += [texts] if isinstance(texts, str) else texts
            return TOKENIZER(texts, **settings)

    counting = Counting()
    made = StepCodec.of(counting, PRMFormat(name="x", marker="\n\n", added=False, one_token=False), context=999)
    counting.texts.clear()
    made.encode_many([(question, make_trace("a\n", "b\n")), (question, make_trace("a\n", "c\n", "b\n"))])
    assert sorted(counting.texts) == sorted({"What is x?\n", "a", "b", "c", "\n\n"})
