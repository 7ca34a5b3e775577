"""`stepward benchmark`: a model or a judge on a public benchmark's file."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stepward.cli.main import app

ROWS = [
    {"id": f"gsm8k-{i}", "problem": f"What is {i} + 1?", "steps": [f"{i} + 1 = 9.", "So 9."], "label": i % 2 - 1}
    for i in range(4)
]
JUDGE = 'name: digits\nscope: prefix\nprompt: "{problem} {steps}"\nphases: []\nverdicts: {"1": 1, "0": 0}\n'


@pytest.fixture
def benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("rows.json").write_text(json.dumps(ROWS))
    Path("digits.yaml").write_text(JUDGE)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["benchmark", "processbench", "rows.json", *arguments])

    return run


def test_a_critics_calls_are_marked_and_what_does_not_compare_is_said(benchmark) -> None:
    asked = ("--judge", "digits.yaml", "--policy", "quickstart")
    shown = benchmark(*asked)
    assert shown.exit_code == 0, (shown.output, shown.exception)
    assert "critic, majority of votes" in shown.stdout and "rows: rows.json: 4 rows, 4 records" in shown.stdout
    assert "NOT COMPARABLE" in shown.stdout and "splits missing: math" in shown.stdout
    found = json.loads(benchmark(*asked, "--json").stdout)
    assert found["benchmark"] == "ProcessBench" and found["items"] == 4 and not found["comparable"]


def test_one_of_a_model_and_a_judge_is_named(benchmark) -> None:
    assert "one of --model and --judge" in str(benchmark().exception)
    assert "one of --model and --judge" in str(benchmark("--model", "x", "--judge", "digits.yaml").exception)


@pytest.mark.parametrize(
    ("choices", "why"),
    [
        ("--judge digits.yaml --threshold 0.3", "a critic names steps without one"),
        ("--judge digits.yaml --development rows.json", "a critic has no threshold"),
        ("--model x --threshold 0.5 --development rows.json", "--development chooses it"),
        ("--model x --development-name dev", "there is no --development"),
        ("--model x --development-format prm800k", "there is no --development"),
        ("--model x --votes 3", "only a judge casts them"),
    ],
)
def test_choices_without_an_effect_are_refused(benchmark, choices: str, why: str) -> None:
    assert why in str(benchmark(*choices.split()).exception)


def test_an_unknown_benchmark_gets_the_nearest(benchmark) -> None:
    result = CliRunner().invoke(app, ["benchmark", "process-bench", "rows.json", "--judge", "digits.yaml"])
    assert "did you mean 'processbench'" in str(result.exception)
