import asyncio

import pytest

from stepward.errors import DataError
from stepward.types import Problem
from stepward.verifiers.choice import ChoiceVerifier, letters


def judged(text, gold="B"):
    return asyncio.run(ChoiceVerifier().verify(Problem(id="q1", text="?", answer=gold, answer_kind="choice"), text))


@pytest.mark.parametrize(
    "text",
    [
        "B",
        "b",
        "(B)",
        "B.",
        "B)",
        "**B**",
        "(b)",
        r"\boxed{B}",
        r"\boxed{\text{B}}",
        r"\text{(B)}",
        r"\boxed{\textbf{(B)}}",
        "$B$",
        "Answer: B",
        "The answer is B",
        "The answer is (B).",
        "the correct answer is **B**.",
        "So the answer is B) 12 miles",
        "Option B",
        "#### B",
        r"\boxed{\text{B) 12 miles}}",
        "A dog is no cat.\nTherefore the right choice must then be option (B) here.",
        "# Answer\n\nB",
        r"I think so. \boxed{(B)\ 12}",
        "The answer is option B because 3 < 4",
    ],
)
def test_the_usual_forms_of_b_are_read(text):
    verdict = judged(text)
    assert (verdict.outcome, verdict.answer) == ("equal", "B")


def test_another_letter_is_different():
    assert judged("The answer is C").outcome == "different"


@pytest.mark.parametrize(
    "text",
    [
        "A and B",
        "(A) or (B)",
        r"\boxed{A, B}",
        r"\boxed{A} or \boxed{B}",
        "The answer is either (A) or (B)",
        "A/B",
        "B, C",
    ],
)
def test_several_letters_are_refused(text):
    assert judged(text).outcome == "unparsable"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A dog barks loudly at night, as dogs do",
        "I think we need to add them all up first",
        "12",
        r"\boxed{12}",
        "K",
    ],
)
def test_text_without_an_option_is_unparsable(text):
    assert judged(text).outcome == "unparsable"


def test_the_reference_may_be_written_in_any_form_but_must_be_a_letter():
    assert judged("B", gold="(B)").outcome == "equal"
    with pytest.raises(DataError, match="problem 'q1' must be one letter"):
        judged("B", gold="12 miles")


def test_repeating_one_letter_is_one_letter():
    assert letters("(B) or (B)") == ("B",)
