import pytest

from stepward.datasets.best_of_n import BestOfN, pools
from stepward.datasets.gsm8k import MODELS, Gsm8k, Gsm8kModelSolutions
from stepward.datasets.problems import Problems, shortest
from stepward.datasets.reading import read
from stepward.errors import ConfigError, DataError

GOLD = {"question": "q", "answer": "48/2 = <<48/2=24>>24 clips.\n\n48+24 = 72.\n#### 1,072"}


def candidate(**change: object) -> dict[str, object]:
    row = {
        "candidate_index": 0,
        "response": "raw",
        "steps": ["a", "b"],
        "extracted_answer": "5",
        "is_correct": True,
        "num_tokens": 9,
        "prompt_in_first_step": False,
        "scores": {"math_shepherd": [0.5, 1.0], "qwen_prm": [0.1, 0.2]},
    }
    return row | change


def pool(name: str, *candidates: dict[str, object]) -> dict[str, object]:
    return {"problem_id": name, "question": f"q {name}", "ground_truth": "5", "candidates": list(candidates)}


def test_a_candidate_carries_outcome_answer_and_the_scores_of_each_scorer(jsonl):
    (example,) = read(BestOfN(), jsonl(pool("p", candidate()))).items
    assert example.scores["qwen_prm"].values == (0.1, 0.2)
    assert example.scores["math_shepherd"].target == "value"
    assert example.labeled.verdict is not None
    assert example.labeled.verdict.correct is True
    assert (example.labeled.trace.answer, example.labeled.target) == ("5", None)


def test_candidates_are_gathered_by_problem_in_order(jsonl):
    path = jsonl(pool("p", candidate(), candidate(is_correct=False, prompt_in_first_step=True)), pool("r", candidate()))
    reading = read(BestOfN(), path)
    assert [(group.problem.id, len(group.examples)) for group in pools(reading.items)] == [("p", 2), ("r", 1)]
    assert reading.report.notes == {"candidates scored with the prompt in their first step": 1}


def test_scores_that_do_not_fit_the_steps_are_refused_never_cut(jsonl):
    bad = candidate(scores={"qwen_prm": [0.1, 0.2, 0.3]})
    with pytest.raises(DataError, match=r"field 'candidates\[1\].scores.qwen_prm': .*2 steps.*got 3"):
        read(BestOfN(), jsonl(pool("p", candidate(), bad)))


def test_a_score_that_is_no_probability_is_refused(jsonl):
    with pytest.raises(DataError, match=r"scores.qwen_prm': score of step 0 .*no probability"):
        read(BestOfN(), jsonl(pool("p", candidate(scores={"qwen_prm": [1.1, 0.2]}))))


def test_a_gold_solution_is_a_trace_of_its_lines(jsonl):
    reading = read(Gsm8k(), jsonl(GOLD))
    (example,) = reading.items
    assert example.labeled.trace.step_texts == ("48/2 = <<48/2=24>>24 clips.\n", "48+24 = 72.\n", "#### 1,072")
    assert [step.kind for step in example.labeled.trace.steps] == ["thought", "thought", "answer"]
    assert (example.problem.answer, example.labeled.trace.answer) == ("1072", "1072")
    assert reading.report.notes == {"blank steps left out": 1}


def test_calculator_annotations_are_taken_out_where_asked(jsonl):
    (example,) = read(Gsm8k(calculator="strip"), jsonl(GOLD)).items
    assert example.labeled.trace.step_texts[0] == "48/2 = 24 clips.\n"
    with pytest.raises(ConfigError):
        Gsm8k(calculator="run")  # type: ignore[arg-type]


def test_a_gold_solution_without_an_answer_line_is_refused(jsonl):
    with pytest.raises(DataError, match="line 1, field 'answer'"):
        read(Gsm8k(), jsonl({"question": "q", "answer": "72"}))


def test_four_models_solutions_carry_their_verdicts(jsonl):
    solutions = {name: {"solution": f"x\nA: {n}", "is_correct": n == 2} for n, name in enumerate(MODELS)}
    reading = read(Gsm8kModelSolutions(), jsonl({"question": "q", "ground_truth": "y\nA: 2", **solutions}))
    verdicts = [example.labeled.verdict for example in reading.items]
    assert [verdict and verdict.correct for verdict in verdicts] == [False, False, True, False]
    assert [example.labeled.trace.answer for example in reading.items] == ["0", "1", "2", "3"]
    assert reading.items[2].labeled.trace.origin.maker == "policy:gsm8k-175b_finetuning"
    assert {example.problem.answer for example in reading.items} == {"2"}


@pytest.mark.parametrize(
    ("form", "row", "text", "answer"),
    [
        (
            "svamp",
            {"ID": "c-1", "Body": "2 and 3", "Question": "Sum?", "Answer": 5.0, "Equation": ""},
            "2 and 3, Sum?",
            "5",
        ),
        ("mawps", {"idx": 1, "input": "2 and 3?", "target": 9.43}, "2 and 3?", "9.43"),
        ("multiarith", {"iIndex": 1, "sQuestion": " 2 and 3? ", "lSolutions": [5.0]}, "2 and 3?", "5"),
        ("addsub", {"iIndex": 1, "sQuestion": "2 and 3?", "lSolutions": ["5"]}, "2 and 3?", "5"),
        ("math_answers", {"problem": "2 and 3?", "final_answer": "\\frac{1}{2}"}, "2 and 3?", "\\frac{1}{2}"),
        ("aqua", {"question": "2?", "options": ["A)1", "B)5"], "correct": "B", "rationale": ""}, "2?\nA)1\nB)5", "B"),
    ],
)
def test_each_form_of_problem_is_read(jsonl, form, row, text, answer):
    (problem,) = read(Problems(form=form), jsonl(row)).items
    assert (problem.text, problem.answer) == (text, answer)
    assert (problem.answer_kind == "choice") == (form == "aqua")


def test_a_problem_without_an_answer_is_kept_and_counted(jsonl):
    reading = read(Problems(form="math_answers"), jsonl({"problem": "q", "final_answer": ""}))
    assert reading.items[0].answer is None
    assert reading.report.notes == {"problems without an answer": 1}


def test_bad_problems_are_refused(jsonl):
    with pytest.raises(ConfigError, match="use one of svamp"):
        Problems(form="svampp")
    with pytest.raises(DataError, match="field 'correct'"):
        read(Problems(form="aqua"), jsonl({"question": "q", "options": ["A)1"], "correct": "C"}))
    with pytest.raises(DataError, match="field 'lSolutions': must hold one"):
        read(Problems(form="addsub"), jsonl({"iIndex": 1, "sQuestion": "q", "lSolutions": ["1", "2"]}))


@pytest.mark.parametrize(("number", "text"), [(43.0, "43"), (-2.0, "-2"), (9.43, "9.43"), (1e15, "1000000000000000")])
def test_numbers_are_written_as_people_write_them(number, text):
    assert shortest(number) == text
