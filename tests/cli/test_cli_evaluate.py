"""`evaluate`, `report --checklist` and `leaderboard` over scores that came with a file: no model is loaded."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stepward.cli.evaluate import scoring
from stepward.cli.main import app
from stepward.errors import ConfigError, StepwardError

run = CliRunner()
HOSTILE = "</script><img src=x onerror=\"document.title='pwned'\">\u202e"


def stepward(*arguments: str) -> str:
    result = run.invoke(app, list(arguments))
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def mistake(*arguments: str) -> str:
    result = run.invoke(app, list(arguments))
    assert isinstance(result.exception, StepwardError), result.output
    return str(result.exception)


def rows(problems: int = 10, *, shift: float = 0.0, words: str = "") -> list[dict[str, object]]:
    """Two traces a problem, one wrong from its second step on, with the scores of two scorers."""
    made: list[dict[str, object]] = []
    for at in range(problems):
        for wrong in (False, True):
            prm = [0.9, 0.2 + at % 10 / 100 if wrong else 0.8 - shift, 0.1 if wrong else 0.9]
            made.append(
                {
                    "id": f"p{at}",
                    "problem": f"question {at} {words}",
                    "answer": "4",
                    "steps": [f"one {at} {words}", f"two {wrong}", "three"],
                    "labels": [1, int(not wrong), int(not wrong)],
                    "stated": "5" if wrong else "4",
                    "verdict": not wrong,
                    "scores": {"prm": prm, "orm": [0.5, 0.5, 0.3 + at % 10 / 50 if wrong else 0.6]},
                }
            )
    return made


def write(path: Path, made: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    return path.name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluated")
    write(folder / "data.jsonl", rows())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stepward("evaluate", "data.jsonl", "--scores", "prm", "--scores", "orm", "--to", "runs/one")
    return folder


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def published(run: Path) -> dict[str, str]:
    """Every published file with a hash of its bytes."""
    files = [path for path in (run / "evaluation").rglob("*") if path.is_file()]
    return {path.relative_to(run).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


def test_one_command_writes_page_card_tables_figures_and_failures(folder: Path) -> None:
    found = set(published(folder / "runs" / "one"))
    assert {
        "evaluation/report.html",
        "evaluation/MODEL_CARD.md",
        "evaluation/evaluation.json",
        "evaluation/figures/best-of-n.svg",
        "evaluation/tables/headline.csv",
        "evaluation/tables/headline.md",
        "evaluation/tables/headline.tex",
        "evaluation/failures/orm/failures.jsonl",
        "evaluation/failures/orm/annotate.jsonl",
        "evaluation/failures/orm/prm800k.jsonl",
    } <= found
    card = (folder / "runs" / "one" / "evaluation" / "MODEL_CARD.md").read_text()
    for part in ("Taught by", "Judged on", "Figures", "Limits", "Cost", "10 problems: the intervals are wide"):
        assert part in card


def test_the_same_inputs_give_the_same_bytes(folder: Path) -> None:
    stepward("evaluate", "data.jsonl", "--scores", "prm", "--scores", "orm", "--to", "runs/two")
    assert published(folder / "runs" / "one") == published(folder / "runs" / "two")
    before = published(folder / "runs" / "two")
    assert "report.html" in stepward("report", "runs/two")
    assert published(folder / "runs" / "two") == before
    stale = folder / "runs" / "two" / "evaluation" / "tables" / "of-an-older-version.csv"
    stale.write_text("x")
    stepward("report", "runs/two")
    assert published(folder / "runs" / "two") == before, "a table that is no longer made does not stay"


def test_the_checklist_says_what_the_run_answers_and_what_it_does_not(folder: Path) -> None:
    shown = stepward("report", "runs/one", "--checklist")
    assert "human (prefix) by unknown (60 steps)" in shown and "best:prm/min less best:orm/min" in shown
    items = {
        item["question"]: item["said"] for item in json.loads(stepward("report", "runs/one", "--checklist", "--json"))
    }
    assert len(items) == 6
    assert items["What did it cost?"] == []
    assert "ORM + N: not in this run" not in str(items["Does PRM + N beat ORM + N?"])
    assert "no card says what orm, prm is; its name was taken for it" in str(items["Does PRM + N beat ORM + N?"])
    assert all((folder / "runs" / "one" / part["file"]).is_file() for said in items.values() for part in said)
    write(folder / "bare.yaml", [])
    (folder / "bare.yaml").write_text("name: bare\nstages: {problems: {use: world, count: 2, seed: 1}}\n")
    stepward("run", "bare.yaml", "--to", "runs/bare")
    assert stepward("report", "runs/bare", "--checklist").count("not in this run") == 6


def test_a_leaderboard_compares_runs_on_equal_data_and_refuses_others(folder: Path) -> None:
    write(folder / "renamed.jsonl", rows(shift=0.5)[::-1])
    stepward("evaluate", "renamed.jsonl", "--scores", "prm", "--to", "runs/shifted")
    shown = json.loads(stepward("leaderboard", "runs/one", "runs/shifted", "--json"))
    assert shown["rows"][0][:2] == ["one", "prm"]
    assert {row[0] for row in shown["rows"]} == {"one", "shifted"}
    pairs = shown["pairs"]["rows"]
    assert [row[0] for row in pairs] == ["step AUROC"] * 3 + ["best of 2"] * 3
    assert ["one: prm", "shifted: prm"] in [row[1:3] for row in pairs] and pairs[0][-1] in ("yes", "no")
    write(folder / "other.jsonl", rows(9))
    found = json.loads(stepward("evaluate", "other.jsonl", "--rate", "scored=1", "--to", "runs/other", "--json"))
    assert found["rates"] == {"scored": 1.0} and [each["name"] for each in found["scorers"]] == ["orm", "prm"]
    told = mistake("leaderboard", "runs/one", "runs/other")
    assert "different data" in told and "other: other.jsonl, 18 traces" in told
    mixed = json.loads(stepward("leaderboard", "runs/one", "runs/other", "--mix", "--json"))
    assert "data" in mixed["columns"]
    assert "do not compare" in mixed["note"]
    for name in ("board.html", "board.md", "board.csv", "board.tex"):
        stepward("leaderboard", "runs/one", "runs/shifted", "--to", name)
        assert "shifted" in (folder / name).read_text()
        assert "shifted: prm" in (folder / name.replace(".csv", "-pairs.csv")).read_text()
    assert "written as .html" in mistake("leaderboard", "runs/one", "--to", "board.pdf")
    assert "holds no evaluation" in mistake("leaderboard", "runs/bare")


def test_labels_of_several_labelers_need_a_choice_and_the_others_are_the_ceiling(folder: Path) -> None:
    ann = [row | {"labeler": {"maker": "human:ann"}} for row in rows(8)]
    ben = [row | {"labeler": {"maker": "human:ben"}, "labels": [1, 1, row["labels"][2]]} for row in ann]  # type: ignore[index]
    write(folder / "two.jsonl", [row for pair in zip(ann, ben, strict=True) for row in pair])
    told = mistake("evaluate", "two.jsonl")
    assert "human:ann (48 steps), human:ben (48 steps)" in told and "--labeler" in told
    assert "is no labeler of these traces" in mistake("evaluate", "two.jsonl", "--labeler", "cas")
    found = json.loads(stepward("evaluate", "two.jsonl", "--labeler", "ann", "--to", "runs/ann", "--json"))
    assert (found["data"]["traces"], found["data"]["labeler"]) == (16, "human:ann")
    assert [each["name"] for each in found["labelers"]] == ["human:ben"]
    made = folder / "runs" / "ann" / "evaluation"
    assert "those of human:ann alone" in (made / "MODEL_CARD.md").read_text()
    assert "Agreement with people" in (made / "report.html").read_text()
    assert (made / "tables" / "human-ann-and-human-ben.csv").is_file()


def test_with_a_model_labelers_are_checked_before_anything_is_scored(folder: Path) -> None:
    two = [row | {"labeler": {"maker": f"human:{who}"}} for who in ("ann", "ben") for row in rows(2)]
    write(folder / "paid.jsonl", two)
    told = mistake("evaluate", "paid.jsonl", "--model", "nowhere", "--to", "runs/paid")
    assert "several labelers" in told and not (folder / "runs" / "paid" / "scores").exists()


def test_a_calibrated_model_is_scored_raw_once_and_both_scores_are_kept(tmp_path: Path) -> None:
    (tmp_path / "stepward.json").write_text(json.dumps({"calibrator": {"calibrator": "platt", "a": 2, "b": 0}}))
    model = str(tmp_path)
    assert scoring(model, "scores") == {
        "scores_raw": {"use": "score", "source": "labels", "model": model, "read": "raw"},
        "scores": {"use": "calibrate_scores", "source": "scores_raw", "model": model},
    }
    (tmp_path / "stepward.json").write_text(json.dumps({"calibrator": None}))
    assert list(scoring(model, "scores")) == ["scores"]
    (tmp_path / "stepward.json").write_text("{")
    assert list(scoring(model, "scores")) == ["scores"], "what is wrong with the card is said where it is opened"


def test_rates_that_are_none_are_named_and_do_not_run() -> None:
    assert "such as --rate scored=0.1" in mistake("evaluate", "data.jsonl", "--rate", "scored")
    assert "scord" in mistake("evaluate", "data.jsonl", "--rate", "scord=1")


def test_scores_that_are_not_there_are_named(folder: Path) -> None:
    assert "they came with: orm, prm" in mistake("evaluate", "data.jsonl", "--scores", "prn")
    write(folder / "bare.jsonl", [{k: v for k, v in row.items() if k != "scores"} for row in rows(2)])
    assert "without scores" in mistake("evaluate", "bare.jsonl")
    one = rows(1)[0] | {"scores": {"prm": [0.5, 0.5]}}
    write(folder / "short.jsonl", [one])
    assert "needs one score for each" in mistake("evaluate", "short.jsonl")
    write(folder / "slash.jsonl", [rows(1)[0] | {"scores": {"a/b": [0.5, 0.5, 0.5]}}])
    assert "no slash" in mistake("evaluate", "slash.jsonl")
    assert issubclass(ConfigError, StepwardError)


def test_500_hostile_traces_fit_in_one_file_of_5_mb_that_runs_nothing_and_asks_for_nothing(folder: Path) -> None:
    write(folder / "hostile.jsonl", rows(250, words=HOSTILE * 4))
    stepward("evaluate", "hostile.jsonl", "--scores", "prm", "--shown", "500", "--to", "runs/hostile")
    page = folder / "runs" / "hostile" / "evaluation" / "report.html"
    text = page.read_text()
    assert len(re.findall(r"question \d+ ", text)) >= 500 and page.stat().st_size <= 5_000_000
    assert "<img" not in text and text.count("<script") == 2 and "\u202e" not in text
    assert not re.findall(r'(?:src|href)="(?!#)', text)
