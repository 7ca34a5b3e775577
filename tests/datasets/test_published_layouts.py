"""Layouts that the published benchmark files have beside the plain one, on rows made up by hand."""

import json
from pathlib import Path

import pytest

from stepward.datasets.agent_process_bench import AgentProcessBench
from stepward.datasets.mr_ben import MrBen
from stepward.datasets.mr_gsm8k import MrGsm8k
from stepward.datasets.parc import Parc
from stepward.datasets.prmbench import PrmBench
from stepward.datasets.reading import Example, read
from stepward.datasets.verify_then_generate import VerifyThenGenerate
from stepward.datasets.who_and_when import WhoAndWhen
from stepward.errors import ConfigError, ConflictError, DataError

SPOKEN = [
    {"role": "human", "content": "Find it."},
    {"role": "Orchestrator (thought)", "content": "Plan."},
    {"role": "Orchestrator (-> WebSurfer)", "content": "Search."},
    {"role": "WebSurfer", "content": "Found."},
]
HAND_CRAFTED = {
    "question_ID": "h1",
    "question": "Where?",
    "history": SPOKEN,
    "is_corrected": False,
    "mistake_agent": "Orchestrator",
    "mistake_step": "2",
    "mistake_type": "Processing Error",
    "level": 1,
}
SOLVED_TWICE = {
    "classification": "multi_solutions",
    "idx": "t1",
    "original_question": "q",
    "modified_question": "q",
    "original_process": ["a"],
    "modified_process": ["b", "c"],
    "error_steps": [],
    "ground_truth": "29",
    "original_response": "b c",
}
PROGRAM = "def f(x):\n    y = x\n\n    y = x\n    return y"
CODED = {
    "Question_UUID": "u",
    "Subject": "coding",
    "Question": "Write f.",
    "Ground_Truth_Answer": "",
    "Model_Solution_Steps": PROGRAM,
    "Model_Solution_Correctness": "incorrect",
    "Model_Solution_First_Error_Step": "return y",
}
MARKED = {
    "uuid": "u1",
    "question": "2+2?",
    "model_output_steps": ["Step 2: a", "Step 1: b"],
    "model_output_solution_correctness": "wrong",
    "model_output_solution_first_error_step": 2,
}
PUPIL = {
    "problem": "2 bags of 3 apples?",
    "student_incorrect_solution": ["2 x 3 = 5.", " 5"],
    "incorrect_index": 0,
    "student_correct_response": "2 bags.\n\n2 x 3 = 6.",
}
NINES = "9" * 5000


def values(example: Example) -> list[float | None]:
    return [None if label is None else label.value for label in example.labeled.labels]


def subject(tmp_path: Path, *rows: dict[str, object]) -> Path:
    path = tmp_path / "coding.json"
    path.write_text(json.dumps({"u": list(rows)}))
    return path


def test_a_hand_crafted_log_names_its_writer_without_what_he_did(jsonl):
    reading = read(WhoAndWhen(), jsonl(HAND_CRAFTED))
    (example,) = reading.items
    trace = example.labeled.trace
    assert list(trace.meta["agents"]) == ["human", "Orchestrator", "Orchestrator", "WebSurfer"]
    assert trace.step_texts[2].startswith("Orchestrator (-> WebSurfer): Search.")
    assert not reading.report.notes and example.labeled.first_error == 2
    assert example.labeled.verdict is not None and not example.labeled.verdict.correct


def test_several_solutions_of_one_question_are_refused_or_the_first_is_taken(jsonl):
    path = jsonl(SOLVED_TWICE, SOLVED_TWICE | {"modified_process": ["d"]}, SOLVED_TWICE)
    with pytest.raises(ConflictError, match="with other content"):
        read(PrmBench(), path)
    reading = read(PrmBench(repeated="first"), path)
    assert [values(example) for example in reading.items] == [[1.0, 1.0]]
    assert reading.report.dropped == {"classification+idx stood before with other content": 1}
    assert (reading.report.rows, reading.report.duplicates) == (3, 1)
    with pytest.raises(ConfigError, match="repeated must be"):
        PrmBench(repeated="last")  # type: ignore[arg-type]


def test_a_programs_lines_are_its_steps_and_the_error_is_named_by_its_line(tmp_path):
    right = CODED | {"Model_Solution_Correctness": "correct", "Model_Solution_First_Error_Step": "N/A"}
    wrong, good = read(MrBen(), subject(tmp_path, CODED, right)).items
    assert values(wrong) == [1.0, 1.0, 1.0, 0.0] and values(good) == [1.0] * 4
    assert wrong.labeled.trace.step_texts[1] == "    y = x\n" and wrong.problem.answer is None


@pytest.mark.parametrize("line", ["", "    ", "    y = x", "z = 1"])
def test_a_line_that_is_blank_or_not_there_once_is_no_place(tmp_path, line):
    path = subject(tmp_path, CODED | {"Model_Solution_First_Error_Step": line}, CODED)
    dropped = read(MrBen(), path)
    assert len(dropped.items) == 1 and sum(dropped.report.dropped.values()) == 1
    kept = read(MrBen(unplaced="keep"), path)
    assert values(kept.items[0]) == [None] * 4 and kept.items[0].labeled.trace.meta["unplaced"]
    assert not kept.report.dropped and any("kept without labels" in note for note in kept.report.notes)
    assert "unplaced" not in kept.items[1].labeled.trace.meta


def test_a_number_beyond_the_last_step_or_headers_out_of_order_are_kept_on_request(tmp_path, jsonl):
    beyond = CODED | {"Model_Solution_Steps": ["Step 1: a"], "Model_Solution_First_Error_Step": "4"}
    (kept,) = read(MrBen(unplaced="keep"), subject(tmp_path, beyond)).items
    assert kept.labeled.trace.meta["unplaced"] == "error number is beyond the last step"
    (mixed,) = read(MrGsm8k(unplaced="keep"), jsonl(MARKED)).items
    assert values(mixed) == [None, None] and "headers out of order" in str(mixed.labeled.trace.meta["unplaced"])
    for reader in (MrBen, MrGsm8k):
        with pytest.raises(ConfigError, match="unplaced must be"):
            reader(unplaced="guess")


def test_a_pupils_corrected_solution_follows_on_request(jsonl):
    assert len(read(VerifyThenGenerate(), jsonl(PUPIL)).items) == 1
    wrong, corrected = read(VerifyThenGenerate(corrected=True), jsonl(PUPIL)).items
    assert values(wrong) == [0.0, None] and values(corrected) == [1.0, 1.0]
    assert corrected.labeled.trace.step_texts == ("2 bags.\n", "2 x 3 = 6.")
    assert corrected.problem == wrong.problem
    assert {label.source for label in corrected.labeled.labels if label} == {"outcome"}
    alone = read(VerifyThenGenerate(corrected=True), jsonl(PUPIL | {"student_correct_response": None}))
    assert len(alone.items) == 1 and alone.report.notes == {"rows without a corrected solution": 1}
    with pytest.raises(DataError, match="field 'student_correct_response'"):
        read(VerifyThenGenerate(corrected=True), jsonl(PUPIL | {"student_correct_response": " "}))


def test_digits_without_end_are_refused_like_any_other_text(tmp_path, jsonl):
    with pytest.raises(DataError, match="field 'mistake_step'"):
        read(WhoAndWhen(), jsonl(HAND_CRAFTED | {"mistake_step": NINES}))
    with pytest.raises(DataError, match="must be a number from 1"):
        read(MrGsm8k(), jsonl(MARKED | {"model_output_solution_first_error_step": NINES}))
    listed = CODED | {"Model_Solution_Steps": ["a"], "Model_Solution_First_Error_Step": NINES}
    with pytest.raises(DataError, match="must be a number from 1"):
        read(MrBen(), subject(tmp_path, listed))


def test_ratings_beyond_the_messages_are_refused_whatever_the_others_are(jsonl):
    run = {
        "data_source": "qa",
        "query_index": 0,
        "sample_index": 0,
        "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "Paris"}],
    }
    for labels in ({"0": 1, "7": 1}, {NINES: 1}, {"-1": 1}):
        with pytest.raises(DataError, match=r"field 'step_labels\."):
            read(AgentProcessBench(), jsonl(run | {"step_labels": labels}))


@pytest.mark.parametrize("premise", [[], "1", [None, "a"], [True]])
def test_a_premise_that_names_no_step_is_refused(jsonl, premise):
    row = {
        "question": "q",
        "steps": ["a"],
        "error_annotation": {
            "error_annotations": {"step_level": [{"step_number": 1, "has_error": False, "errors": []}]}
        },
        "premise_annotation": {
            "steps": [{"step_number": 0, "premises": []}, {"step_number": 1, "premises": [[0, "q"], premise]}]
        },
    }
    with pytest.raises(DataError, match=r"premises': must hold lists that begin with a step number"):
        read(Parc(), jsonl(row))
