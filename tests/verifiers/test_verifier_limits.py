import pytest

from stepward.errors import ConfigError
from stepward.verifiers.limits import Limits


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x" * 2_001, "characters"),
        ("9" * 1_001, "digits"),
        ("10^{-1000000000}", "exponent"),
        ("10**10001", "exponent"),
        ("2^ { 99999 }", "exponent"),
        ("1e99999", "exponent"),
        ("1000000!", "factorial"),
        ("(100000000)!", "factorial"),
        ("(" * 51 + "1" + ")" * 51, "nesting"),
        (r"\frac{1}{" * 51 + "1" + "}" * 51, "nesting"),
        (",".join("1" * 300), "elements"),
    ],
)
def test_what_is_over_a_limit_is_named(text, reason):
    assert reason in Limits().refusal(text)


@pytest.mark.parametrize(
    "text", ["", "18", "9" * 1_000, "x^{10000}", "1e10000", "10000!", "(" * 50 + ")" * 50, r"\frac{1}{2}", "1,234,567"]
)
def test_what_keeps_the_limits_passes(text):
    assert Limits().refusal(text) is None


def test_limits_are_settings_with_a_range():
    assert Limits(characters=3).refusal("1234") is not None
    with pytest.raises(ConfigError, match=r"limits\.nesting"):
        Limits(nesting=0)
