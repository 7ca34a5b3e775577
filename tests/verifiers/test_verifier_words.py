import pytest

from stepward.verifiers.words import words_agree


@pytest.mark.parametrize(
    ("gold", "answer", "agree"),
    [
        (r"\text{yes}", "Yes, because it is prime", True),
        ("yes", "No", False),
        (r"\infty", "positive infinity", True),
        (r"\infty", "-infinity", False),
        (r"\text{does not exist}", "DNE", True),
        (r"\text{Sunday}", "sunday", True),
        (r"\text{Sunday}", "Monday", False),
        (r"\text{ellipse}", "an ellipse", True),
        (r"\text{(C)}", "C", True),
        ("C", "(B)", False),
        (r"\text{(E)}", "E) 12 miles", True),
        (r"\text{A}", "A dog", None),
        ("12:30", "12:30 p.m.", True),
        (r"10:15\text{ a.m.}", "10:15 pm", False),
        ("12:30", "13:30", False),
        (r"\triangle ABC", "triangle ABC", True),
        (r"\angle ABC", "angle ABD", False),
        ("xy", "yx", None),
        ("5", "yes", None),
    ],
)
def test_words_agree_in_meaning_or_spelling(gold, answer, agree):
    assert words_agree(gold, answer) is agree
