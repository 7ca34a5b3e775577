"""What a step claims of numbers, and what comes of each claim."""

import pytest

from stepward.verifiers.steps.arithmetic import decide
from stepward.verifiers.steps.equations import MOST_CLAIMS, claims


def findings(text, context=""):
    return [decide(claim).finding for claim in claims(text, context=context)]


def reasons(text, context=""):
    return [decide(claim).reason for claim in claims(text, context=context)]


@pytest.mark.parametrize(
    "text",
    [
        "Ann has 3 bags x $4 = $12 left.",
        "She pays $<<3*4=12>>12.",
        "12/4 = 3, so 3 + 2 = 5",
        r"so $\frac{1}{2}+\frac13 = \frac{5}{6}$",
        "20% of $50 = $10",
        "1/4 * 100 = 25%",
        "1,200 - 200 = 1,000",
        "2 1/2 + 1 = 3.5",
        r"3 \frac{1}{2} \times 2 = 7",
        "10/3 = 3.33",
        "2/3 = 0.66",
        "5! = 120",
        r"\binom{5}{2} = 10",
        "2^10 = 1024",
        "3² + 4² = 25",
        "60 miles / 2 hours = 30 miles/hour",
        "7 > 3 + 2 > 4",
        "10 divided by 4 = 2.5",
        "7550 cm² / 1 cm² = 7550",
        "24 pieces - 15 pieces (dropped) + 5 pieces (bought) = 14 pieces",
        "Apples left = 40 - 16\nApples left = 24",
    ],
)
def test_true_claims_hold(text):
    found = findings(text)
    assert found and set(found) == {"holds"}


@pytest.mark.parametrize(
    "text",
    [
        "Ann has 3 bags x $4 = $13 left.",
        "She pays $<<13*8/13=6>>6.",
        r"$\frac{1}{2}+\frac{1}{3} = \frac{5}{7}$",
        "20% of 50 = 11",
        "250 x 2 = 2000 street lights",
        "$1,200 - $200 = $900",
        "6,035 ÷ 11 = 549.55",
        "19.50 + 3.25 = 22.65",
        "a total of 7 + 3 = 11 apples",
        "Apples left = 40 - 16\nApples left = 26",
        "Apples left = 40 - 16 Apples left = 26 Therefore she has 26.",
        "= 3 * 4\n= 13",
    ],
)
def test_false_claims_fail(text):
    assert "fails" in findings(text)


@pytest.mark.parametrize(
    "text",
    [
        "x - 3 = 4",
        "2x + 1 = 5 + 2x",
        "the price minus 3 = 4 + 5",
        "twice 3 + 1 = 8",
        "half of 4 + 6 = 5",
        "C(5,2) = 11",
        "f(2) = 11",
        "101_2 = 5",
        "= 4 + x",
        "ratio 3:4 = 6:9",
        "36 = 2ab + 0",
        "Perimeter = Side 1 + Side 2 = 18 + 12",
        "So A = 2, B = 3, C = 7",
        "no equation here, 3 and 4",
    ],
)
def test_pieces_of_something_larger_are_no_false_claims(text):
    assert "fails" not in findings(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("If 3 + 4 = 8 then I could", "not asserted"),
        ("Our claim that 9^2 + 2^2 = 97 was wrong.", "not asserted"),
        ("5 + 3 = 8 * 2", "runs on from 8"),
        ("7 / 2 = 3", "rounding"),
        ("0.33 * 300 = 100", "rounding"),
        ("2 hours + 30 minutes = 2.5 hours", "several units"),
        ("8 quarters * 1 = 2", "counts in larger or smaller units"),
        ("50 + 20% = 60", "a percentage added or taken away"),
        ("30 * 7 ≈ 200", "an approximation"),
        ("15 < 2 + 8", "a comparison, perhaps a test"),
        ("900 watts = 900 / 1000", "a name that holds a number"),
        ("- 8 + 7 = 15", "a sign or a list's dash"),
        ("12 = 15", "no work is shown"),
        ("1 / 0 = 5", "division by zero"),
    ],
)
def test_what_may_mean_something_else_is_undecided(text, reason):
    assert reasons(text) == [reason]


def test_the_problem_may_define_another_arithmetic():
    assert findings("10 + 5 = 3") == ["fails"]
    assert reasons("10 + 5 = 3", "What hour does the clock show?") == ["another arithmetic"]
    assert reasons("10 + 5 = 3 (mod 12)") in ([], ["another arithmetic"])


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9 = 1",
        "9^9^9^9^9 = 1",
        "2^(10^9) = 1",
        "100000! = 1",
        "(" * 5000 + "1" + ")" * 5000 + " = 1",
        "-" * 3000 + "1 = 1",
        "1" * 10_000 + " + 1 = 2",
        "1 + " * 3000 + "1 = 2",
        "= 1 " * 5000,
        "{" * 200 + "=" * 200 + "\\frac" * 500 + " = 3",
        "__import__('os').system('true') = 0",
        "a = " * 3000,
    ],
)
def test_hostile_text_is_answered_soon_and_accuses_nobody(text):
    found = claims(text)
    assert len(found) <= MOST_CLAIMS
    assert "fails" not in [decide(claim).finding for claim in found]
