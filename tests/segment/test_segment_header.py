import pytest

from stepward.errors import ConfigError
from stepward.segment.header import Header

DEFAULT = Header()


def starts(text: str, segmenter: Header = DEFAULT) -> list[str]:
    return [text[step.start : step.end].strip().split("\n")[0] for step in segmenter.segment(text)]


HEADERS = (
    *("Step 3: x", "step 3. x", "STEP 12) x", "## Step 2", "**Step 3** x", "> Step 1 x", "- Step 4: x", "  Step 5 - x"),
    *(
        "Step 6\nx",
        "步骤 3：x",
        "步骤三、x",
        "第3步：x",
        "第三步, x",
        "ধাপ ৩: x",
        "चरण 2: x",
        "Schritt 1: x",
        "### 步骤2 x",
    ),
)


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_line_begins_a_step(header: str) -> None:
    assert starts(f"Intro.\n{header}\nmore") == ["Intro.", header.strip().split("\n")[0]]


@pytest.mark.parametrize(
    "line", ["Step 2 shows that", "as in Step 2: x", "Steps 2: x", "Step: x", "Stepwise 3: x", "2. x"]
)
def test_prose_and_lists_are_no_header(line: str) -> None:
    assert len(starts(f"Intro.\n{line}\nmore")) == 1


def test_blank_lines_before_a_header_belong_to_the_step_before() -> None:
    text = "\n\nStep 1: a\n\nStep 2: b\n"
    assert [text[s.start : s.end] for s in Header().segment(text)] == ["\n\nStep 1: a\n\n", "Step 2: b\n"]


def test_own_words_replace_the_default_and_blank_ones_are_refused() -> None:
    assert starts("Move 1: a\nStep 2: b\nmove 2: c", Header(words=("Move",))) == ["Move 1: a", "move 2: c"]
    with pytest.raises(ConfigError, match="not blank"):
        Header(words=("Step", " "))
