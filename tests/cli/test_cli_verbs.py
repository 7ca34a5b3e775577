"""The verbs over files, one after another, as a newcomer would use them."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stepward.calibrate import Platt, to_json
from stepward.cli.main import app
from stepward.datasets.native_write import write_problems
from stepward.reward_models.checkpoint import set_calibrator
from stepward.world.problems import World

run = CliRunner()
WORLD = World(domains=("ages",), min_steps=3, max_steps=4, max_distractors=0)


def stepward(*arguments: str, text: str = "") -> str:
    result = run.invoke(app, list(arguments), input=text)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Problems, traces, labels and a model, made by the verbs."""
    folder = tmp_path_factory.mktemp("verbs")
    write_problems(str(folder / "problems.jsonl"), WORLD.draw(12, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stepward(
            "sample",
            "problems.jsonl",
            "--policy",
            "quickstart",
            "-n",
            "3",
            "--max-tokens",
            "80",
            "--segmenter",
            "newline",
        )
        stepward("label", "traces.jsonl", "--labeler", "world")
        stepward("train", "labels.jsonl", "--backbone", "quickstart", "--to", "runs/prm")
    return folder


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def test_sampling_writes_one_row_per_trace(folder: Path) -> None:
    found = rows(folder / "traces.jsonl")
    assert len(found) == 36
    assert all("".join(row["steps"]) for row in found)  # type: ignore[arg-type]


def test_labelling_keeps_counts_and_goes_on_with_its_own_run(folder: Path) -> None:
    arguments = ("label", "traces.jsonl", "--policy", "quickstart", "-n", "2", "--out", "rollouts.jsonl", "--json")
    first, again = json.loads(stepward(*arguments)), json.loads(stepward(*arguments))
    assert first == again and first["rows"] == 36
    label = rows(folder / "rollouts.jsonl")[0]["labels"][0]  # type: ignore[index]
    assert label["trials"] == 2
    assert {row["labels"][0] for row in rows(folder / "labels.jsonl")} <= {0, 1}  # type: ignore[index]


def test_training_tells_what_it_learned_from_and_how_well(folder: Path) -> None:
    arguments = ("train", "labels.jsonl", "--backbone", "quickstart", "--to", "runs/prm")
    shown, found = stepward(*arguments), json.loads(stepward(*arguments, "--json"))
    assert "traces of 12 problems" in shown and "held-out loss: 0." in shown
    assert found["training"]["figures"]["traces"] == found["training"]["examples"] > 0
    assert found["model"] == "runs/prm/model/model" and (folder / found["model"]).is_dir()


def test_scoring_a_text_names_the_model_and_marks_the_first_likely_error(folder: Path) -> None:
    problem = WORLD.draw(1, 1)[0].text
    (folder / "solution.txt").write_text("Ann is 3 + 4 = 9 years old.\nThe answer is 9.\n")
    shown = stepward("score", "--problem", problem, "--trace", "solution.txt", "--segmenter", "newline")
    assert "The answer is 9." in shown
    found = json.loads(
        stepward("score", "--problem", problem, "--trace", "-", "--segmenter", "newline", "--json", text="Ann is 3.\n")
    )
    assert len(found[0]["scores"]) == 1 and found[0]["scorer"]["revision"]
    assert found[0]["spend"]["scorer_tokens"] > 0


def test_scoring_json_lines_from_a_file_and_from_standard_input(folder: Path) -> None:
    text = (folder / "traces.jsonl").read_text()
    from_file = json.loads(stepward("score", "--trace", "traces.jsonl", "--model", "runs/prm/model/model", "--json"))
    from_stdin = json.loads(stepward("score", "--model", "runs/prm/model/model", "--json", text=text))
    assert len(from_file) == 36
    assert [each["scores"] for each in from_file] == [each["scores"] for each in from_stdin]


def test_evaluation_tells_figures_baselines_cost_and_that_the_problems_taught_the_model(folder: Path) -> None:
    arguments = ("evaluate", "labels.jsonl", "--model", "runs/prm/model/model", "--train-labels", "labels.jsonl")
    shown = stepward(*arguments, "--rate", "scored=2", "--to", "runs/evaluated")
    assert "AUROC" in shown and "position" in shown and "ECE" in shown
    assert "12 of 12 problems taught prm" in shown
    found = json.loads(stepward(*arguments, "--rate", "scored=2", "--to", "runs/evaluated", "--json"))
    assert found["scorers"][0]["name"] == found["scorers"][0]["kind"] == "prm"
    assert 0 <= found["scorers"][0]["steps"]["auroc"]["value"] <= 1
    assert found["scorers"][0]["spend"]["scorer_tokens"] > 0
    table = (folder / "runs" / "evaluated" / "evaluation" / "tables" / "step-scores-against-labels.csv").read_text()
    assert table.splitlines()[0].endswith(",price") and "tokens scored" in table, "a price has no interval"
    card = (folder / "runs" / "evaluated" / "evaluation" / "MODEL_CARD.md").read_text()
    assert "of which 12 stand among the 12 judged on" in card and "backbone" in card


def test_a_calibrated_model_is_judged_before_and_after_at_the_price_of_one_pass(folder: Path) -> None:
    shutil.copytree(folder / "runs" / "prm" / "model" / "model", folder / "calibrated")
    set_calibrator(folder / "calibrated", to_json(Platt(a=0.5, b=1.0)))
    arguments = ("evaluate", "labels.jsonl", "--model", "calibrated", "--to", "runs/calibrated", "--json")
    first = json.loads(stepward(*arguments))["scorers"][0]
    assert first["before"]["brier"]["value"] != first["steps"]["brier"]["value"]
    assert [row["name"] for row in first["changes"] if row["axis"] == "all"] == ["all steps"]
    plain = ("evaluate", "labels.jsonl", "--model", "runs/prm/model/model", "--to", "runs/plain", "--json")
    raw = json.loads(stepward(*plain))["scorers"][0]
    assert first["before"]["brier"] == raw["steps"]["brier"] and "before" not in raw
    assert first["spend"]["scorer_tokens"] == raw["spend"]["scorer_tokens"] > 0


@pytest.mark.parametrize("method", ["best_of_n", "majority", "weighted_majority"])
def test_searching_counts_every_token(method: str) -> None:
    model = () if method == "majority" else ("--model", "runs/prm/model/model")
    arguments = ("search", "problems.jsonl", "--policy", "quickstart", "--method", method, "-n", "3", *model, "--json")
    found = json.loads(stepward(*arguments))["found"]
    assert found["problems"] == 12
    assert "tokens written" in found["headline"]
