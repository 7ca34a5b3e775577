from stepward.reports.text import count, one_line, visible


def test_control_and_invisible_characters_are_spelled_out() -> None:
    assert visible("\x1b[31m") == "⟨U+001B⟩[31m"
    assert visible("a\u202eb\u200bc\ufeffd\x00") == "a⟨U+202E⟩b⟨U+200B⟩c⟨U+FEFF⟩d⟨U+0000⟩"
    assert visible("\ud800").encode() == "⟨U+D800⟩".encode()


def test_ordinary_text_of_any_script_is_untouched() -> None:
    text = "ক্\u200dষ दांड़ी। שלום 短い 😀\tq\n"
    assert visible(text) == text


def test_a_windows_line_end_is_a_newline_and_a_lone_return_is_seen() -> None:
    assert visible("a\r\nb\rc") == "a\nb⟨U+000D⟩c"


def test_one_line_collapses_space_and_marks_what_it_cuts() -> None:
    assert one_line(" a\n\n b ") == "a b"
    assert one_line("abcdefgh", 5) == "abcd…"
    assert one_line("abcde", 5) == "abcde"


def test_counts_agree_with_their_noun() -> None:
    assert (count(1, "step"), count(12000, "step")) == ("1 step", "12,000 steps")
