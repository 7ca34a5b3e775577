import json
import os
import resource
import signal
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepward.errors import ConflictError, DataError, StorageError
from stepward.storage import lock
from stepward.storage.files import StorageWarning
from stepward.storage.jsonl import Records, read_records


@pytest.fixture
def path(tmp_path):
    return tmp_path / "labels.jsonl"


def written(path, count=3):
    with Records(path) as records:
        records.append_many((f"k{index}", {"n": index}) for index in range(count))
    return path


@contextmanager
def largest_file(size):
    """Let no file of this process grow past `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_records_come_back_in_the_order_of_writing(path):
    with Records(path) as records:
        records.append("b", {"x": [1, None, 0.5]})
        records.append("a", "text")
        assert "b" in records
        assert "c" not in records
        assert list(records) == [("b", {"x": [1, None, 0.5]}), ("a", "text")]
    with Records(path) as again:
        assert (list(again.keys()), len(again), again["a"]) == (["b", "a"], 2, "text")
    assert list(read_records(path)) == [("b", {"x": [1, None, 0.5]}), ("a", "text")]


def test_each_line_is_plain_json(path):
    written(path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(row["key"], row["record"]) for row in rows] == [("k0", {"n": 0}), ("k1", {"n": 1}), ("k2", {"n": 2})]


KEYS = st.text(max_size=6) | st.sampled_from(['","record":', "\\", '"', "\ud800", "\n", "\x00"])
RECORDS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(KEYS, RECORDS, max_size=5))
def test_any_key_and_record_survives(tmp_path_factory, items):
    path = tmp_path_factory.mktemp("any") / "r.jsonl"
    with Records(path) as records:
        for key, record in items.items():
            records.append(key, record)
    with Records(path) as again:
        assert dict(again) == items


def test_the_same_content_again_is_ignored_and_other_content_refused(path):
    with Records(path) as records:
        records.append("k", {"a": 1, "b": 2})
        size = path.stat().st_size
        records.append("k", {"b": 2, "a": 1})
        records.append_many([("k", {"a": 1, "b": 2})])
        assert path.stat().st_size == size
        for other in ({"a": 1}, {"a": True, "b": 2}):
            with pytest.raises(ConflictError, match=r"'k' stands for something else already; got"):
                records.append("k", other)
        with pytest.raises(ConflictError):
            records.append_many([("new", 1), ("new", 2)])
        assert "new" not in records
        assert path.stat().st_size == size


def test_a_file_with_one_key_for_two_contents_is_refused(path):
    one = written(path.with_name("one.jsonl"), 1).read_bytes()
    with Records(path) as records:
        records.append("k0", "other")
    path.write_bytes(path.read_bytes() + one)
    with pytest.raises(ConflictError, match="'k0' stands for two contents"):
        Records(path)
    with pytest.raises(ConflictError, match="'k0' stands for two contents"):
        list(read_records(path))


@pytest.mark.parametrize("kept", range(1, 40, 6))
def test_a_torn_last_line_is_dropped_with_a_warning_and_the_next_append_is_clean(path, kept):
    whole = written(path).read_bytes()
    start = whole.rindex(b"\n", 0, -1) + 1
    path.write_bytes(whole[: start + kept])
    with pytest.warns(StorageWarning, match=r"labels\.jsonl, line 3: the last line was not written to its end"):
        records = Records(path)
    with records:
        assert list(records.keys()) == ["k0", "k1"]
        records.append("k2", {"n": 2})
    assert path.read_bytes() == whole


def test_reading_alone_leaves_a_torn_line_where_it_is(path):
    whole = written(path).read_bytes()
    path.write_bytes(whole[:-5])
    with pytest.warns(StorageWarning):
        assert [key for key, _ in read_records(path)] == ["k0", "k1"]
    assert path.read_bytes() == whole[:-5]


def test_a_last_line_that_lacks_only_its_end_is_kept(path):
    whole = written(path).read_bytes()
    path.write_bytes(whole[:-1])
    with Records(path) as records:
        records.append("k3", {"n": 3})
    assert path.read_bytes().startswith(whole)
    assert len(list(read_records(path))) == 4


def test_a_flipped_bit_is_noticed_wherever_it_is(path):
    whole = written(path).read_bytes()
    end_of_second = whole.index(b"\n", whole.index(b"\n") + 1)
    for at in range(0, end_of_second, 2):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << (at % 8)
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"labels\.jsonl, line [12], field 'sum'"):
            Records(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"sum":"00000000","key":"a","record":1}', "line 2, field 'sum': its checksum does not hold"),
        (b'{"sum":"00000000","key":"\xff","record":1}', "line 2, field 'sum': not UTF-8 at byte 25"),
        (b'{"id": 1}', "line 2, field 'sum': no record line of Stepward"),
        (b"", "line 2, field 'sum': no record line"),
    ],
)
def test_a_damaged_line_is_named_and_the_file_left_alone(path, line, message):
    content = written(path, 1).read_bytes() + line + b"\n"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        Records(path)
    assert path.read_bytes() == content


def test_what_json_does_not_have_is_refused_and_nothing_is_written(path):
    with Records(path) as records:
        for record in (float("nan"), {"x": object()}, {1, 2}):
            with pytest.raises(DataError, match=r"the record 'k' for .* cannot be written as JSON"):
                records.append("k", record)
        assert len(records) == 0
    assert path.read_bytes() == b""


def test_a_full_disk_keeps_what_was_written_and_goes_on_when_there_is_space(path):
    with Records(path) as records:
        with largest_file(400), pytest.raises(StorageError, match=r"its (\d+) records are kept") as caught:
            for index in range(100):
                records.append(f"k{index}", {"n": index})
        kept = len(records)
        assert f"its {kept} records" in str(caught.value)
        assert 0 < kept < 100
        assert list(read_records(path)) == [(f"k{index}", {"n": index}) for index in range(kept)]
        records.append(f"k{kept}", {"n": kept})
    assert len(list(read_records(path))) == kept + 1


def test_a_folder_that_cannot_be_written_is_named(path):
    path.write_text("a file, not a folder")
    with pytest.raises(StorageError, match=r"labels\.jsonl.* cannot be written"):
        Records(path / "r.jsonl")


def test_a_missing_file_cannot_be_read(path):
    with pytest.raises(StorageError, match="cannot be read: No such file"):
        list(read_records(path))


def test_one_writer_at_a_time(path, monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 0.0)
    with Records(path) as first:
        with pytest.raises(StorageError, match="being written by another process, or twice by this one"):
            Records(path)
        first.append("k", 1)
        assert list(read_records(path)) == [("k", 1)]
    Records(path).close()


def test_closed_records_can_be_read_but_not_written(path):
    records = Records(path)
    records.append("k", 1)
    records.close()
    records.close()
    assert dict(records) == {"k": 1}
    with pytest.raises(StorageError, match="is closed"):
        records.append("l", 2)


def test_appends_are_put_on_disk_in_time_and_batches_at_once(path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(handle))
    with Records(path, sync_seconds=3600) as records:
        synced.clear()
        records.append("a", 1)
        assert synced == []
        records.append_many([("b", 2), ("c", 3)])
        assert len(synced) == 1
    assert len(synced) == 2
    with Records(path, sync_seconds=0) as records:
        synced.clear()
        records.append("d", 4)
        assert len(synced) == 1


def test_a_long_record_is_read_back_whole(path):
    with Records(path) as records:
        records.append("long", "x" * 1_000_000)
        records.append("next", 1)
        assert len(records["long"]) == 1_000_000
        assert records["next"] == 1
