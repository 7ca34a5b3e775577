import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stepward.cli.conduct import no_traceback
from stepward.cli.main import app

run = CliRunner()
VERBS = [
    "quickstart",
    "run",
    "sample",
    "segment",
    "label",
    "train",
    "score",
    "formats",
    "export",
    "evaluate",
    "search",
    "report",
    "leaderboard",
    "runs",
    "doctor",
]


def stepward(*arguments: str, text: str | bytes = "", code: int = 0) -> str:
    """Output of the command; errors are shown on standard error and are not a traceback."""
    result = run.invoke(app, list(arguments), input=text)
    assert result.exit_code == code, result.output
    return result.output


def mistake(*arguments: str, text: str = "") -> str:
    """The message of a command that fails for a mistake of the user's."""
    result = run.invoke(app, list(arguments), input=text)
    assert result.exception is not None and not isinstance(result.exception, SystemExit), result.output
    with pytest.raises(SystemExit) as ended, no_traceback():
        raise result.exception
    assert ended.value.code == 2
    return str(result.exception)


def test_every_verb_has_help_and_the_list_is_complete() -> None:
    text = stepward("--help")
    for verb in VERBS:
        assert verb in text
        assert "Usage" in stepward(verb, "--help")
    assert "130 stopped" in text


def test_segment_shows_steps_and_json(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("One $a\n\nb$ step.\n\nTwo.\n")
    assert "2 steps by protect@" in stepward("segment", str(file))
    found = json.loads(stepward("segment", "-", "--segmenter", "newline", "--json", text="a\nb\n"))
    assert [step["text"] for step in found["steps"]] == ["a\n", "b\n"]


def test_segment_survives_hostile_text() -> None:
    assert "[/bold]" in stepward("segment", "-", "--segmenter", "newline", text="[/bold] [red]\x1b[31m\n")
    assert "holds no rows" in mistake("segment", "-", text="")


def test_mistakes_are_messages_that_say_how_to_mend_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin.txt").write_bytes(b"ok\n\xff\n")
    (tmp_path / "bad.yaml").write_text("name: x\nstages: {a: {use: wrold}}\n")
    (tmp_path / "torn.jsonl").write_text('{"problem": "a"}\n{"problem": \n')
    assert "cannot be read" in mistake("segment", "nothing.txt")
    assert "latin.txt, line 2" in mistake("segment", "latin.txt")
    assert "did you mean 'newline'" in mistake("segment", "-", "--segmenter", "newlin", text="a")
    assert "neither a file nor a shipped recipe" in mistake("run", "no-recipe")
    assert "did you mean 'world'" in mistake("run", "bad.yaml")
    assert "dotted.path=value" in mistake("run", "bad.yaml", "nonsense")
    assert "no reward model is named" in mistake("score", "--problem", "a", text="b")
    assert "not a Stepward checkpoint" in mistake("score", "--problem", "a", "--model", str(tmp_path), text="b")
    assert "torn.jsonl, line 2" in mistake("sample", "torn.jsonl", "--policy", "quickstart")
    assert "is no run folder" in mistake("report", str(tmp_path))


def test_runs_of_an_empty_folder_and_doctor(tmp_path: Path) -> None:
    assert "no runs in" in stepward("runs", str(tmp_path))
    assert json.loads(stepward("runs", str(tmp_path), "--json")) == []
    found = json.loads(stepward("doctor", "--json"))
    assert {row["library"] for row in found["libraries"]} >= {"torch", "math-verify"}
    assert "Python" in stepward("doctor")


def test_a_folder_of_runs_is_listed(tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text("name: tiny\nstages: {problems: {use: world, count: 3, seed: 1}}\n")
    stepward("run", str(recipe), "--to", str(tmp_path / "runs" / "tiny"))
    listed = json.loads(stepward("runs", str(tmp_path / "runs"), "--json"))
    assert [(each["name"], each["status"], each["stages"]) for each in listed] == [("tiny", "finished", ["problems"])]


@pytest.mark.slow
def test_the_command_exits_with_2_and_no_traceback_and_drains_on_ctrl_c(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stepward.cli.main"]
    failed = subprocess.run([*command, "run", "nothing"], capture_output=True, text=True, cwd=tmp_path)
    assert failed.returncode == 2 and "Traceback" not in failed.stderr and "error" in failed.stderr
    recipe = tmp_path / "long.yaml"
    recipe.write_text(
        "name: long\nstages:\n  problems: {use: world, count: 400, seed: 1}\n"
        "  traces: {use: sample, source: problems, policy: {path: quickstart}, n: 4, chunk: 4}\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, "run", "long.yaml"], cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environment
    )
    traces = tmp_path / "runs" / "long" / "traces" / "traces.jsonl"
    for _ in range(600):
        if traces.exists() and traces.stat().st_size:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "To go on: stepward run long.yaml" in told
