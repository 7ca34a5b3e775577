import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mini import mini_recipe

from stepward.yaml_text import dump

TABLES = ("headline.json", "steps/quality.json", "chosen/curves.json", "label_quality/quality.json")
KILLS = 20


def start(recipe: Path, folder: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    command = [sys.executable, "-m", "stepward.cli.main", "run", str(recipe), "--to", str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def tables(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text() for name in TABLES}


@pytest.mark.slow
def test_a_run_killed_at_random_instants_ends_with_the_tables_of_an_unbroken_one(tmp_path: Path) -> None:
    recipe = tmp_path / "mini.yaml"
    recipe.write_text(dump(mini_recipe(problems=24)))
    began = time.monotonic()
    assert start(recipe, tmp_path / "unbroken").wait() == 0
    whole = time.monotonic() - began
    rng = random.Random(5)
    kills = 0
    while kills < KILLS:
        process = start(recipe, tmp_path / "broken")
        try:
            process.wait(timeout=rng.uniform(0.2, 0.6) * whole)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            continue
        assert process.returncode == 0
        if kills < KILLS:  # finished before enough kills: once more from the start, in a new folder
            assert tables(tmp_path / "broken") == tables(tmp_path / "unbroken")
            (tmp_path / "broken").rename(tmp_path / f"finished-{kills}")
    assert start(recipe, tmp_path / "broken").wait() == 0
    assert tables(tmp_path / "broken") == tables(tmp_path / "unbroken")
