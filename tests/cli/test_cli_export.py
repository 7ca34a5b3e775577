"""`stepward export`: from files, runs and checkpoints to what others read, with an account of what did not fit."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stepward.cli.conduct import no_traceback
from stepward.cli.main import app
from stepward.datasets.math_shepherd import MathShepherd
from stepward.datasets.native_write import write_examples
from stepward.datasets.reading import Example, read
from stepward.datasets.rlhflow import RlhFlow
from stepward.datasets.trl import Trl
from stepward.pipeline.runner import Recipe, run_recipe
from stepward.segment.cut import from_steps
from stepward.types import LabeledTrace, Problem, StepLabel

run = CliRunner()


def stepward(*arguments: str) -> str:
    result = run.invoke(app, list(arguments))
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def mistake(*arguments: str) -> str:
    result = run.invoke(app, list(arguments))
    assert result.exception is not None and not isinstance(result.exception, SystemExit), result.output
    with pytest.raises(SystemExit) as ended, no_traceback():
        raise result.exception
    assert ended.value.code == 2
    return str(result.exception)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two traces of one problem in our own rows: the second has an unlabelled end."""
    monkeypatch.chdir(tmp_path)
    problem = Problem(id="p", text="What is 2+3?", answer="5")
    counted = [StepLabel(target="value", value=k / 4, source="rollout", successes=k, trials=4) for k in (4, 2, 1)]
    write_examples(
        tmp_path / "labels.jsonl",
        [
            Example(
                problem=problem, labeled=LabeledTrace(trace=from_steps("p", ["2+3", "5"]), labels=tuple(counted[:2]))
            ),
            Example(
                problem=problem, labeled=LabeledTrace(trace=from_steps("p", ["6", "7"]), labels=(counted[2], None))
            ),
        ],
    )
    return tmp_path / "labels.jsonl"


@pytest.fixture
def made(labels: Path) -> Path:
    """A finished run with a stage that read the labels."""
    spec = {"use": "read", "format": "native", "paths": [str(labels)]}
    run_recipe(Recipe.of({"name": "r", "stages": {"human": spec}}), labels.parent / "runs" / "r")
    return labels.parent / "runs" / "r"


def test_a_file_becomes_trl_rows_with_numbers_and_counts(labels: Path) -> None:
    out = labels.parent / "trl.jsonl"
    told = stepward(
        *("export", "dataset", "labels.jsonl", "--to", "trl", "--out", str(out)),
        *("--set", "to.values=soft", "--set", "to.counts=true", "--json"),
    )
    counts = json.loads(told)
    assert (counts["rows"], counts["steps_left_out"], counts["examples_left_out"]) == (2, 1, 0)
    assert "rollout counts" not in counts["lost"] and counts["lost"]["reference answers"] == 2
    assert [row["labels"] for row in rows(out)] == [[1.0, 0.5], [0.25]]
    assert rows(out)[0]["n_total"] == [4, 4]
    assert len(read(Trl(target="value"), out).items) == 2


@pytest.mark.parametrize(
    ("to", "count"),
    [*((to, 2) for to in ("math-shepherd", "rlhflow", "math-aps", "fover", "openrlhf", "native")), ("preferences", 1)],
)
def test_every_format_is_written_and_what_is_lost_is_said(labels: Path, to: str, count: int) -> None:
    out = labels.parent / f"{to}.jsonl"
    told = stepward("export", "dataset", "labels.jsonl", "--to", to, "--out", str(out))
    assert f"{count} rows" in told
    assert ("not in the file" in told) == (to != "native")
    assert len(rows(out)) == count


def test_a_foreign_file_is_read_by_its_reader_with_its_choices(labels: Path) -> None:
    flat = {"id": "1", "problem": "q", "steps": ["a", "b"], "ratings": [1, 0]}
    (labels.parent / "prm.jsonl").write_text(json.dumps(flat) + "\n")
    call = ("export", "dataset", "prm.jsonl", "--from", "prm800k", "--to", "rlhflow", "--out", "chat.jsonl")
    for choice, signs in (("good", [1.0, 1.0]), ("bad", [1.0, 0.0])):
        stepward(*call, "--set", f"from.neutral={choice}")
        (found,) = read(RlhFlow(), labels.parent / "chat.jsonl").items
        assert [label.value for label in found.labeled.labels if label] == signs


@pytest.mark.parametrize("stage", ["", "/human"])
def test_a_run_or_one_of_its_stages_is_written(made: Path, stage: str) -> None:
    out = made.parent / "out.jsonl"
    stepward("export", "dataset", f"{made}{stage}", "--to", "math-shepherd", "--out", str(out))
    found = read(MathShepherd(headers="strip"), out).items
    assert [one.labeled.trace.step_texts for one in found] == [("2+3\n", "5"), ("6",)]
    assert found[0].problem.text == "What is 2+3?"


def test_rows_go_to_standard_output_and_the_account_beside_them(labels: Path) -> None:
    result = run.invoke(app, ["export", "dataset", "labels.jsonl", "--to", "trl", "--out", "-", "--json"])
    assert [json.loads(line)["prompt"] for line in result.stdout.splitlines()] == ["What is 2+3?"] * 2
    assert "1 steps left out" in result.stderr


def test_mistakes_name_what_there_is(made: Path, labels: Path) -> None:
    call = ("export", "dataset")
    assert "did you mean 'rlhflow'" in mistake(*call, "labels.jsonl", "--to", "rlhflwo", "--out", "x")
    assert "did you mean 'prm800k'" in mistake(*call, "labels.jsonl", "--from", "prm800", "--to", "trl", "--out", "x")
    assert "did you mean 'human'" in mistake(*call, f"{made}/humna", "--to", "trl", "--out", "x")
    assert "is no run folder" in mistake(*call, str(labels.parent), "--to", "trl", "--out", "x")
    assert "cannot be read" in mistake(*call, "nothing.jsonl", "--to", "trl", "--out", "x")
    (labels.parent / "problems.jsonl").write_text('{"problem": "q"}\n')
    assert "holds no traces" in mistake(*call, "problems.jsonl", "--from", "problems", "--to", "trl", "--out", "x")


def test_what_holds_nothing_for_a_format_is_an_error_and_no_file(labels: Path) -> None:
    (labels.parent / "bare.jsonl").write_text('{"problem": "q", "steps": ["a"]}\n')
    told = mistake("export", "dataset", "bare.jsonl", "--to", "trl", "--out", "x.jsonl")
    assert "nothing in bare.jsonl that trl can hold" in told and "1 examples left out" in told
    assert not (labels.parent / "x.jsonl").exists()


def test_a_checkpoint_becomes_a_folder_for_transformers(tmp_path: Path) -> None:
    from transformers import AutoModelForTokenClassification

    from stepward.reward_models.backbone import Backbone
    from stepward.reward_models.checkpoint import Card, Checkpoint
    from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
    from stepward.reward_models.heads import ScoreHead
    from stepward.reward_models.tiny import TinyBackbone

    source = TinyBackbone().write(tmp_path / "tiny", ["two plus three"])
    opened = Backbone.open(source, STEPWARD_DEFAULT)
    card = Card(
        kind="prm",
        format=STEPWARD_DEFAULT,
        mode="frozen",
        backbone=str(source),
        backbone_revision=opened.revision,
        calibrator={"calibrator": "beta", "a": 1.0, "b": 1.0, "c": 0.0},
    )
    Checkpoint(card=card, backbone=opened, head=ScoreHead(opened.width)).save(tmp_path / "prm")
    call = ("export", "model", str(tmp_path / "prm"), "--out", str(tmp_path / "out"))
    assert "calibrated=False (--raw)" in mistake(*call)
    told = json.loads(stepward(*call, "--raw", "--json"))
    assert told["architecture"] == "LlamaForTokenClassification"
    assert told["marker_id"] == opened.codec.marker_id
    assert told["notes"] == ["the calibrator was left out: scores are raw"]
    assert AutoModelForTokenClassification.from_pretrained(tmp_path / "out").config.num_labels == 2
    assert "one of token-classification" in mistake(*call, "--to", "gguf")
    assert "is not empty" in mistake(*call, "--raw")
    other = stepward("export", "model", str(tmp_path / "prm"), "--out", str(tmp_path / "again"), "--raw")
    assert "scores at <|step_end|>" in other
