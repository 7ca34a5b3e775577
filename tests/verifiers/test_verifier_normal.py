import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepward.verifiers.normal import contradiction, fast_verdict, strict_refusal
from stepward.verifiers.tidy import tidy

number = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.tuples(st.integers(-99, 99), st.integers(1, 99)).map(lambda p: rf"\frac{{{p[0]}}}{{{p[1]}}}"),
    st.decimals(-1000, 1000, places=3, allow_nan=False).map(str),
)


@pytest.mark.parametrize(
    ("gold", "answer", "outcome"),
    [
        ("18", "18.0", "equal"),
        ("18", "19", "different"),
        (r"\frac{1}{3}", "0.333333", "equal"),
        (r"\frac{1}{3}", "0.333", "different"),
        ("0.5", "0.4999999", "different"),
        ("0.000001", "0.0000012", "different"),
        (r"50\%", r"\frac{1}{2}", "equal"),
        (r"50\%", "50", "equal"),
        (r"50\%", r"5000\%", "different"),
        (r"\frac14", r"0.25\%", "different"),
        (r"25\text{ cents}", r"\$0.25", "equal"),
        (r"25\text{ cents}", r"\$25", "different"),
        (r"5\text{ m}", "500 cm", "equal"),
        (r"5\text{ m}", "5 cm", "different"),
        ("1323_{4}", "1323", "equal"),
        ("x=5", "5", "equal"),
        ("3, -3", r"\{-3, 3\}", "equal"),
        ("3, -3", "3, 4", "different"),
        ("(1,2)", "(2,1)", "different"),
        ("5", "", "unparsable"),
        ("5", "x = 5 = 6", "unparsable"),
    ],
)
def test_the_fast_path_decides(gold, answer, outcome):
    assert fast_verdict(gold, answer).outcome == outcome


@pytest.mark.parametrize(
    ("gold", "answer"), [("x=5", "y=5"), ("(1,2)", "1,2"), ("[1,2]", "(1,2)"), ("2x", "x+x"), ("4", "2+2")]
)
def test_what_needs_algebra_is_left_to_it(gold, answer):
    assert fast_verdict(gold, answer) is None


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("4", "2+2"),
        ("391", r"17\cdot 23"),
        ("6", "x=5=6"),
        ("6", "x=3+3=6"),
        (r"\frac13", r"\int_0^1 x^2\,dx"),
        ("120", "5!"),
        ("5", "2+3=5"),
    ],
)
def test_the_strict_profile_refuses_what_is_not_an_answer(gold, answer):
    assert fast_verdict(gold, answer, strict=True).outcome == "unparsable"


@pytest.mark.parametrize(
    ("gold", "answer", "outcome"),
    [
        ("100", r"100\%", "different"),
        ("10", "10°", "different"),
        (r"10^\circ", "10", "equal"),
        (r"50\%", "50", "equal"),
        ("1", r"100\%", "equal"),
        (r"\frac13", "0.333333", "different"),
        ("5", "x = 5", "equal"),
        ("18", "18 eggs", "equal"),
        (r"\frac12", "0.5", "equal"),
    ],
)
def test_the_strict_profile_reads_units_and_roundings_to_the_letter(gold, answer, outcome):
    assert fast_verdict(gold, answer, strict=True).outcome == outcome


def test_strict_leaves_an_operator_that_the_reference_holds():
    assert strict_refusal("n!", "n!+0") is None
    assert strict_refusal("2x+1", "1+2x") is None


def test_a_consistent_chain_is_no_contradiction():
    assert contradiction("x = 6 = 6") is None
    assert contradiction(tidy("x = 1/2 = 0.5")) is None


@given(number, number)
def test_equality_is_symmetric_and_reflexive(first, second):
    assert fast_verdict(first, first).outcome == "equal"
    assert fast_verdict(first, second).outcome == fast_verdict(second, first).outcome


@given(number)
def test_spelling_does_not_matter(text):
    for other in (
        f"${text}$",
        rf"\({text}\)",
        f" {text} ",
        f"{text}.",
        f"x = {text}",
        text.replace("frac", "dfrac"),
        text.replace("-", "−"),
    ):
        assert fast_verdict(text, other).outcome == "equal", other


@given(st.integers(-(10**6), 10**6), st.integers(1, 10**6))
def test_a_neighbouring_number_is_different(whole, distance):
    assert fast_verdict(str(whole), str(whole + distance)).outcome == "different"
    assert fast_verdict(str(whole), f"{whole}.{distance}").outcome == (
        "equal" if int(str(distance)) == 0 else "different"
    )


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_the_fast_path(gold, answer):
    for strict in (False, True):
        fast_verdict(gold, answer, strict=strict)


LATEX = [
    r"\frac",
    r"\sqrt",
    "{",
    "}",
    "(",
    ")",
    "^",
    "_",
    "1",
    "2.5",
    ",",
    "x",
    "=",
    "%",
    r"\text",
    r"\circ",
    "/",
    "-",
    " ",
    "$",
    r"\overline",
    "e",
]


@given(st.lists(st.sampled_from(LATEX), max_size=25).map("".join))
def test_no_broken_latex_breaks_the_fast_path(answer):
    fast_verdict("3", answer)
    fast_verdict(answer, "3", strict=True)
    assert answer.strip() == "" or fast_verdict(answer, answer).outcome == "equal"
