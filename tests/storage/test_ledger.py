import sqlite3

import pytest

from stepward.errors import ConfigError, DataError
from stepward.storage.ledger import Entry, Ledger

MADE_BY = {"labeler": {"use": "rollout", "n": 4}, "policy": {"revision": "a"}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "job" / "ledger.sqlite"


def result(key, **sums):
    return Entry(key=key, record={"of": key}, sums=sums)


def test_a_ledger_opened_again_has_what_was_committed(path):
    with Ledger(path, MADE_BY) as ledger:
        ledger.commit([result("a", labels=2.0), result("b", labels=3.0)])
    with Ledger(path, MADE_BY) as ledger:
        assert ledger.done() == {"a", "b"}
        assert ledger["a"] == {"of": "a"}
        assert ledger.totals() == {"labels": 5.0}
        with pytest.raises(KeyError):
            ledger["c"]


def test_a_result_is_kept_once_and_counted_once(path):
    with Ledger(path, MADE_BY) as ledger:
        ledger.commit([result("a", labels=2.0)])
        ledger.commit([Entry(key="a", record={"of": "another"}, sums={"labels": 7.0})])
        assert ledger["a"] == {"of": "a"} and ledger.totals() == {"labels": 2.0}


def test_a_result_replaces_a_failure_and_never_the_other_way_round(path):
    failure = Entry(key="a", record={"error": "LabelError", "attempts": 1}, failed=True, sums={"tokens": 5.0})
    with Ledger(path, MADE_BY) as ledger:
        ledger.commit([failure])
        assert ledger.failed() == {"a": {"error": "LabelError", "attempts": 1}} and not ledger.done()
        ledger.commit([result("a", tokens=1.0)])
        assert not ledger.failed() and ledger.done() == {"a"}
        ledger.commit([failure])
        assert not ledger.failed()
        assert ledger.totals() == {"tokens": 6.0}, "what a failure cost stays in the totals"


def test_a_commit_that_fails_midway_keeps_nothing(path):
    with Ledger(path, MADE_BY) as ledger:
        with pytest.raises(DataError, match="cannot be written as JSON"):
            ledger.commit([result("a", labels=1.0), Entry(key="b", record=float("nan"))])
        assert not ledger.done() and not ledger.totals()
        ledger.commit([result("a", labels=1.0)])
        assert ledger.done() == {"a"}


def test_a_ledger_of_something_else_is_refused_with_the_differences(path):
    Ledger(path, MADE_BY).close()
    with pytest.raises(ConfigError, match=r"policy.revision: \"a\" -> \"b\"") as caught:
        Ledger(path, MADE_BY | {"policy": {"revision": "b"}})
    assert "labeler" not in str(caught.value)


def test_a_flipped_bit_is_found_named_and_can_be_forgotten(path):
    with Ledger(path, MADE_BY) as ledger:
        ledger.commit([result("a"), result("b")])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE results SET record = ? WHERE key = 'b'", (b'{"of":"c"}',))
    with Ledger(path, MADE_BY) as ledger:
        assert ledger["a"] == {"of": "a"}
        with pytest.raises(DataError, match="checksum of 'b'"):
            ledger["b"]
        assert ledger.damaged() == ["b"]
        ledger.pardon(["b"])
        assert ledger.done() == {"a"} and not ledger.damaged()


def test_a_file_that_is_no_ledger_is_named(path):
    path.parent.mkdir()
    path.write_bytes(b"no database at all, but long enough to be one" * 100)
    with pytest.raises(DataError, match="is damaged: file is not a database"):
        Ledger(path, MADE_BY)


def test_a_truncated_ledger_is_named_or_lacks_units_and_never_lies(path):
    with Ledger(path, MADE_BY) as ledger:
        ledger.commit(Entry(key=f"u{at}", record={"of": at, "text": "x" * 500}) for at in range(200))
    whole = path.read_bytes()
    for size in range(4096, len(whole), 8192):
        path.write_bytes(whole[:size])
        try:
            with Ledger(path, MADE_BY) as ledger:
                damaged = set(ledger.damaged())
                assert all(ledger[key]["of"] == int(key[1:]) for key in ledger.done() - damaged)
        except (DataError, KeyError):
            continue
