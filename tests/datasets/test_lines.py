import gzip
import io
import json
import sys

import pytest

from stepward.datasets.lines import read_document, read_objects
from stepward.errors import DataError


def written(tmp_path, content: bytes, name: str = "a.jsonl"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def refusal(path) -> str:
    with pytest.raises(DataError) as caught:
        list(read_objects(path))
    return str(caught.value)


def test_json_lines_come_with_their_line_numbers_and_blank_lines_are_passed_over(tmp_path):
    path = written(tmp_path, b'{"a": 1}\r\n\n  \n{"a": 2}')
    assert [(place.line, dict(row)) for place, row in read_objects(path)] == [(1, {"a": 1}), (4, {"a": 2})]


def test_elements_of_an_array_come_with_the_line_on_which_each_starts(tmp_path):
    path = written(tmp_path, b'\n[\n {"a": 1,\n  "b": 2},\n {"a": 3}\n, {"a": 4}]\n', "a.json")
    found = list(read_objects(path))
    assert [place.line for place, _ in found] == [3, 5, 6]
    assert [place.prefix for place, _ in found] == ["[0].", "[1].", "[2]."]
    assert [row["a"] for _, row in found] == [1, 3, 4]


@pytest.mark.parametrize("content", [b"[]", b" [ \n ] "])
def test_an_empty_array_holds_no_rows_and_is_refused(tmp_path, content):
    assert "holds no rows" in refusal(written(tmp_path, content))


def test_an_empty_document_holds_no_rows_and_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no rows"):
        list(read_document(written(tmp_path, b"{}")))


@pytest.mark.parametrize("content", [b'[{"a": 1} {"a": 2}]', b'[{"a": 1}', b'[{"a": 1}] tail', b'[{"a": }]'])
def test_a_broken_array_is_refused(tmp_path, content):
    assert "invalid JSON" in refusal(written(tmp_path, content))


def test_gzip_is_told_by_content_not_by_name(tmp_path):
    path = written(tmp_path, gzip.compress(b'{"a": 1}\n'), "plain_name.jsonl")
    assert [row["a"] for _, row in read_objects(path)] == [1]


def test_damaged_gzip_is_refused(tmp_path):
    path = written(tmp_path, gzip.compress(b'{"a": 1}\n' * 1000)[:-20])
    assert "damaged" in refusal(path)


def test_standard_input_is_read(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'[{"a": 1},\n{"a": 2}]')))
    assert [(place.path, row["a"]) for place, row in read_objects("-")] == [
        ("standard input", 1),
        ("standard input", 2),
    ]


def test_a_byte_order_mark_is_passed_over(tmp_path):
    assert [row["a"] for _, row in read_objects(written(tmp_path, b'\xef\xbb\xbf{"a": 1}'))] == [1]


def test_invalid_utf8_names_line_and_byte_of_the_file(tmp_path):
    message = refusal(written(tmp_path, b'{"a": 1}\n{"a": "\xff"}\n'))
    assert "a.jsonl, line 2" in message
    assert "byte 16 of the file" in message


def test_invalid_json_names_line_and_column(tmp_path):
    message = refusal(written(tmp_path, b'{"a": 1}\n{"a": 1,, "b": 2}\n'))
    assert "line 2" in message
    assert "column 9" in message


def test_a_line_that_was_cut_off_says_so(tmp_path):
    assert "cut off" in refusal(written(tmp_path, b'{"a": 1}\n{"a": "on'))


def test_a_line_that_is_no_object_is_refused(tmp_path):
    assert "line 2" in refusal(written(tmp_path, b'{"a": 1}\n[1, 2]\n'))


def test_a_key_that_stands_twice_is_refused(tmp_path):
    assert "field 'b'" in refusal(written(tmp_path, b'{"a": 1, "b": 1, "b": 2}'))


@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"1e999"])
def test_a_number_that_is_not_finite_names_its_field(tmp_path, number):
    assert "line 1, field 'a.b[1]'" in refusal(written(tmp_path, b'{"a": {"b": [0, ' + number + b"]}}"))


def test_half_a_surrogate_pair_is_refused_and_a_whole_one_is_not(tmp_path):
    assert "surrogate" in refusal(written(tmp_path, b'{"a": "\\ud83d"}'))
    assert [row["a"] for _, row in read_objects(written(tmp_path, b'{"a": "\\ud83d\\ude00"}'))] == ["\U0001f600"]


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_a_file_without_rows_is_refused(tmp_path, content):
    assert "holds no rows" in refusal(written(tmp_path, content))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert "cannot be read" in refusal(tmp_path / "missing.jsonl")
    assert "cannot be read" in refusal(tmp_path)


def test_nesting_without_end_is_refused(tmp_path):
    for content in (b'{"a": ' + b"[" * 100_000, b"[" * 100_000, b'[{"a": ' + b"9" * 5_000 + b"}]"):
        assert "cannot be read as JSON" in refusal(written(tmp_path, content))


def test_a_line_of_one_megabyte_is_read_whole(tmp_path):
    step = "x" * 1_000_000
    path = written(tmp_path, json.dumps({"a": step}).encode())
    assert [row["a"] for _, row in read_objects(path)] == [step]


def test_a_document_gives_its_keys_with_their_lines(tmp_path):
    path = written(tmp_path, b'{\n"x": [1],\n\n"y": [2]\n}')
    assert [(place.line, key, value) for place, key, value in read_document(path)] == [(2, "x", [1]), (4, "y", [2])]
