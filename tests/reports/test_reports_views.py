import io
from html.parser import HTMLParser

import pytest
from hostile_report import HOSTILE, hostile_view, label, view
from rich.console import Console

from stepward.reports.model import NO_ERROR, TraceView, Track
from stepward.reports.views import label_text, notebook_html
from stepward.types import StepLabel


def printed(trace: TraceView, *, width: int = 100, colour: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=colour, color_system="truecolor" if colour else None)
    console.print(trace)
    return out.getvalue()


def test_the_first_likely_error_is_said_in_words() -> None:
    text = printed(view(predicted_error=1, true_error=0))
    lines = [line.strip() for line in text.splitlines()]
    assert lines.index("◀ first error by label") < lines.index("◀ first likely error")
    assert "0.90" in text
    assert "first likely error: step 1" in text


@pytest.mark.parametrize("width", [24, 63, 64, 200])
def test_no_line_is_wider_than_the_console(width: int) -> None:
    long = view(steps=("word " * 60, "x" * 300), labels=(label(1.0), label(0.0)))
    assert max(map(len, printed(long, width=width).splitlines())) <= width
    assert "prefix: wrong by human" in " ".join(printed(long, width=200).split())


def test_colour_shades_and_no_color_keeps_every_number(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[38;2" in printed(view(), colour=True)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = printed(view(), colour=True)
    assert "\x1b[38;2" not in plain
    assert "0.90" in plain and "0.20" in plain


def test_a_terminal_never_receives_escapes_from_a_trace() -> None:
    text = printed(hostile_view(), width=80)
    assert not {"\x1b", "\x9b", "\x00", "\u202e", "\u2066"} & set(text)
    assert "⟨U+001B⟩[31m" in text


def test_a_huge_step_is_counted_not_printed() -> None:
    text = printed(view(steps=("x" * 1_000_000, "end")))
    assert "998,000 more characters" in " ".join(text.split())
    assert len(text) < 10_000


def test_an_ascii_terminal_gets_ascii_from_us() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(file=out, width=80, color_system=None).print(view(scores=(0.9, None), predicted_error=0))
    out.seek(0)
    assert "<-- first likely error" in out.read()


def test_a_trace_without_steps_or_scores_still_prints() -> None:
    assert "(no steps)" in printed(view(scores=(), tracks=()))
    assert "step number 1" in printed(view(tracks=()))


def test_labels_are_worded_by_their_target() -> None:
    rollout = StepLabel(target="value", value=0.625, source="rollout", successes=5, trials=8)
    assert label_text(rollout) == "value 5/8 by rollout"
    assert label_text(label(0.0)) == "prefix: wrong by human"
    assert label_text(StepLabel(target="validity", value=0.7, source="judge")) == "validity: right (0.70) by judge"
    assert label_text(StepLabel(target="progress", value=-0.5, source="tree")) == "progress −0.50 by tree"
    assert label_text(None) == ""


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_notebook_fragment_holds_no_foreign_markup() -> None:
    tags = Tags()
    tags.feed(hostile_view()._repr_html_())
    assert tags.seen <= {"div", "p", "table", "thead", "tbody", "tr", "th", "td", "br", "strong", "em"}
    assert tags.attributes == {"style", "dir"}
    assert "{{7*7}}" in tags.text and "<script>" in tags.text


def test_a_notebook_fragment_says_what_the_colours_say() -> None:
    trace = view(
        tracks=(Track(scorer="P", values=(0.9, None)), Track(scorer="Q", values=(2.5, -1), convention="logit"))
    )
    text = notebook_html(trace)
    for said in ("0.90", "–", "2.50", "−1.00", "first error by label: not known"):
        assert said in text
    assert "first likely error: none" in notebook_html(view(predicted_error=NO_ERROR))
    assert HOSTILE not in text
