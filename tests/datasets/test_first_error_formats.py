import json

import pytest

from stepward.datasets.big_bench_mistake import BigBenchMistake
from stepward.datasets.first_error_place import lay_out
from stepward.datasets.mr_ben import MrBen
from stepward.datasets.processbench import ProcessBench
from stepward.datasets.reading import Example, problems_of, read
from stepward.datasets.verify_then_generate import VerifyThenGenerate
from stepward.errors import ConflictError, DataError

PUPIL = {
    "problem": "Tom has 2 bags of 3 apples and eats 1.",
    "student_incorrect_solution": ["2 x 3 = 6 apples.", "6 + 1 = 7.", " 7"],
    "incorrect_index": 1,
    "incorrect_step": "6 + 1 = 7.",
    "error_category": "Misunderstanding of a question",
    "error_description": None,
}
BENCH = {"id": "gsm8k-0", "generator": "m", "problem": "q", "steps": ["a", "b"], "final_answer_correct": False}
SORTING = {"input": "b a", "steps": ["a first", "", "then b", "so"], "target": "a b", "answer": "a b"}
EXPERT = {
    "Question_UUID": "u",
    "Question": "Which?",
    "Options": "A: x\nB: y",
    "Ground_Truth_Answer": "B",
    "Sampled_Model": "m",
    "Model_Solution_Steps": ["Step 1: x.", "", "- because.", "Step 2: y.", "- so.", "Solution: A"],
    "Model_Solution_Correctness": "incorrect",
    "Model_Solution_First_Error_Step": "2",
    "Model_Solution_Error_Reason": ["y is false"],
}


def values(example: Example) -> list[float | None]:
    return [None if label is None else label.value for label in example.labeled.labels]


def document(tmp_path, *solutions: dict[str, object]):
    path = tmp_path / "subject.json"
    path.write_text(json.dumps({"u": list(solutions)}, indent=1))
    return path


def test_a_teachers_index_is_0_based(jsonl):
    (example,) = read(VerifyThenGenerate(), jsonl(PUPIL)).items
    assert values(example) == [1.0, 0.0, None]
    assert example.labeled.trace.meta["error_category"] == "Misunderstanding of a question"
    assert values(read(VerifyThenGenerate(after="zero"), jsonl(PUPIL)).items[0]) == [1.0, 0.0, 0.0]


def test_a_teachers_index_that_does_not_point_at_the_repeated_step_is_refused(jsonl):
    with pytest.raises(DataError, match=r"field 'incorrect_step': must repeat step 0"):
        read(VerifyThenGenerate(), jsonl(PUPIL | {"incorrect_index": 0}))
    with pytest.raises(DataError, match=r"field 'incorrect_index': .*from 0 to 2"):
        read(VerifyThenGenerate(), jsonl(PUPIL | {"incorrect_index": 3}))


def test_processbench_labels_are_0_based_and_minus_one_means_none(jsonl):
    reading = read(ProcessBench(), jsonl(BENCH | {"label": 1}, BENCH | {"id": "gsm8k-1", "label": -1}))
    assert [values(example) for example in reading.items] == [[1.0, 0.0], [1.0, 1.0]]
    verdict = reading.items[0].labeled.verdict
    assert verdict is not None
    assert verdict.correct is False


@pytest.mark.parametrize("label", [2, -2])
def test_a_processbench_label_outside_the_steps_is_refused(jsonl, label):
    with pytest.raises(DataError, match="line 1, field 'label'"):
        read(ProcessBench(), jsonl(BENCH | {"label": label}))


def test_one_processbench_id_with_two_contents_is_refused(jsonl):
    with pytest.raises(ConflictError, match=r"line 2.*line 1"):
        read(ProcessBench(), jsonl(BENCH | {"label": 1}, BENCH | {"label": 0}))


def test_a_null_mistake_means_that_no_step_is_wrong(jsonl):
    (example,) = read(BigBenchMistake(), jsonl(SORTING | {"mistake_index": None})).items
    assert values(example) == [1.0, 1.0, 1.0]


def test_a_mistake_after_a_blank_step_moves_with_its_step(jsonl):
    reading = read(BigBenchMistake(), jsonl(SORTING | {"mistake_index": 2}))
    assert reading.items[0].labeled.trace.step_texts[1] == "then b\n"
    assert values(reading.items[0]) == [1.0, 0.0, None]
    assert reading.report.notes == {"blank steps left out": 1}


def test_a_mistake_on_a_blank_step_is_dropped_and_counted(jsonl):
    reading = read(BigBenchMistake(), jsonl(SORTING | {"mistake_index": 1}))
    assert (len(reading.items), reading.report.dropped) == (0, {"the mistake is a blank step": 1})


def test_a_mistake_outside_the_steps_is_refused(jsonl):
    with pytest.raises(DataError, match="field 'mistake_index'"):
        read(BigBenchMistake(), jsonl(SORTING | {"mistake_index": 4}))


def test_steps_that_are_all_blank_are_refused(jsonl):
    with pytest.raises(DataError, match="field 'steps': all of 2 steps are blank"):
        read(BigBenchMistake(), jsonl(SORTING | {"mistake_index": None, "steps": ["", " "]}))


def test_the_answers_verdict_is_its_own_and_a_missing_answer_is_unparsable(jsonl):
    right = read(BigBenchMistake(), jsonl(SORTING | {"mistake_index": 0})).items[0].labeled.verdict
    none = read(BigBenchMistake(), jsonl(SORTING | {"mistake_index": 0, "answer": None})).items[0].labeled.verdict
    assert right is not None
    assert none is not None
    assert (right.outcome, none.outcome) == ("equal", "unparsable")


def test_an_experts_number_counts_step_headers_not_lines(tmp_path):
    (example,) = read(MrBen(), document(tmp_path, EXPERT)).items
    assert example.labeled.trace.step_texts == ("Step 1: x.\n- because.\n", "Step 2: y.\n- so.\nSolution: A")
    assert values(example) == [1.0, 0.0]
    assert example.problem.text == "Which?\nA: x\nB: y"
    assert example.problem.answer_kind == "choice"


def test_without_headers_every_line_is_a_step_counted_from_one():
    layout = lay_out(["x", "y"])
    assert (layout.steps, layout.placeable) == (("x", "y"), True)


def test_lines_before_the_first_header_belong_to_the_first_step():
    assert lay_out(["Let us see.", "Step 1: x", "Step 2: y"]).steps == ("Let us see.\nStep 1: x", "Step 2: y")


def test_an_error_number_that_cannot_be_placed_is_dropped_and_counted(tmp_path):
    odd = EXPERT | {"Model_Solution_Steps": ["Step 1: x", "Step 1: y", "Step 2: z"]}
    beyond = EXPERT | {"Model_Solution_First_Error_Step": "3"}
    reading = read(MrBen(), document(tmp_path, odd, beyond, EXPERT))
    assert len(reading.items) == 1
    assert sorted(reading.report.dropped.values()) == [1, 1]


def test_a_right_solution_is_good_throughout(tmp_path):
    right = {"Model_Solution_Correctness": "correct", "Model_Solution_First_Error_Step": "N/A"}
    (example,) = read(MrBen(), document(tmp_path, EXPERT | right)).items
    assert values(example) == [1.0, 1.0]


@pytest.mark.parametrize("number", ["N/A", "0", "two"])
def test_an_incorrect_solution_without_an_error_number_is_refused(tmp_path, number):
    with pytest.raises(DataError, match=r"line 2, field 'u\[0\].Model_Solution_First_Error_Step'"):
        read(MrBen(), document(tmp_path, EXPERT | {"Model_Solution_First_Error_Step": number}))


def test_a_question_spelled_two_ways_is_one_problem_and_counted(tmp_path):
    reading = read(MrBen(), document(tmp_path, EXPERT, EXPERT | {"Options": "A: nan\nB: y"}))
    assert len(problems_of(reading.items)) == 1
    assert reading.report.notes["solutions whose question reads otherwise than its first"] == 1
