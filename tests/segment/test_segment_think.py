import pytest

from stepward.errors import ConfigError
from stepward.segment.think import Think

DEFAULT = Think()
THINKING = (
    "<think>\nFirst I add two and three to get five. Wait, is that so?\nYes, I counted it on my fingers.\nHmm, good.\n"
)


def kinds(text: str, segmenter: Think = DEFAULT) -> list[tuple[str, str]]:
    return [(text[step.start : step.end], step.kind) for step in segmenter.segment(text)]


def test_thinking_is_cut_where_it_turns_and_the_answer_stands_apart() -> None:
    assert kinds(f"{THINKING}</think>\n\nIt is 5.\n\nWait for more.") == [
        ("<think>\nFirst I add two and three to get five. ", "thought"),
        ("Wait, is that so?\nYes, I counted it on my fingers.\n", "thought"),
        ("Hmm, good.\n</think>\n\n", "thought"),
        ("It is 5.\n\nWait for more.", "answer"),
    ]


def test_without_the_opening_tag_the_text_begins_as_thinking() -> None:
    assert kinds("It may be five.</think>5") == [("It may be five.</think>", "thought"), ("5", "answer")]


def test_thinking_that_was_cut_off_has_no_answer() -> None:
    assert {kind for _, kind in kinds(THINKING)} == {"thought"}


def test_thinking_again_ends_the_answer() -> None:
    text = "<think>a</think>b<think>c</think>d"
    assert [kind for _, kind in kinds(text)] == ["thought", "answer", "thought", "answer"]


def test_a_short_block_takes_in_the_next_marker() -> None:
    assert len(kinds("Wait. Hmm. Wait, no.")) == 1
    assert [text for text, _ in kinds("Wait. Hmm. Wait, no.", Think(min_ink=1))] == ["Wait. ", "Hmm. ", "Wait, no."]


@pytest.mark.parametrize("text", ["one. Waiting for it", "we Wait, then", "one.\nwait, then", "one\nHowever"])
def test_markers_inside_words_sentences_or_at_the_very_end_do_not_cut(text: str) -> None:
    assert len(kinds(text, Think(min_ink=0))) == 1


def test_chinese_markers_cut_without_whitespace() -> None:
    assert len(kinds("我们先算一下。等等，这样不对。另外还有", Think(min_ink=1))) == 3


def test_own_tags_and_bad_settings() -> None:
    own = Think(markers=(), open_tag="<t>", close_tag="</t>")
    assert [kind for _, kind in kinds("<t>Go. Wait, no</t>yes", own)] == ["thought", "answer"]
    with pytest.raises(ConfigError, match="blank"):
        Think(markers=("",))
    with pytest.raises(ConfigError, match="differ"):
        Think(open_tag="|", close_tag="|")
