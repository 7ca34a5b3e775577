"""Which problems taught a checkpoint: `trained_on.txt`, one key a line, so that none is calibrated or judged on.

A key is the hash of a problem's text (`stepward.calibrate.problem_key`). A checkpoint without the file says nothing of
its problems: that is None, not "none".
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from stepward.calibrate import refuse_shared_problems
from stepward.storage.files import write_atomic
from stepward.types import Problem

TRAINED_ON = "trained_on.txt"


def write_trained_on(folder: Path, keys: Iterable[str]) -> None:
    """Record the problems that taught the checkpoint in `folder`."""
    write_atomic(folder / TRAINED_ON, "".join(f"{key}\n" for key in sorted(set(keys))).encode())


def read_trained_on(folder: Path) -> frozenset[str] | None:
    """Their keys; None where the checkpoint does not say."""
    file = folder / TRAINED_ON
    return frozenset(file.read_text(encoding="utf-8").split()) if file.is_file() else None


def refuse_training_problems(folder: Path, problems: Iterable[Problem]) -> bool:
    """Raise `ConfigError` where one of `problems` taught the checkpoint; False where it does not say which did."""
    known = read_trained_on(folder)
    if known is not None:
        refuse_shared_problems(problems, known, what=f"the model in {folder}")
    return known is not None
