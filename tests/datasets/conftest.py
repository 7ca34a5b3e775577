import json
from pathlib import Path

import pytest

from stepward.datasets.development import find_development_folder


@pytest.fixture(scope="session")
def development() -> Path:
    folder = find_development_folder()
    if folder is None:
        pytest.skip("no folder of development data: set STEPWARD_DATA")
    return folder


@pytest.fixture
def jsonl(tmp_path):
    """Writes rows as JSON lines and gives the path."""

    def write(*rows: object, name: str = "rows.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        return path

    return write
