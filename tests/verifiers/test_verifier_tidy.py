import pytest

from stepward.verifiers.tidy import squeezed, tidy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"$\left(\dfrac{1}{2},\;3\right)$", r"(\frac{1}{2}, 3)"),
        (r"34,\!560", "34,560"),
        ("1{,}000", "1,000"),
        (r"50\%", "50%"),
        (r"\mbox{east}", r"\text{east}"),
        ("**18**", "18"),
        ("x**2", "x**2"),
        ("18.", "18"),
        ("5!", "5!"),
        ("0.333...", "0.333..."),
        ("10²", "10^{2}"),
        ("x¹²", "x^{12}"),
        ("3½", "3 1/2"),
        ("1323₄", "1323_4"),
        ("−3", "-3"),
        ("３４", "34"),
        ("৪২", "42"),
        (r"\$5.00", "5.00 dollars"),
        ("-$5", "-5 dollars"),
        ("$5$", "5"),
        (r"\approx 8.24", "8.24"),
        (r"1 & 2 \\ 3 & 4", r"1 & 2 \\ 3 & 4"),
        (r"1 & \phantom -2", "1 & 2"),
    ],
)
def test_spellings_become_one_and_meaning_stays(text, expected):
    assert tidy(text) == expected


def test_tidying_twice_changes_nothing():
    for text in (r"$\left(\dfrac{1}{2}\right)$", "3½", r"\text{ a }", "**x**", "x²"):
        assert tidy(tidy(text)) == tidy(text)


def test_squeezed_ignores_every_space():
    assert squeezed(r"\left( 1, 2 \right)") == squeezed("(1,2)")


def test_a_negative_space_joins_the_digits_of_one_number_whatever_stands_behind_it() -> None:
    assert tidy(r"11,\! 111,\! 100") == tidy(r"11,\!111,\!100") == "11,111,100"
