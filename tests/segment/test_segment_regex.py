import pytest

from stepward.errors import ConfigError
from stepward.segment.regex import Regex


def pieces(text: str, segmenter: Regex) -> list[str]:
    return [text[step.start : step.end] for step in segmenter.segment(text)]


def test_a_match_ends_a_step_or_begins_one() -> None:
    text = "a Step 1 b Step 2 c"
    assert pieces(text, Regex(pattern=r"Step \d")) == ["a Step 1", " b Step 2", " c"]
    assert pieces(text, Regex(pattern=r"Step \d", cut="before")) == ["a ", "Step 1 b ", "Step 2 c"]


def test_separators_in_a_row_belong_to_the_step_before() -> None:
    assert pieces("\na\n\n \nb\n\n", Regex(pattern="\n")) == ["\na\n\n \n", "b\n\n"]


def test_lookbehind_and_line_starts_read_the_past_and_are_let_in() -> None:
    assert pieces("x1y1z", Regex(pattern="(?<=x)1")) == ["x1", "y1z"]
    assert pieces("a\n- b\n- c", Regex(pattern=r"(?m)^- ", cut="before")) == ["a\n", "- b\n", "- c"]


@pytest.mark.parametrize("pattern", ["", "a*", "a?|b", "(?<=a)", "(?m)^", "x{0,3}"])
def test_patterns_that_can_match_nothing_are_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="can match nothing"):
        Regex(pattern=pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\n(?=S)",
        r"\n(?!S)",
        r"a$",
        r"(x\n$|y)z",
        r"a\Z",
        r"\bStep",
        r"a\B",
        r"(?>a+)b",
        r"a++b",
        r"(?<=a\b)c",
        r"(a)(?(1)b|c$)",
    ],
)
def test_patterns_that_look_ahead_are_refused_and_the_message_says_how_to_mend(pattern: str) -> None:
    with pytest.raises(ConfigError, match=r'looks ahead.*cut="before"'):
        Regex(pattern=pattern)


def test_characters_that_only_look_like_assertions_are_let_in() -> None:
    assert pieces("a$b", Regex(pattern="[$]")) == ["a$", "b"]
    assert pieces("a(?=b", Regex(pattern=r"\(\?=")) == ["a(?=", "b"]


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "(?P<x>a)(?P<x>b)", "a{99999999999999999999}"])
def test_an_invalid_pattern_is_refused_with_the_reason(pattern: str) -> None:
    with pytest.raises(ConfigError, match="not a regular expression"):
        Regex(pattern=pattern)


def test_the_tag_holds_the_pattern() -> None:
    assert Regex(pattern="x", cut="before").tag == "regex@1[pattern='x',cut='before']"
    with pytest.raises(ConfigError, match="after or before"):
        Regex(pattern="x", cut="at")  # type: ignore[arg-type]
