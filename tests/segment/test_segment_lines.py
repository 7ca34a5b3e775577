from stepward.protocols import Segmenter
from stepward.segment.blank_line import BlankLine
from stepward.segment.newline import Newline


def pieces(segmenter: Segmenter, text: str) -> list[str]:
    return [text[step.start : step.end] for step in segmenter.segment(text)]


def test_blank_lines_belong_to_the_step_before() -> None:
    assert pieces(BlankLine(), "a\nb\n\n\n\nc\n \nd\n\n") == ["a\nb\n\n\n\n", "c\n \n", "d\n\n"]


def test_leading_whitespace_belongs_to_the_first_step_and_indentation_to_its_line() -> None:
    assert pieces(BlankLine(), "\n\n  a\n\n  b") == ["\n\n  a\n\n", "  b"]
    assert pieces(Newline(), "\n  a\n  b") == ["\n  a\n", "  b"]


def test_carriage_returns_before_line_ends_cut_like_plain_ones() -> None:
    assert pieces(BlankLine(), "a\r\n\r\nb\r\nc") == ["a\r\n\r\n", "b\r\nc"]
    assert pieces(Newline(), "a\r\n\r\nb\r\nc") == ["a\r\n\r\n", "b\r\n", "c"]


def test_an_empty_line_is_never_a_step_of_its_own() -> None:
    assert pieces(Newline(), "a\n\n\nb\n") == ["a\n\n\n", "b\n"]


def test_other_separators_of_unicode_do_not_cut() -> None:
    assert len(pieces(Newline(), "a\u2028b\x0cc\x85d\re")) == 1


def test_only_rules_that_are_a_string_name_stop_strings() -> None:
    assert BlankLine().stop_strings == ("\n\n",)
    assert Newline().stop_strings == ("\n",)
