import json
import os
import subprocess
import sys

import pytest

from stepward import yaml_text
from stepward.errors import ConfigError, DataError, StorageError
from stepward.storage import lock
from stepward.storage.run import Run, list_runs, summary
from stepward.types import Spend

CONFIG = {"seed": 1, "train": {"lr": 1e-5, "name": "1e-3"}, "sizes": (1, 2)}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs" / "first"


def test_a_run_writes_its_config_and_its_environment_and_no_secret(folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with Run.open(folder, CONFIG):
        pass
    assert yaml_text.parse((folder / "run.yaml").read_text(), "run.yaml") == {**CONFIG, "sizes": [1, 2]}
    environment = json.loads((folder / "env.json").read_text())[0]["environment"]
    assert environment["packages"]["pyyaml"]
    assert environment["python"].startswith("3.")
    assert all("hf_secret" not in path.read_text() for path in folder.rglob("*") if path.is_file())


def test_a_run_goes_on_where_it_stood(folder):
    with Run.open(folder, CONFIG) as run:
        run.records("labels").append("k", 1)
        run.mark_done("label", {"n": 1})
    with Run.open(folder, CONFIG) as again:
        assert "k" in again.records("labels")
        assert again.is_done("label")
        assert again.result("label") == {"n": 1}
        assert not again.is_done("train")
    assert len(json.loads((folder / "env.json").read_text())) == 1


def test_another_config_is_refused_with_each_difference(folder):
    Run.open(folder, CONFIG).close()
    other = {"seed": 2, "train": {"lr": 1e-5, "name": 0.001}, "sizes": [1, 2], "new": True}
    with pytest.raises(ConfigError) as caught:
        Run.open(folder, other)
    lines = [line.strip() for line in str(caught.value).splitlines()[1:-1]]
    assert lines == ["new: (absent) -> true", "seed: 1 -> 2", 'train.name: "1e-3" -> 0.001']
    assert "choose another folder" in str(caught.value)
    Run.open(folder, CONFIG).close()


def test_a_run_that_exists_is_refused_where_resuming_is_not_wanted(folder):
    Run.open(folder, CONFIG, resume=False).close()
    with pytest.raises(ConfigError, match="holds a run already"):
        Run.open(folder, CONFIG, resume=False)


def test_another_environment_is_noted_beside_the_first(folder):
    with Run.open(folder, CONFIG) as run:
        run.write_json("env.json", [{"at": "2020", "environment": {"python": "3.0"}}])
    Run.open(folder, CONFIG).close()
    sessions = json.loads((folder / "env.json").read_text())
    assert [session["environment"]["python"][:2] for session in sessions] == ["3.", "3."]
    assert sessions[0]["at"] == "2020"


def test_one_process_holds_a_run(folder, monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 0.0)
    with Run.open(folder, CONFIG):
        with pytest.raises(StorageError, match=rf"is in use by process {os.getpid()} on .* since"):
            Run.open(folder, CONFIG)
        assert summary(folder).status == "running"
    assert summary(folder).status == "stopped"


def test_a_lock_that_a_dead_process_left_is_taken_over_and_explained(folder, caplog):
    folder.mkdir(parents=True)
    (folder / "run.lock").write_text('{"pid": 4194305, "host": "gone", "since": "2020"}')
    with caplog.at_level("INFO"), Run.open(folder, CONFIG):
        pass
    assert "left by process 4194305 on gone since 2020" in caplog.text
    assert (folder / "run.lock").read_text() == ""


def test_an_orphaned_child_does_not_keep_the_run(folder):
    program = (
        "import os, sys\n"
        "from stepward.storage.run import Run\n"
        f"run = Run.open({str(folder)!r}, {{}})\n"
        "run.records('labels').append('k', 1)\n"
        "if os.fork() == 0:\n"
        "    sys.stdin.read()\n"  # the child lives until its standard input closes
        "    os._exit(0)\n"
        "os._exit(0)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE)
    parent_stdin = parent.stdin
    assert parent_stdin is not None
    try:
        assert parent.wait(timeout=30) == 0
        with Run.open(folder, {}) as run:
            assert "k" in run.records("labels")
    finally:
        parent_stdin.close()


def test_files_are_replaced_whole_inside_the_folder(folder):
    with Run.open(folder, CONFIG) as run:
        run.write_json("models/prm.json", {"a": [1]})
        run.write_text("report.html", "<p>\ud800</p>")
        assert run.read_json("models/prm.json") == {"a": [1]}
        assert (folder / "report.html").read_text() == "<p>?</p>"
        for outside in ("../x", "/etc/x", ""):
            with pytest.raises(ConfigError, match="must stay inside its folder"):
                run.write_text(outside, "")
        with pytest.raises(DataError, match="cannot be written as JSON"):
            run.write_json("models/prm.json", float("nan"))
        assert run.read_json("models/prm.json") == {"a": [1]}
    assert not list(folder.rglob(".*"))


def test_the_ledger_adds_up_over_sessions_redone_work_included(folder):
    for _ in range(2):
        with Run.open(folder, CONFIG) as run:
            run.spent("label", Spend(policy_tokens=10, seconds=0.5))
            run.spent("label", Spend(policy_tokens=10, seconds=0.5))
            run.spent("train", Spend(scorer_tokens=3))
    with Run.open(folder, CONFIG) as run:
        assert run.total_spend() == {
            "label": Spend(policy_tokens=40, seconds=2.0),
            "train": Spend(scorer_tokens=6),
        }


def test_runs_are_listed_newest_first_with_stages_and_headline(tmp_path):
    with Run.open(tmp_path / "a", CONFIG) as run:
        run.mark_done("sample")
        run.mark_done("label")
        run.finish("AUROC 0.97")
    Run.open(tmp_path / "b", CONFIG).close()
    Run.open(tmp_path / "c", CONFIG).close()
    (tmp_path / "c" / "env.json").write_text("{")
    (tmp_path / "no_run").mkdir()
    newest, oldest, damaged = list_runs(tmp_path)
    assert (newest.name, newest.status, newest.stages) == ("b", "stopped", ())
    assert (oldest.name, oldest.status, oldest.stages) == ("a", "finished", ("sample", "label"))
    assert oldest.headline == "AUROC 0.97"
    assert (damaged.name, damaged.status) == ("c", "damaged")
    assert "env.json, line 1: not JSON" in damaged.headline
    assert list_runs(tmp_path / "absent") == ()


def test_a_damaged_config_is_named(folder):
    Run.open(folder, CONFIG).close()
    (folder / "run.yaml").write_text("a: 1\na: 2\n")
    with pytest.raises(ConfigError, match=r"run\.yaml, line 2: the key 'a' stands twice"):
        Run.open(folder, CONFIG)
    (folder / "run.yaml").write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"run\.yaml is not UTF-8"):
        Run.open(folder, CONFIG)
