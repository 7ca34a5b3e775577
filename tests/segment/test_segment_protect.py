import pytest

from stepward.errors import ConfigError
from stepward.segment.protect import Protect

DEFAULT = Protect()


def pieces(text: str, segmenter: Protect = DEFAULT) -> list[str]:
    return [text[step.start : step.end] for step in segmenter.segment(text)]


WHOLE = {
    "display": "\\[\nalpha\n\n= beta\n\\]",
    "dollars": "$$\nalpha\n\n= beta\n$$",
    "environment": "\\begin{align}\na &= b \\\\[2pt]\n\n\\begin{align}x\\end{align}\n\nc\n\\end{align}",
    "fence": "```python\nx = 1\n\n# ```` no\ny = 2\n```",
    "long fence": "````\n```\n\n```\n\nx\n````",
    "tilde fence": "~~~\n```\n\nx\n~~~",
    "json": '{\n "a": "}",\n\n "b": [1,\n\n 2]\n}',
    "array": '[\n\n{"a": 1},\n\n{"b": 2}]',
}


@pytest.mark.parametrize("block", WHOLE.values(), ids=WHOLE.keys())
def test_a_protected_block_is_never_cut_and_what_follows_is(block: str) -> None:
    text = f"Before it stands this.\n\n{block}\n\nAfter it stands that.\n\nAnd then the end."
    assert pieces(text) == [
        "Before it stands this.\n\n",
        f"{block}\n\n",
        "After it stands that.\n\n",
        "And then the end.",
    ]


def test_without_blank_lines_it_cuts_lines_but_keeps_tables_and_formulas_whole() -> None:
    table = "| x | y |\n|---|---|\n| 1 | 2 |\n"
    formula = "\\begin{array}{l}\na\nb\n\\end{array}\n"
    text = f"The first line.\nThe second line.\n{table}{formula}Inline $a +\nb$ goes on.\nThe last line."
    expected = [
        "The first line.\n",
        "The second line.\n",
        table,
        formula,
        "Inline $a +\nb$ goes on.\n",
        "The last line.",
    ]
    assert pieces(text) == expected


def test_absolute_values_are_no_table_and_amounts_of_money_no_formula() -> None:
    lines = ["|x - 3| = 5 holds\n", "|y - 3| = 5 holds\n", "She pays $5 today\n", "and he pays $7 more"]
    assert pieces("".join(lines)) == lines


@pytest.mark.parametrize(
    "lead_in",
    ["We solve it as follows:\n\n", "**Step 1:**\n\n", "### A long heading here\n\n", "解法如下：\n\n", "Ok.\n\n"],
)
def test_a_lead_in_takes_in_what_follows(lead_in: str) -> None:
    text = f"{lead_in}Add two and three.\n\nThat makes five."
    assert pieces(text) == [f"{lead_in}Add two and three.\n\n", "That makes five."]


def test_a_short_last_step_stays_and_min_ink_0_keeps_every_step() -> None:
    assert pieces("Add two and three.\n\nSo 5") == ["Add two and three.\n\n", "So 5"]
    assert pieces("Ok\n\nAdd two and three.", Protect(min_ink=0)) == ["Ok\n\n", "Add two and three."]


def test_an_unclosed_formula_protects_for_its_patience_only() -> None:
    text = "A stray \\[ stands here.\n\nThe second part.\n\nThe third part."
    assert pieces(text) == [text]
    assert len(pieces(text, Protect(patience=10))) == 3


def test_an_unclosed_fence_takes_the_rest() -> None:
    text = "The code is this one\n\n```python\na = 1\n\n" + "b = 2\n\n" * 2000
    assert len(pieces(text)) == 2


def test_inline_code_with_three_marks_opens_no_fence() -> None:
    text = "```x = 1``` is the code.\n\nThe second part.\n\nThe third part."
    assert len(pieces(text)) == 3


def test_a_fixed_split_does_not_look_for_the_other_separator() -> None:
    text = "The first line.\nThe second line.\n\nThe third line."
    assert len(pieces(text)) == len(pieces(text, Protect(split="blank_line"))) == 2
    assert len(pieces(text, Protect(split="newline"))) == 3
    assert len(pieces("The first line.\nThe second line.", Protect(split="blank_line"))) == 1


def test_settings_are_in_the_tag_and_bad_ones_refused() -> None:
    assert Protect().tag == "protect@1"
    assert Protect(split="newline", min_ink=3).tag == "protect@1[split='newline',min_ink=3]"
    with pytest.raises(ConfigError, match="at least 0; got"):
        Protect(min_ink=-1)
    with pytest.raises(ConfigError, match="auto, blank_line or newline"):
        Protect(split="lines")  # type: ignore[arg-type]
