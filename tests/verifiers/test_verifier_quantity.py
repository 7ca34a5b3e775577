from fractions import Fraction

import pytest

from stepward.verifiers.quantity import read_quantity, without_name
from stepward.verifiers.tidy import tidy
from stepward.verifiers.units import unit_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18", 18),
        ("-18", -18),
        ("+18", 18),
        ("1,234,567.5", Fraction(2469135, 2)),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        ("3/4", Fraction(3, 4)),
        ("-3 / 4", Fraction(-3, 4)),
        (r"\frac{3}{4}", Fraction(3, 4)),
        (r"\frac34", Fraction(3, 4)),
        (r"\frac 34", Fraction(3, 4)),
        (r"-\frac{3}{-4}", Fraction(3, 4)),
        (r"\frac{1.5}{2}", Fraction(3, 4)),
        ("3 1/2", Fraction(7, 2)),
        (r"3\frac{1}{2}", Fraction(7, 2)),
        (r"-3\frac12", Fraction(-7, 2)),
        ("1e3", 1000),
        ("2.5E-3", Fraction(1, 400)),
        (r"1.5 \times 10^3", 1500),
        (r"1.5 \cdot 10^{-2}", Fraction(3, 200)),
        (r"0.\overline{3}", Fraction(1, 3)),
        (r"0.1\overline{6}", Fraction(1, 6)),
        (r"-1.\overline{09}", Fraction(-12, 11)),
        ("0.333...", Fraction(1, 3)),
        ("50%", Fraction(1, 2)),
        ("101_2", 5),
        ("1323_{4}", 123),
        ("3:2", Fraction(3, 2)),
        ("25 cents", Fraction(1, 4)),
        (r"5\text{ cm}", Fraction(1, 20)),
        ("3 square feet", Fraction("0.3048") ** 2 * 3),
        ("2.5 million", 2_500_000),
        ("seven", 7),
        ("(5)", 5),
    ],
)
def test_numbers_are_read_exactly(text, value):
    assert read_quantity(tidy(text)).value == pytest.approx(value, rel=1e-12)
    if "feet" not in text:
        assert read_quantity(tidy(text)).value == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "2+2",
        r"17\cdot 23",
        r"2\sqrt{3}",
        "1/0",
        r"\frac{1}{0}",
        "1,23",
        "1..2",
        "5x",
        "5 pi",
        "3i",
        "129_2",
        "2^{10}",
        "1,2,3",
        "5 abc",
        "--3",
        "1/2/3",
        "3 3/2",
        "e",
        "5 and 6",
    ],
)
def test_what_is_not_a_number_written_out_is_not_read(text):
    assert read_quantity(text) is None


def test_a_decimal_remembers_how_precise_it_was_written():
    read = read_quantity("0.0012300")
    assert (read.digits, read.places) == (5, 7)
    assert read_quantity("12").digits is None


def test_a_name_before_an_equals_sign_is_taken_off():
    assert without_name("x = 5") == ("x", "5")
    assert without_name("f(x) = 5") == ("f(x)", "5")
    assert without_name("2x = 5") == ("", "2x = 5")


def test_units_have_dimensions_and_unlisted_words_count_things():
    assert unit_of("cm") == ("length", 0.01)
    assert unit_of("cm^2") == unit_of("square cm") == ("length^2", 0.01**2)
    assert unit_of("purple dogs") == ("things", 1.0)
