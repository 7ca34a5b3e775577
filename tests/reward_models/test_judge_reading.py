"""Critiques that lie about which verdict belongs where are not believed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stepward.reward_models.generative.library import PROCESSBENCH, THINKPRM_STEPS, WEB_SHEPHERD
from stepward.reward_models.generative.reading import first_error, leading_verdict, read_items, read_steps, worth

GOOD, BAD = r"\boxed{correct}", r"\boxed{incorrect}"
ORDERED = replace(THINKPRM_STEPS, heading="")


def texts(critique: str, count: int, format=THINKPRM_STEPS) -> list[str | None]:
    return [label and label.text for label in read_steps(format, critique, count).labels]


def test_each_verdict_goes_to_the_step_whose_heading_stands_above_it() -> None:
    assert texts(f"Step 1: fine {GOOD}\nStep 2: no\nso {BAD}\n**Step 3**: {GOOD}", 3) == [
        "correct",
        "incorrect",
        "correct",
    ]
    assert texts(f"Step 2: {BAD}\nStep 1: as step 2: says {GOOD}", 2) == ["correct", "incorrect"]
    assert texts(r"Step 1: \boxed{\text{correct}}", 1) == ["correct"]


def test_a_missing_verdict_silences_its_step_alone() -> None:
    reading = read_steps(THINKPRM_STEPS, f"Step 1: {GOOD}\nStep 2: hm\nStep 3: {BAD}", 3)
    assert [label is not None for label in reading.labels] == [True, False, True]
    assert reading.note == "step 1 has no verdict"


def test_a_step_with_two_verdicts_has_none() -> None:
    assert texts(f"Step 1: {GOOD} wait {BAD}\nStep 2: {GOOD}", 2) == [None, "correct"]


def test_a_verdict_copied_out_of_a_step_does_not_count_for_it() -> None:
    injected = rf"Step 1: it says '{GOOD}' but 3 * 4 is not 13: {BAD}" + f"\nStep 2: {GOOD}"
    assert texts(injected, 2) == [None, "correct"]
    assert texts(injected, 2, ORDERED) == [None, None]


def test_a_verdict_on_a_step_that_does_not_exist_discards_the_critique() -> None:
    reading = read_steps(THINKPRM_STEPS, f"Step 1: {GOOD}\nStep 2: {GOOD}\nStep 3: {BAD}", 2)
    assert reading.labels == (None, None) and "a verdict on no step: 'incorrect' under 3" in reading.note
    assert texts(f"{GOOD}\nStep 1: {GOOD}", 1) == [None]


@pytest.mark.parametrize("count", [2, 4])
def test_without_headings_the_count_must_be_exact(count: int) -> None:
    reading = read_steps(ORDERED, f"{GOOD} {BAD} {GOOD}", count)
    assert reading.labels == (None,) * count and reading.note == f"3 verdicts for {count} steps"
    assert texts(f"{GOOD} {BAD} {GOOD}", 3, ORDERED) == ["correct", "incorrect", "correct"]


@pytest.mark.parametrize(
    "critique", ["", "\n", "\ud83e", "Step 1:", "\\boxed{", "\\boxed{\ncorrect}", "Step ١: \\boxed{correct}"]
)
def test_critiques_without_a_readable_verdict_are_silent(critique: str) -> None:
    assert texts(critique, 2) == [None, None]


def test_thousands_of_verdicts_are_read() -> None:
    critique = "".join(f"Step {i}: {GOOD}\n" for i in range(1, 20_001))
    assert texts(critique, 20_000) == ["correct"] * 20_000
    for filler in ("Step 1:\n", "\n", "Step 1: ", "{"):
        assert texts(filler * 20_000 + "\nStep 1: " + GOOD, 1) == ["correct"]


@pytest.mark.parametrize("word", ["correct", " Correct ", "CORRECT"])
def test_case_and_space_do_not_matter(word: str) -> None:
    assert worth(THINKPRM_STEPS.verdicts, word) == 1.0


@pytest.mark.parametrize("word", ["ｃorrect", "сorrect", "correct.", "mostly correct", "incorrect?", "", "no\u212a"])
def test_garbled_and_look_alike_words_are_worth_nothing(word: str) -> None:
    assert worth(THINKPRM_STEPS.verdicts, word) is None


def test_a_written_verdict_must_stand_first_and_whole() -> None:
    known = (" yes", " no", " not sure")
    assert leading_verdict(known, " Yes, it is") == " yes"
    assert leading_verdict(known, "no.") == " no"
    assert leading_verdict(known, " not sure") == " not sure"
    for text in ("yesterday", "I say yes", "", " nothing", "ｙes"):
        assert leading_verdict(known, text) is None


@pytest.mark.parametrize(
    ("critique", "index"),
    [
        (r"\boxed{1}", 1),
        (r"\boxed{-1}", 3),
        (r"at first \boxed{0}, no: \boxed{ 2 }", 2),
        (r"\boxed{3}", None),
        (r"\boxed{-2}", None),
        (r"\boxed{}", None),
        (r"\boxed{\text{1}}", None),
        (r"\boxed{1.0}", None),
        (r"\boxed{١}", None),
        (r"\boxed{" + "9" * 5000 + "}", None),
        ("paragraph 1", None),
        ("", None),
    ],
)
def test_the_last_box_names_the_first_error_or_nothing(critique: str, index: int | None) -> None:
    assert first_error(critique, 3, PROCESSBENCH.first_number) == index


def test_indexes_may_count_from_one() -> None:
    assert [first_error(rf"\boxed{{{n}}}", 3, 1) for n in (0, 1, 3, 4, -1)] == [None, 0, 2, None, 3]


def test_items_of_a_checklist_are_read_behind_their_announcement() -> None:
    text = "Checklist 1: maybe\nCHECKLIST EVALUATION:\nChecklist 1: Yes\nChecklist 2: the cart: In Progress\n"
    assert [label.text for label in read_items(WEB_SHEPHERD, text).labels] == [" Yes", " In Progress"]


@pytest.mark.parametrize(
    "text",
    ["Checklist 1: Yes", "<answer>", "<answer>\nChecklist 2: Yes", "<answer>\nChecklist 1: Yes\nChecklist 1: No"],
)
def test_items_that_are_not_numbered_one_by_one_are_no_verdict(text: str) -> None:
    reading = read_items(WEB_SHEPHERD, text)
    assert reading.labels == () and "not numbered from 1" in reading.note
