"""The folder of public data sets that recipes and tests read, where there is one.

It is the folder named by the environment variable STEPWARD_DATA, else `shared/data` beside the repository or
beside the working folder. The library itself never needs it.
"""

from __future__ import annotations

import os
from pathlib import Path

from stepward.errors import DataError

VARIABLE = "STEPWARD_DATA"
BESIDE = Path("shared") / "data"


def find_development_folder() -> Path | None:
    """The folder, or None where there is none. Raises `DataError` where the variable names no folder."""
    named = os.environ.get(VARIABLE)
    if named:
        if not Path(named).is_dir():
            raise DataError(f"{VARIABLE} names no folder", got=named, mend=f"set {VARIABLE} to the folder of data sets")
        return Path(named)
    roots = (Path(__file__).resolve().parents[3], Path.cwd())
    return next((root.parent / BESIDE for root in roots if (root.parent / BESIDE).is_dir()), None)


def development_folder() -> Path:
    """The folder; `DataError` that says what to set where there is none."""
    folder = find_development_folder()
    if folder is None:
        raise DataError("no folder of development data was found", mend=f"set {VARIABLE} to the folder of data sets")
    return folder
