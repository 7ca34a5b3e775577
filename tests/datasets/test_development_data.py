from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from stepward.datasets.best_of_n import BestOfN, pools
from stepward.datasets.big_bench_mistake import BigBenchMistake
from stepward.datasets.contamination import overlaps
from stepward.datasets.development import development_folder, find_development_folder
from stepward.datasets.gsm8k import Gsm8k, Gsm8kModelSolutions
from stepward.datasets.math_shepherd import MathShepherd
from stepward.datasets.mr_ben import MrBen
from stepward.datasets.parc import Parc
from stepward.datasets.prm800k import Prm800k
from stepward.datasets.prm800k_eval import Prm800kEval
from stepward.datasets.prm800k_raw import Prm800kRaw
from stepward.datasets.prmbench import PrmBench
from stepward.datasets.problems import Problems
from stepward.datasets.reading import Example, Reading, Tally, problems_of, read
from stepward.datasets.repeats import one_per_trace
from stepward.datasets.verify_then_generate import VerifyThenGenerate
from stepward.errors import DataError


def counts(reading: Reading[Example]) -> tuple[int, int, int, int, int]:
    """Rows, records, and labels that are good, not good and absent."""
    values = Counter(
        None if label is None else label.value for example in reading.items for label in example.labeled.labels
    )
    return (reading.report.rows, len(reading.items), values[1.0], values[0.0], values[None])


def first_errors(examples: tuple[Example, ...], count: int) -> list[int | None]:
    return [example.labeled.first_error for example in examples[:count]]


def test_the_folder_is_named_by_the_environment_and_a_wrong_name_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("STEPWARD_DATA", str(tmp_path))
    assert development_folder() == tmp_path
    monkeypatch.setenv("STEPWARD_DATA", str(tmp_path / "missing"))
    with pytest.raises(DataError, match="STEPWARD_DATA names no folder"):
        find_development_folder()


def test_without_a_folder_the_error_says_what_to_set(monkeypatch, tmp_path):
    monkeypatch.delenv("STEPWARD_DATA", raising=False)
    monkeypatch.setattr("stepward.datasets.development.__file__", str(tmp_path / "a" / "b" / "c" / "d.py"))
    monkeypatch.chdir(tmp_path)
    assert find_development_folder() is None
    with pytest.raises(DataError, match="set STEPWARD_DATA"):
        development_folder()


def test_prm800k_flat(development: Path):
    reading = read(Prm800k(neutral=0.5), development / "prm800k" / "train.jsonl")
    assert counts(reading) == (1424, 1424, 6438, 1233, 0)
    dev = read(Prm800k(), development / "prm800k" / "dev.jsonl")
    assert counts(dev) == (310, 310, 1619 + 138, 265, 0)
    assert not set(problems_of(reading.items)) & set(problems_of(dev.items))
    ends = [example.labeled.first_error for example in dev.items if example.labeled.trace.meta["ratings"][-1] == -1]
    assert len(ends) == 265


def test_prm800k_solutions_that_several_people_rated(development: Path):
    merged = one_per_trace(read(Prm800k(neutral=0.5), development / "prm800k" / "train.jsonl").items)
    assert (len(merged.examples), merged.merged, merged.disputed) == (954, 470, 11)


def test_prm800k_original_schema(development: Path):
    path = development / "prm800k" / "raw_schema" / "samples_prm800k.jsonl"
    reading = read(Prm800kRaw(), path)
    assert (reading.report.rows, len(reading.items), reading.report.dropped) == (6, 5, {"give_up": 1})
    assert first_errors(reading.items, 5) == [None, 6, None, None, None]
    assert len(read(Prm800kRaw(take="alternatives"), path).items) == 27
    evaluation = read(Prm800kEval(), development / "prm800k" / "raw_schema" / "prm800k_phase2_eval_small.json")
    assert (evaluation.report.rows, len(evaluation.items)) == (11, 44)


def test_verify_then_generate(development: Path):
    reading = read(VerifyThenGenerate(), development / "verify_then_generate" / "dataset.json")
    assert counts(reading) == (885, 885, 1557, 885, 2776)
    assert first_errors(reading.items, 2) == [0, 1]
    merged = one_per_trace(reading.items)
    assert (len(merged.examples), merged.disputed) == (587, 96)


def test_mr_ben(development: Path):
    reading = read(MrBen(), *sorted((development / "mr_ben").glob("*.json")))
    assert (reading.report.rows, len(reading.items)) == (3411, 3400)
    assert sum(reading.report.dropped.values()) == 11
    assert len(problems_of(reading.items)) == 345 + 284 + 287 + 223
    by_line = next(
        example
        for example in reading.items
        if "Step 4: Analyzing Choice_D: Mitochondria, chloroplasts" in example.labeled.trace.text
        and example.labeled.first_error == 3
    )
    assert by_line.labeled.trace.step_texts[3].startswith("Step 4: Analyzing Choice_D")


def test_prmbench_training_errors(development: Path):
    circular = development / "prmbench_train" / "prm800k_train_p1_first400_4o_circular.jsonl"
    reading = read(PrmBench(), circular)
    assert (reading.report.rows, len(reading.items)) == (401, 398)
    wrong = [
        index for index, label in enumerate(reading.items[0].labeled.labels) if label is not None and not label.good
    ]
    assert wrong == [1, 2, 3]


def test_parc(development: Path):
    reading = read(Parc(), *sorted((development / "parc").glob("*.json")))
    assert counts(reading) == (664, 664, 3289, 603, 0)
    first = read(Parc(), development / "parc" / "gsm8k_negatives.json").items[0]
    assert [label and label.note for label in first.labeled.labels] == [
        "",
        "Logical_Inconsistency",
        "Accumulation_Error",
    ]
    assert [label and label.value for label in first.labeled.labels] == [1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("task", "rows", "wrong"),
    [("word_sorting", 300, 266), ("logical_deduction", 300, 294), ("dyck_languages", 986, 650)],
)
def test_big_bench_mistake(development: Path, task, rows, wrong):
    reading = read(BigBenchMistake(domain=task), development / "big_bench_mistake" / f"{task}.jsonl")
    errors = first_errors(reading.items, rows)
    assert (len(reading.items), sum(error is not None for error in errors)) == (rows, wrong)
    if task == "word_sorting":
        assert errors[0] == 1


def test_math_shepherd_samples(development: Path):
    reading = read(MathShepherd(), development / "monte_carlo" / "samples_math-shepherd.jsonl")
    assert counts(reading) == (7, 7, 5, 20, 0)
    assert [label and label.value for label in reading.items[0].labeled.labels] == [1.0, 1.0, 1.0, 1.0, 0.0]


def test_the_first_pools_of_best_of_32_and_that_they_are_gsm8k_test_problems(development: Path):
    path = development / "best_of_32" / "gsm8k_351x32.jsonl.gz"
    found = pools(islice(BestOfN().stream(path, Tally()), 5 * 32))
    assert [len(pool.examples) for pool in found] == [32] * 5
    assert all(len(example.scores) == 7 for pool in found for example in pool.examples)
    test = read(Gsm8k(), development / "problems" / "gsm8k_test.jsonl")
    shared = overlaps([pool.problem for pool in found], problems_of(test.items).values())
    assert {overlap.problem_id for overlap in shared} == {pool.problem.id for pool in found}


@pytest.mark.slow
def test_every_score_of_best_of_32_fits_its_step(development: Path):
    reading = read(BestOfN(), development / "best_of_32" / "gsm8k_351x32.jsonl.gz")
    assert (reading.report.rows, len(reading.items)) == (351, 11_232)
    assert sum(example.labeled.verdict.correct is True for example in reading.items if example.labeled.verdict) == 9457
    assert reading.report.notes == {"candidates scored with the prompt in their first step": 3189}


@pytest.mark.slow
def test_every_class_of_prmbench_training_errors(development: Path):
    reading = read(PrmBench(), *sorted((development / "prmbench_train").glob("*.jsonl")))
    assert counts(reading)[:2] == (3203, 3145)
    assert reading.report.dropped["an error step lies outside the solution"] == 57


@pytest.mark.slow
def test_gsm8k_training_problems_and_model_solutions(development: Path):
    assert len(read(Gsm8k(), development / "problems" / "gsm8k_train.jsonl").items) == 7473
    solutions = read(Gsm8kModelSolutions(), development / "problems" / "gsm8k_example_model_solutions.jsonl")
    assert len(solutions.items) == 4 * 1319
    right = sum(example.labeled.verdict.correct is True for example in solutions.items if example.labeled.verdict)
    assert right == 286 + 515 + 458 + 742


@pytest.mark.parametrize(
    ("form", "name", "rows", "answer"),
    [
        ("svamp", "svamp_test.jsonl", 1000, "145"),
        ("mawps", "mawps_test.jsonl", 2065, "43"),
        ("multiarith", "MultiArith.json", 600, "39"),
        ("addsub", "AddSub.json", 395, "43"),
        ("math_answers", "math_train_7500_answers.json", 7500, "\\frac{1}{4}"),
        ("aqua", "aqua_dev.json", 254, "A"),
    ],
)
def test_problems(development: Path, form, name, rows, answer):
    reading = read(Problems(form=form), development / "problems" / name)
    assert len(reading.items) == rows
    assert reading.items[0].answer == answer
