import pytest

from stepward.errors import ResourceError
from stepward.types import Problem
from stepward.verifiers.extract import boxes, reference_answer, stated_answer


@pytest.mark.parametrize(
    ("text", "answer", "form"),
    [
        (r"So \boxed{18}.", "18", "box"),
        (r"First \boxed{1}, then at last \boxed{\frac{1}{2}} it is.", r"\frac{1}{2}", "box"),
        (r"\boxed{ \{1, 2\} }", r"\{1, 2\}", "box"),
        (r"\boxed{\boxed{7}}", "7", "box"),
        (r"\fbox{7}", "7", "box"),
        (r"x is \boxed{2} or \boxed{-2}", "2, -2", "box"),
        (r"\boxed{4} is cut off in \boxed{5", "4", "box"),
        (r"\boxed{a \} b}", r"a \} b", "box"),
        ("She sells <<9*2=18>>18.\n#### 18", "18", "hash"),
        ("#### 1\n#### 1,080", "1,080", "hash"),
        ("Right.\n\n# Answer\n\n0", "0", "phrase"),
        ("## Final Answer:\n$x = 5$\n", "x = 5", "phrase"),
        ("The answer is 42. I hope it is correct.", "42", "phrase"),
        (r"The final answer is $\frac{1}{2}$.", r"\frac{1}{2}", "phrase"),
        (r"The answer is $\$ 1.06$.", r"\$ 1.06", "phrase"),
        (r"so the answer is \(3.5\) as required", "3.5", "phrase"),
        ("Answer: 3.14", "3.14", "phrase"),
        ("**Answer:** 12 apples", "12 apples", "phrase"),
        ("The answer is 5 because 2+3=5", "5", "phrase"),
        ("17", "17", "bare"),
        (r"\text{no real solution exists at all here}", r"\text{no real solution exists at all here}", "bare"),
    ],
)
def test_the_stated_answer_is_found(text, answer, form):
    found = stated_answer(text)
    assert found is not None
    assert (found.answer, found.form) == (answer, form)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        r"\boxed{}",
        r"only \boxed{3",
        "the answer is not 3",
        "First we add the numbers and then we go on to 12.",
    ],
)
def test_a_text_that_states_nothing_gives_none(text):
    assert stated_answer(text) is None


def test_the_last_number_is_taken_only_on_request():
    text = "Therefore the whole company will make a profit of $1,080 in a year."
    assert stated_answer(text) is None
    assert stated_answer(text, last_number=True).answer == "$1,080"


def test_several_different_boxes_are_noticed_and_equal_ones_are_not():
    assert stated_answer(r"\boxed{1} is one step, then \boxed{2}").several
    assert not stated_answer(r"\boxed{2} as we said, so \boxed{2}").several
    assert not stated_answer(r"\boxed{2} or \boxed{3}").several


def test_work_grows_linearly_with_unclosed_boxes():
    # A quadratic scan of this text would take minutes, not be a little slower.
    text = "\\boxed{" * 30_000
    assert boxes(text) == []
    assert stated_answer(text) is None
    assert stated_answer("answer is " * 30_000 + "#### " * 30_000 + " " * 100_000 + "7").answer.endswith("7")
    assert len(boxes("\\boxed{1}" * 30_000)) == 30_000


def test_a_problem_without_reference_answer_is_named():
    with pytest.raises(ResourceError, match="'p7' has no reference answer"):
        reference_answer(Problem(id="p7", text="?"))
    with pytest.raises(ResourceError, match="'p7'"):
        reference_answer(Problem(id="p7", text="?", answer="  "))
