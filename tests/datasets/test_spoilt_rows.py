"""Every benchmark reader on spoilt files: each row is given, counted, or refused with file and line."""

import copy
import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from stepward.datasets.agent_process_bench import AgentProcessBench
from stepward.datasets.big_bench_mistake import BigBenchMistake
from stepward.datasets.mr_ben import MrBen
from stepward.datasets.mr_gsm8k import MrGsm8k
from stepward.datasets.parc import Parc
from stepward.datasets.prm800k import Prm800k
from stepward.datasets.prmbench import PrmBench
from stepward.datasets.processbench import ProcessBench
from stepward.datasets.reading import Example, Reader, read
from stepward.datasets.verify_then_generate import VerifyThenGenerate
from stepward.datasets.who_and_when import WhoAndWhen
from stepward.errors import ConflictError, DataError

JUNK = (
    None, True, -1, 0, 1, 7, 10**30, 1.5, "", " ", "x", "9" * 5000, "\x00", "\U0001f600", [], {}, [None], [[]], [{}],
    ["a", ""], {"0": None},
)  # fmt: skip
READERS: dict[str, tuple[Reader[Example], dict[str, object]]] = {
    "processbench": (ProcessBench(), {"id": "math-1", "problem": "q", "steps": ["a", "b"], "label": 1}),
    "prmbench": (
        PrmBench(outside="ignore"),
        {"idx": "1", "classification": "circular", "modified_question": "q", "modified_process": ["a", "b"],
         "error_steps": [2]},
    ),
    "prm800k": (Prm800k(), {"id": "1", "problem": "q", "steps": ["a", "b"], "ratings": [1, -1]}),
    "mr_gsm8k": (
        MrGsm8k(),
        {"uuid": "u", "question": "q", "model_output_steps": ["a", "b"], "model_output_solution_correctness": "wrong",
         "model_output_solution_first_error_step": 2},
    ),
    "mr_ben": (
        MrBen(unplaced="keep"),
        {"u": [{"Question_UUID": "u", "Question": "q", "Model_Solution_Steps": ["a", "b"],
                "Model_Solution_Correctness": "incorrect", "Model_Solution_First_Error_Step": "2"}]},
    ),
    "big_bench_mistake": (
        BigBenchMistake(),
        {"input": "q", "steps": ["a", "b"], "target": "t", "answer": "t", "mistake_index": 1},
    ),
    "verify_then_generate": (
        VerifyThenGenerate(),
        {"problem": "q", "student_incorrect_solution": ["a", "b"], "incorrect_index": 1},
    ),
    "parc": (
        Parc(),
        {"question": "q", "steps": ["a"], "error_annotation": {"error_annotations": {"step_level": [
            {"step_number": 1, "has_error": True, "errors": [{"error_type": "Logic"}]}]}}},
    ),
    "agent_process_bench": (
        AgentProcessBench(),
        {"data_source": "s", "query_index": 0, "sample_index": 0, "step_labels": {"1": -1},
         "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "a"}]},
    ),
    "who_and_when": (
        WhoAndWhen(),
        {"question_ID": "i", "question": "q", "history": [{"name": "A", "content": "a"}], "mistake_agent": "A",
         "mistake_step": 0},
    ),
}  # fmt: skip


def places(value: object, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Ways to every value inside `value`."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield (*way, key)
        yield from places(each, (*way, key))


def spoilt(row: dict[str, object]) -> Iterator[bytes]:
    """The row with some junk at one place, with a place taken out, cut off, and with one byte changed."""
    rng, whole = random.Random(0), json.dumps(row).encode()
    for way in places(row):
        for junk in (..., *rng.sample(JUNK, 6)):
            other = copy.deepcopy(row)
            *before, last = way
            inner: object = other
            for key in before:
                inner = inner[key]  # type: ignore[index]
            if junk is ...:
                del inner[last]  # type: ignore[attr-defined]
            else:
                inner[last] = junk  # type: ignore[index]
            yield json.dumps(other).encode()
    for _ in range(8):
        at = rng.randrange(1, len(whole))
        yield whole[:at]
        yield whole[:at] + bytes([rng.randrange(256)]) + whole[at + 1 :]


@pytest.mark.parametrize("name", READERS)
def test_a_spoilt_row_is_given_or_counted_or_refused_with_its_file_and_line(name: str, tmp_path: Path) -> None:
    reader, row = READERS[name]
    path = tmp_path / "spoilt.json"
    given = refused = 0
    for content in spoilt(row):
        path.write_bytes(content)
        try:
            report = read(reader, path).report
        except (DataError, ConflictError) as error:
            assert "spoilt.json" in str(error) and ("line " in str(error) or "holds no rows" in str(error))
            refused += 1
        else:
            assert report.rows == report.items + sum(report.dropped.values()) + report.duplicates
            given += 1
    assert given and refused > 30


@pytest.mark.parametrize("name", READERS)
def test_bytes_around_a_row_change_nothing(name: str, tmp_path: Path) -> None:
    reader, row = READERS[name]
    plain = tmp_path / "plain.json"
    plain.write_text(json.dumps(row, indent=1) if name in ("mr_ben", "who_and_when") else json.dumps(row))
    expected, content = read(reader, plain), plain.read_bytes()
    windows = content.replace(b"\n", b"\r\n") + b"\r\n\r\n"
    for other in (b"\xef\xbb\xbf" + content, windows, b"\n \n" + content, gzip.compress(content)):
        path = tmp_path / "other.json"
        path.write_bytes(other)
        assert read(reader, path).items == expected.items
