import random
import signal
import subprocess
import sys
import time
import warnings

import pytest

from stepward.storage.files import StorageWarning
from stepward.storage.run import Run

ROUNDS = 30
WRITER = """
import sys
from stepward.storage.run import Run

with Run.open(sys.argv[1], {"seed": 1}) as run:
    records = run.records("units")
    print("ready", flush=True)
    for index in range(len(records), 10**9):
        if index % 7 == 3:
            records.append_many([(f"u{index}", {"n": index, "text": "x" * (index % 5000)})])
        else:
            records.append(f"u{index}", {"n": index, "text": "x" * (index % 5000)})
        sys.stdout.write(f"{index}\\n")
        sys.stdout.flush()
        if index % 50 == 0:
            run.mark_done(f"stage{index // 50 % 5}", index)
"""


@pytest.mark.slow
def test_a_writer_killed_at_random_instants_loses_and_doubles_nothing(tmp_path):
    chance, folder, acknowledged = random.Random(7), tmp_path / "run", -1
    for _ in range(ROUNDS):
        acknowledged = max(acknowledged, last_acknowledged_before_kill(folder, chance.uniform(0.0, 0.15)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StorageWarning)  # a torn last line is allowed here
            run = Run.open(folder, {"seed": 1})
        with run:
            kept = list(run.records("units"))
            assert [key for key, _ in kept] == [f"u{index}" for index in range(len(kept))]
            assert all(record == {"n": n, "text": "x" * (n % 5000)} for n, (_, record) in enumerate(kept))
            assert len(kept) > acknowledged
            for stage in range(5):
                if run.is_done(f"stage{stage}"):
                    assert run.result(f"stage{stage}") < len(kept)
    assert acknowledged > ROUNDS


def last_acknowledged_before_kill(folder, seconds) -> int:
    """Start a writer, kill it `seconds` after it is ready, and return the last unit it said was kept."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        timer = time.monotonic() + seconds
        lines = []
        while time.monotonic() < timer:
            lines.append(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.readlines()
    whole = [line for line in lines if line.endswith("\n")]
    return int(whole[-1]) if whole else -1
