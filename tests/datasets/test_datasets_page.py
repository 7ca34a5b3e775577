import importlib
import json
import pkgutil
import re
from pathlib import Path

import stepward.datasets
from stepward.datasets.native import NativeExamples
from stepward.datasets.reading import read

PAGE = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")


def modules() -> dict[str, object]:
    return {
        info.name: importlib.import_module(f"stepward.datasets.{info.name}")
        for info in pkgutil.iter_modules(stepward.datasets.__path__)
    }


def test_every_reader_on_the_page_is_built_as_the_page_says():
    calls = re.findall(r"^\|[^|]*\| `([a-z_0-9]+\.[A-Z]\w*\([^`]*\))`", PAGE, flags=re.MULTILINE)
    readers = [eval(call, dict(modules())) for call in calls]
    assert all(hasattr(reader, "stream") for reader in readers)
    assert len(readers) == 32


def test_every_reader_stands_on_the_page():
    for name, module in modules().items():
        for kind in vars(module).values():
            if isinstance(kind, type) and kind.__module__ == module.__name__ and hasattr(kind, "stream"):  # type: ignore[attr-defined]
                assert kind.__name__ == "Reader" or f"`{name}.{kind.__name__}(" in PAGE


def test_every_name_on_the_page_exists():
    for name, attribute in re.findall(r"`([a-z_0-9]+)\.([a-z_]\w+)[`(]", PAGE):
        if name != "reader":
            assert hasattr(modules()[name], attribute), f"{name}.{attribute}"


def test_the_rows_on_the_page_are_read(tmp_path):
    (block,) = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    path = tmp_path / "rows.jsonl"
    path.write_text(block, encoding="utf-8")
    assert len(read(NativeExamples(), path).items) == len([json.loads(line) for line in block.splitlines()]) == 3
