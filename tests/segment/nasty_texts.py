"""Texts that break segmenters, and every segmenter, for the contract tests."""

from __future__ import annotations

from hypothesis import strategies as st

from stepward.protocols import Segmenter
from stepward.segment.blank_line import BlankLine
from stepward.segment.header import Header
from stepward.segment.newline import Newline
from stepward.segment.protect import Protect
from stepward.segment.regex import Regex
from stepward.segment.sentence import Sentence
from stepward.segment.structured import Structured
from stepward.segment.think import Think

GROWING: tuple[Segmenter, ...] = (
    BlankLine(),
    Newline(),
    Header(),
    Think(),
    Think(min_ink=0),
    Structured(),
    Structured(patience=12),
    Protect(split="blank_line"),
    Protect(split="newline", min_ink=0, patience=15),
)
"""A step followed by another never changes while the text grows."""

SEGMENTERS: tuple[Segmenter, ...] = (
    *GROWING,
    Sentence(),
    Protect(),
    Protect(min_ink=0, patience=15),
    Protect(min_ink=30),
    Regex(pattern="\n"),
    Regex(pattern=r"\n{2,}|[;:] |\|"),
    Regex(pattern=r"(?<!\w)[Ss]tep +\d+|[$`]+", cut="before"),
    Regex(pattern=r"(?m)^\W.|a(bc)?|(?:\n|x)+?\s", cut="before"),
    Regex(pattern=r"(?s)\$.*?\$|\s(?:and|Wait)?"),
)

PIECES = (
    *("$", "$$", r"\[", r"\]", r"\(", r"\)", r"\$", "\\\\", r"\begin{align}", r"\end{align}", r"\begin{b}", r"\end{b}"),
    *("```", "````", "~~~", "```python\n", "``` x\n", "\n```\n", "`", "|", "| a | b |\n", "|---|---|\n", "|x| = 3\n"),
    *("{", "}", "[", "]", '{"a": 1}', '[{"a": "}"}, {"b": 2}]', '"', "\\", ",", '\n{"', "\n[\n["),
    *(
        "\n",
        "\n\n",
        "\n \n",
        "\r\n",
        "\r\n\r\n",
        "\r",
        "\f",
        "\v",
        "\x00",
        "\x1c",
        "\x85",
        "\u2028",
        "\u2029",
        "\u00a0",
    ),
    *("\ud800", "\udfff", "שלום. ", "مرحبا؟ ", "\u202e", "\u200b", "👩‍👩‍👧", "é", "e\u0301", "ß", "  ", "\t", " "),
    *(
        "He left. ",
        "Dr. ",
        "e.g. ",
        "J. ",
        "3.5",
        "$5. ",
        "$3x^2$",
        "... ",
        "?! ",
        '." ',
        "।",
        "॥ ",
        "。",
        "！」",
        "a",
        "B",
        "5",
    ),
    *(
        "Step 1: ",
        "\nStep 2.\n",
        "## Step 3",
        "\n**步骤 4**",
        "Step",
        ": ",
        ":\n\n",
        "# Title\n\n",
        "long enough words here",
    ),
    *(
        "<think>",
        "</think>",
        "Wait, ",
        "\nHmm. ",
        "等等",
        "\nAlternatively ",
        "<tool_call>",
        "</tool_call>",
        "<answer>",
    ),
    *("\nThought: ", "\nAction: ", "\nObservation:", "Final Answer: ", "</answer>", "<observation>"),
)
texts = st.text() | st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=24).map("".join)
blanks = st.text(alphabet=" \n\t\r\f\v\x1c\x85\u2028\u00a0", min_size=1)
