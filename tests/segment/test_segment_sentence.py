import pytest

from stepward.segment.sentence import Sentence

DEFAULT = Sentence()


def pieces(text: str, segmenter: Sentence = DEFAULT) -> list[str]:
    return [text[step.start : step.end] for step in segmenter.segment(text)]


@pytest.mark.parametrize(
    "text",
    [
        "It is 3.5 cm and x_1.Then",
        "Dr. Rahman and Mrs. Lee met Prof. Ito at St. Mary",
        "Use e.g. Euler or i.e. Gauss in the U.S. Army",
        "See Fig. 3 and Eq. (4), No. 5, Sec. $x$",
        "J. R. R. Tolkien and George W. Bush",
        "Wait... what? no, and so on... then",
        "1. Add them",
        "ডা. রহমান এবং মো. আলী ৩.৫ টাকা",
        "डॉ. शर्मा 3.5 किमी",
        "see https://a.b/c.D and file.Txt",
        "Let $f. G$ and \\(a. B\\) and \\[ C. D \\] and $$E. F$$ hold",
        "$2^3. X$ with \\begin{align} A. B \\end{align}",
        "```\nA. B\n```",
        "| A. B | C. D |\n| E. F | G |",
    ],
)
def test_these_are_one_sentence(text: str) -> None:
    assert pieces(text) == [text]


@pytest.mark.parametrize(
    "sentences",
    [
        ["It is 5. ", "3 more come. ", "Done"],
        ["Why?! ", "No... ", "Yes! ", "(Fine.) ", '"So." ', "End"],
        ["The answer is B. ", "So x holds. ", "Option C. ", "Stop"],
        ["The sum is no. ", "Next, etc. ", "At 5 p.m. ", "He left"],
        ["She pays $5. ", "He pays $7.50. ", "It is $3 * 4 = $12. ", "Done"],
        ["So $x = 5.$ ", "Then $y$. ", "End"],
        ["1. Add two.\n", "2. Take one. ", "3. Stop"],
        ["আমি যাই। ", "তুমি যাও॥ ", "সে?"],
        ["मैं जाता हूँ। ", "वह आया॥", "अंत"],
        ["你好。", "他说：“走吧！”", "是吗?", "不知道。。。", "完"],
        ["هل فهمت؟ ", "نعم۔ ", "انتهى"],
        ["**Bold.** ", "`code.` ", "End"],
    ],
)
def test_these_are_cut_here(sentences: list[str]) -> None:
    assert pieces("".join(sentences)) == sentences


def test_a_blank_line_ends_a_sentence_and_a_line_end_does_not() -> None:
    assert pieces("A title\n\nWe go\non. See Dr.\n\nend") == ["A title\n\n", "We go\non. ", "See Dr.\n\n", "end"]


def test_own_abbreviations_replace_the_default_and_show_in_the_tag() -> None:
    own = Sentence(abbreviations=("Abt",))
    assert pieces("Abt. Eins. Dr. Wer", own) == ["Abt. Eins. ", "Dr. ", "Wer"]
    assert own.tag == "sentences@1[abbreviations=('Abt',)]"
    assert Sentence().tag == "sentences@1"
