"""A benchmark as a stage: rows are read, scored, and marked by the protocol; none is left out."""

import json
from pathlib import Path

import pytest

from stepward.codec import from_json
from stepward.errors import ConfigError, DataError
from stepward.evaluation.benchmarks.result import BenchmarkResult
from stepward.pipeline.benchmark_tables import benchmark_section
from stepward.pipeline.runner import Recipe, run_recipe
from stepward.reports.tables import as_data, markdown
from stepward.types import Json


def bench_rows(start: int = 0, count: int = 12, low: float = 0.2) -> list[dict[str, object]]:
    """ProcessBench rows: every third is clean, the error of the others scores `low`."""
    rows: list[dict[str, object]] = []
    for i in range(start, start + count):
        label = -1 if i % 3 == 0 else i % 3 - 1
        told = [low if step == label else 0.7 for step in range(3)]
        row = {"id": f"gsm8k-{i}", "problem": f"problem {i}", "steps": ["a", "b", "c"], "label": label}
        rows.append(row | {"told": told})
    return rows


def write(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def recipe(path: str, scores: dict[str, Json] | None = None, **stages: Json) -> Recipe:
    read: Json = {"use": "read", "format": {"use": "processbench", "extra": "keep"}, "paths": [path]}
    every: dict[str, Json] = {
        "rows": read,
        "scores": {"use": "told_scores:TellScores", "source": "rows", **(scores or {})},
    }
    return Recipe.of({"name": "b", "seed": 3, "stages": every | stages})


def marked(**choices: Json) -> dict[str, Json]:
    return {"use": "benchmark", "benchmark": "processbench", "source": "rows", "scores": "scores", **choices}


def found(run: Path) -> BenchmarkResult:
    return from_json(BenchmarkResult, json.loads((run / "marked" / "result.json").read_text()))


def test_a_result_and_the_calls_behind_it_are_kept(tmp_path: Path) -> None:
    rows = bench_rows()
    results = run_recipe(recipe(write(tmp_path / "rows.jsonl", rows), marked=marked()), tmp_path / "run")
    result = found(tmp_path / "run")
    assert result.find("gsm8k", "F1").value == 1.0 and result.seed == 3
    calls = json.loads((tmp_path / "run" / "marked" / "calls.json").read_text())
    assert list(calls.values()) == [row["label"] for row in rows]
    told = results["marked"]
    assert isinstance(told, dict) and told["comparable"] is False
    assert "not comparable" in str(told["headline"])


def test_the_tables_hold_every_group_and_the_section_says_what_does_not_compare(tmp_path: Path) -> None:
    run_recipe(recipe(write(tmp_path / "rows.jsonl", bench_rows()), marked=marked()), tmp_path / "run")
    section = benchmark_section(found(tmp_path / "run"))
    assert "split math is missing" in section.note and "threshold 0.5, fixed beforehand" in section.note
    first, last = section.blocks[0], section.blocks[-1]
    assert "gsm8k" in markdown(first) and "mean of four splits" in markdown(last)  # type: ignore[arg-type]
    assert as_data(first)  # type: ignore[arg-type]


def test_a_threshold_chosen_on_named_rows_is_told_and_their_problems_are_refused(tmp_path: Path) -> None:
    test = write(tmp_path / "rows.jsonl", bench_rows(low=0.6))
    dev = write(tmp_path / "dev.jsonl", bench_rows(start=100, low=0.6))
    stages: dict[str, Json] = {
        "dev": {"use": "read", "format": {"use": "processbench", "extra": "keep"}, "paths": [dev]},
        "dev_scores": {"use": "told_scores:TellScores", "source": "dev"},
    }
    chosen = marked(development="dev", development_scores="dev_scores", development_name="rows 100 to 111")
    run_recipe(recipe(test, **stages, marked=chosen), tmp_path / "run")
    result = found(tmp_path / "run")
    assert result.threshold is not None and result.threshold.chosen_on == "rows 100 to 111"
    assert 0.6 < result.threshold.tau <= 0.7
    assert result.find("gsm8k", "F1").value == 1.0
    itself = marked(development="rows", development_scores="scores", development_name="itself")
    with pytest.raises(DataError, match="chosen on 12 problems of the benchmark itself"):
        run_recipe(recipe(test, marked=itself), tmp_path / "again")


def test_a_row_that_was_not_judged_stops_the_run(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", bench_rows())
    with pytest.raises(DataError, match="stage 'scores' judged 10 of 12 rows"):
        run_recipe(recipe(path, {"skip": 2}, marked=marked()), tmp_path / "run")


def test_verdicts_on_reasons_complete_the_mr_score(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {
            "uuid": str(i),
            "question": f"q{i}",
            "model_output_steps": ["a", "b"],
            "model_output_solution_correctness": "wrong" if i % 2 else "correct",
            "model_output_solution_first_error_step": 1 + i % 4 // 2 if i % 2 else "N/A",
            "told": [0.1 if i % 4 == 1 else 0.9, 0.1 if i % 2 else 0.9],
        }
        for i in range(8)
    ]
    path = write(tmp_path / "rows.jsonl", rows)
    stages = recipe(path).stages
    assert list(stages) == ["rows", "scores"]
    mapping: dict[str, Json] = {
        "rows": {"use": "read", "format": {"use": "mr_gsm8k", "extra": "keep"}, "paths": [path]},
        "scores": {"use": "told_scores:TellScores", "source": "rows"},
        "marked": marked(benchmark="mr_gsm8k"),
    }
    run_recipe(Recipe.of({"name": "b", "seed": 0, "stages": mapping}), tmp_path / "open")
    assert found(tmp_path / "open").main.value is None
    calls = json.loads((tmp_path / "open" / "marked" / "calls.json").read_text())
    named = [key for key, call in calls.items() if call != -1]
    verdicts = [{"trace": key, "right": at % 2 == 0} for at, key in enumerate(named)]
    mapping["marked"] = marked(benchmark="mr_gsm8k", reasons=write(tmp_path / "reasons.jsonl", verdicts))
    run_recipe(Recipe.of({"name": "b", "seed": 0, "stages": mapping}), tmp_path / "run")
    assert found(tmp_path / "run").main.value == pytest.approx(0.2 + 0.3 + 0.5 * 0.5)
    foreign = write(tmp_path / "foreign.jsonl", [*verdicts, {"trace": "q/9", "right": True}])
    mapping["marked"] = marked(benchmark="mr_gsm8k", reasons=foreign)
    with pytest.raises(DataError, match=r"1 of 5 verdicts are of traces that no row holds; got \['q/9'\]"):
        run_recipe(Recipe.of({"name": "b", "seed": 0, "stages": mapping}), tmp_path / "foreign")


def test_a_file_of_which_every_row_is_left_out_says_why(tmp_path: Path) -> None:
    blank = {"input": "b a", "steps": ["a", ""], "target": "a b", "answer": "a b", "mistake_index": 1}
    path = write(tmp_path / "rows.jsonl", [blank])
    stages: dict[str, Json] = {"rows": {"use": "read", "format": "big_bench_mistake", "paths": [path]}}
    with pytest.raises(DataError, match=r"every row was left out: .*1 dropped: the mistake is a blank step"):
        run_recipe(Recipe.of({"name": "b", "seed": 0, "stages": stages}), tmp_path / "run")


def test_settings_that_do_not_fit_are_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"stages.marked.*did you mean 'processbench'"):
        recipe("x", marked=marked(benchmark="procesbench"))
    with pytest.raises(ConfigError, match="its stage, its scores and a name"):
        recipe("x", marked=marked(development="dev"))
