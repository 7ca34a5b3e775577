import errno
import os

import pytest

from stepward.errors import StorageError
from stepward.storage.files import write_atomic


def failing(code):
    def fail(*arguments):
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize(
    ("call", "code", "mend"),
    [
        ("fsync", errno.ENOSPC, "free some space and run again"),
        ("replace", errno.EROFS, "read-only: choose another folder"),
        ("fsync", errno.EIO, "check the disk"),
    ],
)
def test_a_refusing_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, call, code, mend):
    path = tmp_path / "a.json"
    write_atomic(path, b"old")
    with monkeypatch.context() as patch, pytest.raises(StorageError, match=mend):
        patch.setattr(os, call, failing(code))
        write_atomic(path, b"new")
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"a.json": b"old"}


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"gone/a\.json cannot be written: No such file"):
        write_atomic(tmp_path / "gone" / "a.json", b"")
