"""A labelling job of 2,000 units, killed again and again, each time gone on with by another number of workers."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import label_job
import pytest

UNITS, KILLS = 2000, 100
WORKERS = (1, 2, 4)


def start(source: Path, folder: Path, workers: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, label_job.__file__, str(source), str(folder), str(workers)]
    with (source.parent / "said.txt").open("ab") as said:
        return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=said, stderr=said)


def finish(process: subprocess.Popen[bytes], source: Path) -> None:
    assert process.wait() == 0, (source.parent / "said.txt").read_text()


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def until_at_work(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait for the first commit of this session, or for its end."""
    log, began = folder / "labels" / "ledger.sqlite-wal", time.time()
    while process.poll() is None and not (log.exists() and log.stat().st_mtime > began and log.stat().st_size):
        time.sleep(0.01)


def sums(folder: Path) -> tuple[int, bytes]:
    """Units with a result, and the totals that every commit adds to."""
    with sqlite3.connect(folder / "labels" / "ledger.sqlite") as db:
        (count,) = db.execute("SELECT count(*) FROM results").fetchone()
        (totals,) = db.execute("SELECT record FROM facts WHERE name = 'totals'").fetchone()
    return count, totals


@pytest.mark.slow
def test_a_job_killed_a_hundred_times_by_any_number_of_workers_gives_the_files_of_an_unbroken_one(
    tmp_path: Path,
) -> None:
    source = label_job.write_source(tmp_path / "source.jsonl", UNITS)
    unbroken, broken, finished = tmp_path / "unbroken", tmp_path / "broken-0", 0
    finish(start(source, unbroken, 1), source)
    rng, kills, orphans, grown = random.Random(11), 0, set(), [0]
    while kills < KILLS:
        process = start(source, broken, WORKERS[kills % len(WORKERS)])
        if rng.random() < 0.8:
            until_at_work(process, broken)
        try:
            process.wait(timeout=rng.uniform(0.0, 1.0))
        except subprocess.TimeoutExpired:
            orphans.update(children(process.pid))
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            grown.append(done(broken))
            continue
        finish(process, source)
        same(broken, unbroken)
        finished += 1
        broken = tmp_path / f"broken-{finished}"
    finish(start(source, broken, 2), source)
    same(broken, unbroken)
    until = time.monotonic() + 20
    while any(alive(pid) for pid in orphans) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [pid for pid in orphans if alive(pid)]
    assert "Traceback" not in (tmp_path / "said.txt").read_text()
    useful = sum(later > earlier for earlier, later in pairwise(grown))
    print(f"{kills} kills, {useful} of them after new commits, {len(orphans)} workers orphaned, {finished + 1} jobs")


def done(folder: Path) -> int:
    """Units with a result; 0 before there is a ledger."""
    try:
        return sums(folder)[0]
    except (sqlite3.OperationalError, TypeError):
        return 0


def same(broken: Path, unbroken: Path) -> None:
    assert label_job.labels_file(broken) == label_job.labels_file(unbroken)
    assert sums(broken) == sums(unbroken)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_a_stopped_job_ends_within_ten_seconds_and_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    source = label_job.write_source(tmp_path / "source.jsonl", 400)
    command = [sys.executable, "-m", "stepward.cli.main", "label", str(source), "--policy", "quickstart"]
    command += ["--to", str(tmp_path / "run"), "--out", str(tmp_path / "out.jsonl"), "-n", "64", "--concurrency", "200"]
    for signals in (1, 2):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        ledger = tmp_path / "run" / "labels" / "ledger.sqlite"
        while not ledger.exists() and process.poll() is None:
            time.sleep(0.1)
        time.sleep(3)
        asked = time.monotonic()
        for _ in range(signals):
            process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
        _, said = process.communicate()
        assert process.returncode == 130, said.decode()
        assert time.monotonic() - asked < (12 if signals == 1 else 3)
        assert b"To go on: the same command" in said
        ledger.unlink()
