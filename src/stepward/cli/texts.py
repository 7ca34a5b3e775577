"""Reading what a user gives: text files and standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from stepward.errors import DataError


def read_text(path: Path) -> str:
    """The text in `path`, or of standard input for "-"; `DataError` where it is missing or not UTF-8."""
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", mend="check the path") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: not UTF-8 at byte {error.start}",
            got=content[error.start : error.end],
            mend="save the file as UTF-8",
        ) from error
