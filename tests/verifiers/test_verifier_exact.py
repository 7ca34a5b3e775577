import asyncio

import pytest

from stepward.errors import ResourceError
from stepward.types import Problem
from stepward.verifiers.exact import ExactVerifier


def judged(text, gold="New York", **settings):
    return asyncio.run(ExactVerifier(**settings).verify(Problem(id="q", text="?", answer=gold), text)).outcome


@pytest.mark.parametrize(
    "text", ["New York", " new  york. ", '"New York"', "The answer is New York.", r"\boxed{New York}", "#### New York"]
)
def test_white_space_case_and_final_dot_do_not_count(text):
    assert judged(text) == "equal"


def test_composed_and_decomposed_letters_are_one():
    assert judged("caf\u0065\u0301", gold="café") == "equal"


def test_other_text_is_different_and_no_answer_is_unparsable():
    assert judged("Boston") == "different"
    assert judged("We first look at the map and then at the many cities of the coast.") == "unparsable"
    assert judged("") == "unparsable"


def test_case_counts_on_request():
    assert judged("new york", ignore_case=False) == "different"


def test_numbers_are_text():
    assert judged("18.0", gold="18") == "different"


def test_a_missing_reference_is_an_error():
    with pytest.raises(ResourceError, match="'q'"):
        judged("x", gold=None)
