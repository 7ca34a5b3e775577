"""Multiple-choice problems say among how many options one chooses: chance correction needs it."""

import json

from stepward.datasets.mr_ben import MrBen
from stepward.datasets.problems import Problems
from stepward.datasets.reading import read


def solution(**change):
    return {
        "Question_UUID": "q1",
        "Question": "Which?",
        "Options": "A: one \nB: two \nC: so: three \nD: four ",
        "Model_Solution_Steps": ["Step 1: it is B."],
        "Model_Solution_Correctness": "correct",
        "Model_Solution_First_Error_Step": "N/A",
    } | change


def problems_of_mr_ben(tmp_path, row):
    path = tmp_path / "subject.json"
    path.write_text(json.dumps({"q1": [row]}), encoding="utf-8")
    return [example.problem for example in read(MrBen(), path).items]


def test_mr_ben_lists_its_options(tmp_path):
    (problem,) = problems_of_mr_ben(tmp_path, solution())
    assert problem.meta["options"] == ["A: one", "B: two", "C: so: three", "D: four"]
    assert problem.answer_kind == "choice"


def test_mr_ben_without_options_lists_none(tmp_path):
    (problem,) = problems_of_mr_ben(tmp_path, solution(Options=""))
    assert "options" not in problem.meta and problem.answer_kind == "exact"


def test_aqua_lists_its_options(jsonl):
    row = {"question": "2+2?", "options": ["A)3", "B)4", "C)5"], "correct": "B", "rationale": ""}
    (problem,) = read(Problems(form="aqua"), jsonl(row)).items
    assert problem.meta["options"] == ["A)3", "B)4", "C)5"]
