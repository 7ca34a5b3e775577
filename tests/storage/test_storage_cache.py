import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from stepward.errors import ConfigError, DataError, StorageError
from stepward.storage.cache import Cache, cache_key
from stepward.storage.files import StorageWarning
from stepward.types import Origin


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache.sqlite"


def test_values_are_kept_across_openings(path):
    cache = Cache(path)
    cache["a"] = {"scores": [0.5, None], "text": "\ud800"}
    cache["b"] = None
    cache.close()
    again = Cache(path)
    assert dict(again) == {"a": {"scores": [0.5, None], "text": "\ud800"}, "b": None}
    assert "a" in again
    assert again.get("c", "none") == "none"
    del again["a"]
    assert list(again) == ["b"]
    assert len(again) == 1
    with pytest.raises(KeyError):
        del again["a"]
    again.close()


def test_a_value_is_replaced(path):
    cache = Cache(path)
    cache["a"] = 1
    cache["a"] = 2
    assert dict(cache) == {"a": 2}
    cache.close()


def test_a_key_depends_on_revision_settings_and_every_part():
    origin = Origin(maker="policy:x", revision="r1", settings={"t": 1})
    keys = {
        cache_key(origin, "text"),
        cache_key(origin, "text", 1),
        cache_key(Origin(maker="policy:x", revision="r2", settings={"t": 1}), "text"),
        cache_key(Origin(maker="policy:x", revision="r1", settings={"t": 2}), "text"),
    }
    assert len(keys) == 4
    assert cache_key(origin, "text") in keys


def test_a_model_without_a_revision_is_not_cached():
    with pytest.raises(ConfigError, match="its revision is unknown; give its origin a revision"):
        cache_key(Origin(maker="policy:x"), "text")


def test_the_least_recently_used_leave_when_the_file_is_full(path):
    cache = Cache(path, max_bytes=400_000)
    for index in range(100):
        cache[f"k{index:03}"] = "x" * 10_000
        assert cache["k000"]
    assert path.stat().st_size < 600_000
    assert "k000" in cache
    assert "k099" in cache
    assert "k010" not in cache
    cache.close()


def test_one_value_larger_than_the_cache_does_not_stay(path):
    cache = Cache(path, max_bytes=50_000)
    cache["big"] = "x" * 200_000
    assert len(cache) == 0
    cache["small"] = 1
    assert cache["small"] == 1
    cache.close()


def test_a_damaged_file_is_moved_aside_with_a_warning(path):
    path.write_bytes(b"this is no database, not even a little" * 100)
    with pytest.warns(StorageWarning, match="was damaged .* moved to"):
        cache = Cache(path)
    cache["a"] = 1
    assert cache["a"] == 1
    cache.close()
    moved = [each for each in path.parent.iterdir() if "damaged" in each.name]
    assert [each.read_bytes()[:4] for each in moved] == [b"this"]


def test_a_damaged_value_is_forgotten_with_a_warning(path):
    cache = Cache(path)
    cache["a"] = "right"
    with sqlite3.connect(path) as other:
        other.execute("UPDATE entries SET value = CAST('\"wrong\"' AS BLOB)")
    other.close()
    with pytest.warns(StorageWarning, match="the value of a was damaged"):
        assert cache.get("a") is None
    assert "a" not in cache
    cache.close()


def test_what_json_lacks_is_refused(path):
    cache = Cache(path)
    with pytest.raises(DataError, match=r"the value of a .* cannot be written as JSON"):
        cache["a"] = float("inf")
    assert "a" not in cache
    cache.close()


def test_a_place_that_is_no_file_is_refused(tmp_path):
    with pytest.raises(StorageError, match="cannot be used"):
        Cache(tmp_path)
    with pytest.raises(ConfigError, match="max_bytes must be at least 1"):
        Cache(tmp_path / "c", max_bytes=0)


def test_threads_share_a_cache(path):
    cache = Cache(path)

    def work(thread):
        for index in range(50):
            cache[f"{thread}-{index}"] = index
            assert cache[f"{thread}-{index}"] == index

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(cache) == 200
    cache.close()


def test_processes_share_a_cache(path):
    program = (
        "import sys\n"
        "from stepward.storage.cache import Cache\n"
        f"cache = Cache({str(path)!r})\n"
        "for index in range(100):\n"
        "    cache[f'{sys.argv[1]}-{index}'] = index\n"
        "    cache['shared'] = 1\n"
        "cache.close()\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, str(which)]) for which in range(3)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    cache = Cache(path)
    assert len(cache) == 301
    cache.close()
