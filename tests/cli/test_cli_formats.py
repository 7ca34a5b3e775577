from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stepward.cli.main import app
from stepward.reward_models.formats.library import FORMATS


def run(*words: str) -> str:
    result = CliRunner().invoke(app, ["formats", *words], env={"COLUMNS": "100"}, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_the_table_names_every_format_and_fits_a_terminal() -> None:
    out = run()
    assert all(f"{name} " in out for name in FORMATS)
    assert max(map(len, out.splitlines())) <= 100
    assert "thinkprm" in out, "judges that write text are listed too"


def test_a_narrow_terminal_gets_whole_names_and_no_stumps_of_summaries() -> None:
    out = CliRunner().invoke(app, ["formats"], env={"COLUMNS": "80"}).output
    table = out[: out.index("judge, writes text")]
    assert all(f"{name} " in table for name in FORMATS) and "…" not in table
    assert "family" not in table and "joined by" in table


def test_json_holds_every_record() -> None:
    found = json.loads(run("--json"))
    assert [record["name"] for record in found["formats"]] == list(FORMATS)
    assert found["judges"]


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_shows_every_field_and_an_example(name: str) -> None:
    out = run("show", name)
    assert all(
        f"  {field} " in out for field in FORMATS[name].to_json() if field not in ("name", "summary", "source", "notes")
    )
    assert "3 + 4 = 7" in out


def test_an_example_shows_text_with_its_marks() -> None:
    found = json.loads(run("show", "math-shepherd", "--json"))
    assert found["format"] == FORMATS["math-shepherd"].to_json()
    assert found["example"]["text"].endswith("buys 4. ки\nStep 2: 3 + 4 = 7, so the answer is 7. ки")
    assert "⟨assistant⟩ +" in run("show", "rlhflow-mistral")
    assert run("show", "pathfinder-prm").count("⟨user⟩") == 2, "one example per pass"


def test_a_judge_and_a_file_of_ones_own_are_shown(tmp_path: Path) -> None:
    assert "thinkprm" in run("show", "thinkprm")
    assert json.loads(run("show", "thinkprm", "--json"))["judge"]["name"] == "thinkprm"
    (tmp_path / "mine.yaml").write_text("based_on: trl\nname: mine\nmarker: '[END]'\n")
    assert "So" not in (out := run("show", str(tmp_path / "mine.yaml"))) and "7.[END]" in out


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    result = CliRunner().invoke(app, ["formats", "show", "skywrok"])
    assert "did you mean 'skywork'" in str(result.exception)
