import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepward.errors import ConfigError
from stepward.yaml_text import dump, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("-1.5E+2", -150.0),
        (".5", 0.5),
        ("10_000", 10_000),
        ("+7", 7),
        ("no", "no"),
        ("on", "on"),
        ("True", True),
        ("010", "010"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        (".inf", ".inf"),
        ("0x10", "0x10"),
        ("~", None),
        ("", None),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("[1, {a: b}]", [1, {"a": "b"}]),
    ],
)
def test_scalars_mean_what_they_look_like(text, value):
    found = parse(text, "r.yaml")
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [1,\nc: 2", r"r\.yaml, line 3: not valid YAML"),
        ("a: 1\nb: 2\na: 3", r"r\.yaml, line 3: the key 'a' stands twice"),
        ("a:\n  b: 1\n  b: 1", r"r\.yaml, line 3: the key 'b' stands twice"),
        ("a: 1\n2: 3", r"r\.yaml, line 2: a key must be text; got 2"),
        ("a: &x [1]\nb: *x", r"r\.yaml, line 1: anchors and aliases are not read"),
        ("a: 1\nb: !!python/object/apply:os.system [ls]", r"r\.yaml, line 2: tags are not read"),
        ("a: !mine 1", r"r\.yaml, line 1: tags are not read; got '!mine'"),
        ("a: !!int x", r"r\.yaml, line 1: not a finite number; got 'x'"),
        ("a: 1e999", r"r\.yaml, line 1: not a finite number; got '1e999'"),
        ("a: " + "9" * 5000, r"r\.yaml, line 1: not a finite number"),
        ("a: 1\nb: \x07", r"r\.yaml, line 2: a character that YAML forbids; got 7"),
        ("--- 1\n--- 2", r"r\.yaml, line 2: not valid YAML: but found another document"),
        ("[" * 600, r"r\.yaml: nested too deeply"),
    ],
)
def test_what_is_not_plain_values_is_refused_with_its_line(text, message):
    with pytest.raises(ConfigError, match=message):
        parse(text, "r.yaml")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["1e-3", "no", "010", "1:30", "=", "<<", "~", "", ".5", "1_0", "a: b", "# c", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_what_is_dumped_is_parsed_again_exactly(value):
    assert repr(parse(dump(value), "dumped")) == repr(value)


def test_a_value_that_stands_in_two_places_is_written_out_twice() -> None:
    shared = {"path": "x", "sizes": [1, 2]}
    value = {"a": shared, "b": shared}
    assert parse(dump(value), "test") == value
