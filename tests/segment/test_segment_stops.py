import pytest

from stepward.protocols import Segmenter
from stepward.segment.blank_line import BlankLine
from stepward.segment.header import Header
from stepward.segment.protect import Protect
from stepward.segment.sentence import Sentence
from stepward.segment.stops import ends_step


@pytest.mark.parametrize(
    ("segmenter", "text", "ends"),
    [
        (BlankLine(), "", False),
        (BlankLine(), "\n\n", False),
        (BlankLine(), "a\n", False),
        (BlankLine(), "a\n\n", True),
        (Protect(), "We add two and three.\n\n", True),
        (Protect(), "We solve:\n\n", False),
        (Protect(), "We know that \\[ x\n\n", False),
        (Protect(), "We know that \\[ x\n\n\\]\n\n", True),
        (Sentence(), "It is so. ", True),
        (Sentence(), "Ask Dr. ", False),
        (Header(), "Step 1: a\n", False),
    ],
)
def test_a_text_ends_a_step_where_more_text_would_begin_another(segmenter: Segmenter, text: str, ends: bool) -> None:
    assert ends_step(segmenter, text) is ends
