"""`stepward score --judge`: a language model scores steps."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stepward.cli.main import app

FILE = """
name: digits
scope: prefix
prompt: "{problem} {steps}"
verdicts: {"1": 1, "0": 0}
phases: [{max_tokens: 4}, {name: code, code_stop: "end", max_tokens: 4}]
"""


@pytest.fixture
def score(tmp_path: Path):
    judge = tmp_path / "digits.yaml"
    judge.write_text(FILE)

    def run(*arguments: str) -> Result:
        asked = ("score", "--problem", "What is 3 + 4?", "--segmenter", "newline", "--policy", "quickstart")
        return CliRunner().invoke(app, [*asked, *arguments], input="3 + 4 = 7.\nThe answer is 7.\n")

    return lambda *arguments: run("--judge", str(judge), *arguments)


def test_a_judge_scores_each_step_and_names_itself(score) -> None:
    result = score("--json", "--votes", "2")
    assert result.exit_code == 0, (result.output, result.exception)
    (found,) = json.loads(result.stdout)
    assert len(found["scores"]) == 2 and found["scorer"]["maker"] == "scorer:judge:digits"
    assert found["spend"]["scorer_tokens"] > 0


def test_code_is_not_run_and_that_is_said(score) -> None:
    result = score()
    assert result.exit_code == 0 and "digits goes without code" in result.stderr, (result.output, result.exception)
    assert "scorer:judge:digits" in result.stdout


def test_settings_out_of_range_are_the_users_to_mend(score) -> None:
    assert "prior must be a probability" in str(score("--prior", "7").exception)
