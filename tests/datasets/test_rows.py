import pytest

from stepward.datasets.lines import Place
from stepward.datasets.reading import Tally
from stepward.datasets.rows import Columns, Row, read_rows
from stepward.errors import ConfigError, ConflictError, DataError, TraceError

COLUMNS = Columns(required=("id", "steps"), optional=("label",), identity=("id",))


def row(**values: object) -> Row:
    return Row(Place("a.jsonl", 3), values)  # type: ignore[arg-type]


def test_a_missing_field_is_named_with_the_nearest_that_is_there(jsonl):
    with pytest.raises(DataError, match=r"line 1, field 'steps': is missing; there is 'step'"):
        list(read_rows(jsonl({"id": 1, "step": []}), COLUMNS, Tally()))


def test_an_unknown_column_is_refused_with_the_nearest_known_one(jsonl):
    with pytest.raises(DataError, match=r"line 1, field 'lable'.*did you mean 'label'.*extra=\"keep\""):
        list(read_rows(jsonl({"id": 1, "steps": [], "lable": 1}), COLUMNS, Tally()))


def test_unknown_columns_are_ignored_and_counted_or_kept(jsonl):
    path, tally = jsonl({"id": 1, "steps": [], "lable": 1}), Tally()
    assert [found.extras for found in read_rows(path, COLUMNS, tally, "ignore")] == [{}]
    assert tally.notes == {"unknown columns ignored": 1}
    assert [found.extras for found in read_rows(path, COLUMNS, Tally(), "keep")] == [{"lable": 1}]


def test_the_same_row_twice_is_given_once_and_counted(jsonl):
    tally = Tally()
    path = jsonl({"id": 1, "steps": ["a"]}, {"steps": ["a"], "id": 1}, {"id": 2, "steps": ["a"]})
    assert len(list(read_rows(path, COLUMNS, tally))) == 2
    assert (tally.rows, tally.duplicates) == (3, 1)


def test_one_id_with_two_contents_names_both_lines(jsonl):
    path = jsonl({"id": 1, "steps": ["a"]}, {"id": 2, "steps": ["a"]}, {"id": 1, "steps": ["b"]})
    with pytest.raises(ConflictError, match=r"line 3, field 'id'.*line 1, with other content"):
        list(read_rows(path, COLUMNS, Tally()))


def test_elements_of_an_array_on_one_line_are_told_apart_by_their_place(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text('[{"id": 1, "steps": ["a"]}, {"id": 1, "steps": ["b"]}]')
    with pytest.raises(ConflictError, match=r"field '\[1\].id'.*line 1, \[0\], with other content"):
        list(read_rows(path, COLUMNS, Tally()))


@pytest.mark.parametrize(
    ("getter", "value"),
    [
        ("text", 1),
        ("filled", "  "),
        ("integer", True),
        ("integer", 1.0),
        ("number", "1"),
        ("boolean", 1),
        ("texts", "abc"),
        ("texts", []),
        ("items", None),
        ("row", []),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_by_name(getter, value):
    with pytest.raises(DataError, match=r"a.jsonl, line 3, field 'a'"):
        getattr(row(a=value), getter)("a")


def test_a_wrong_element_of_a_list_is_named_by_index():
    with pytest.raises(DataError, match=r"field 'a\[1\]': must be a whole number"):
        row(a=[1, True]).integers("a")


def test_nested_fields_are_named_by_their_whole_path():
    with pytest.raises(DataError, match=r"field 'a\[0\].b.c': is missing"):
        row(a=[{"b": {"d": 1}}]).rows("a")[0].row("b").text("c")


def test_errors_about_traces_are_given_the_place_of_their_row():
    with pytest.raises(DataError, match=r"line 3, field 'steps': step 1 is blank"), row().blame("steps"):
        raise TraceError("step 1 is blank")


def test_another_rule_for_unknown_columns_is_refused(jsonl):
    with pytest.raises(ConfigError, match='extra must be "refuse"'):
        list(read_rows(jsonl({"id": 1, "steps": []}), COLUMNS, Tally(), "kept"))  # type: ignore[arg-type]
