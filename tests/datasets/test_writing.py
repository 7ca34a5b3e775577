import errno

import pytest

from stepward.datasets import writing
from stepward.datasets.writing import write_objects
from stepward.errors import DataError, StorageError


def test_rows_go_to_standard_output(capsys):
    assert write_objects("-", [{"a": "é"}]) == 1
    assert capsys.readouterr().out == '{"a": "é"}\n'


def test_a_full_disk_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    path.write_text("old\n")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing, "_write", full)
    with pytest.raises(StorageError, match="No space left"):
        write_objects(path, [{"a": 1}])
    assert path.read_text() == "old\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_row_that_is_no_json_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(DataError, match="row 2 cannot be written"):
        write_objects(tmp_path / "a.jsonl", [{"a": 1}, {"a": float("nan")}])
    assert list(tmp_path.iterdir()) == []
