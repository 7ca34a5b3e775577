"""The cross-domain stage on made-up data sets: who is judged on what, what is published, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stepward.codec import from_json
from stepward.errors import ConfigError, LabelError, StepwardError
from stepward.evaluation.transfer import TransferMatrix
from stepward.pipeline.runner import Recipe, run_recipe
from stepward.reward_models.tiny import TinyBackbone
from stepward.types import Json

FIT: Json = {"penalties": [0.1], "iterations": 8, "folds": 2}
NEEDS: Json = {"fewest": 6, "fewest_each": 2}


TOPICS = ("apples", "pears", "agents", "bent", "nuts", "clean")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> str:
    digits = " 0 1 2 3 4 5 6 7 8 9 0123456789"
    words = [f"How much {topic} are and ?\nTake {topic}.\nAdd to it.\nSo it is{digits}" for topic in TOPICS]
    return str(TinyBackbone().write(tmp_path_factory.mktemp("tiny") / "backbone", words))


def write_rows(path: Path, topic: str, count: int, *, wrong: bool = True, start: int = 0) -> str:
    """PRM800K rows of `count` problems on `topic`; each second solution ends in a wrong step."""
    with path.open("w") as file:
        for index in range(start, start + count):
            for bad in (False, True) if wrong else (False,):
                ratings = [1, 1, -1] if bad else [1, 1, 1]
                steps = [f"Take {topic} {index}.", f"Add {index} to it.", f"So it is {index + index + bad}."]
                row = {
                    "id": f"{topic}-{index}-{bad}",
                    "problem": f"How much {topic} are {index} and {index} ?",
                    "steps": steps,
                    "ratings": ratings,
                }
                file.write(json.dumps(row) + "\n")
    return str(path)


def recipe(backbone: str, stages: dict[str, Json], **settings: Json) -> Recipe:
    matrix: dict[str, Json] = {
        "use": "transfer",
        "backbone": backbone,
        "head_fit": FIT,
        "experts": NEEDS,
        "draws": 40,
        **settings,
    }
    return Recipe.of({"name": "transfer", "seed": 0, "stages": {**stages, "matrix": matrix}})


def read(path: str) -> Json:
    return {"use": "read", "format": "prm800k", "paths": [path]}


def matrix_in(folder: Path) -> TransferMatrix:
    return from_json(TransferMatrix, json.loads((folder / "matrix" / "matrix.json").read_text()))


def test_every_row_meets_every_column_and_the_page_is_published(tmp_path: Path, backbone: str) -> None:
    stages = {
        "apples": read(write_rows(tmp_path / "a.jsonl", "apples", 14)),
        "pears": read(write_rows(tmp_path / "p.jsonl", "pears", 14)),
        "agents": read(write_rows(tmp_path / "g.jsonl", "agents", 5)),
        "bent": read(write_rows(tmp_path / "b.jsonl", "bent", 12)),
    }
    domains: Json = {
        "apples": {"source": "apples"},
        "pears": {"source": "pears"},
        "agents": {"source": "agents", "teaches": False},
        "bent": {"source": "bent", "human": False},
    }
    folder = tmp_path / "run"
    results = run_recipe(recipe(backbone, stages, domains=domains), folder)
    found = matrix_in(folder)
    names = [row.name for row in found.rows]
    assert [each.name for each in found.domains] == ["apples", "pears", "agents", "bent"]
    assert {
        "single",
        "left out",
        "router by words, corrected",
        "router by first step, alone",
        "expert: apples",
        "expert: bent",
        "position",
    } <= set(names)
    assert len(found.cells) == len(names) * 4
    assert found.cell("own expert, alone", "agents").undefined["auroc"] == "no trace of this domain teaches"
    assert found.average("single", "auroc", "human").domains == ("apples", "pears", "agents")
    assert found.average("own expert, corrected", "auroc", "human").value is None
    assert found.cell("left out", "agents").auroc == found.cell("single", "agents").auroc
    assert "mean AUROC over 3 domains: single" in str(results["matrix"])
    assert (folder / "matrix" / "figures" / "taught-where-judged-where.svg").is_file()
    assert {path.suffix for path in (folder / "matrix" / "tables").iterdir()} == {".csv", ".md", ".tex"}
    page = (folder / "matrix" / "report.html").read_text()
    assert "Do experts, routed by the first step, beat one model?" in page and "tokens scored" in page


def test_a_problem_of_two_domains_stays_on_one_side(tmp_path: Path, backbone: str) -> None:
    """The second data set repeats the judged problems of the first: none of them may teach."""
    stages = {
        "train": read(write_rows(tmp_path / "t.jsonl", "nuts", 14)),
        "dev": read(write_rows(tmp_path / "d.jsonl", "nuts", 8, start=10)),
        "other": read(write_rows(tmp_path / "o.jsonl", "nuts", 26, start=4)),
        "test": read(write_rows(tmp_path / "x.jsonl", "nuts", 6, start=22)),
    }
    domains: Json = {"nuts": {"source": "train", "judged": "dev"}, "other": {"source": "other"}}
    folder = tmp_path / "run"
    run_recipe(recipe(backbone, stages, domains=domains, withheld=["test"]), folder)
    table = (folder / "matrix" / "tables" / "domains.csv").read_text().splitlines()
    assert table[1].startswith("nuts,people,") and "8 the problem is kept for judging" in table[1]
    judged = {each.name: each.problems for each in matrix_in(folder).domains}
    assert judged["nuts"] == 8, "all of dev, and nothing of train"
    assert judged["other"] >= 14, "problems 10 to 17 as they are judged in nuts, 22 to 27 as they are withheld"


def test_a_run_goes_on_from_its_features_and_says_the_same(tmp_path: Path, backbone: str) -> None:
    stages = {
        "apples": read(write_rows(tmp_path / "a.jsonl", "apples", 12)),
        "pears": read(write_rows(tmp_path / "p.jsonl", "pears", 12)),
    }
    domains: Json = {"apples": {"source": "apples"}, "pears": {"source": "pears"}}
    cache = str(tmp_path / "features")
    run_recipe(recipe(backbone, stages, domains=domains, features=cache), tmp_path / "first")
    run_recipe(recipe(backbone, stages, domains=domains, features=cache), tmp_path / "second")
    first, second = (matrix_in(tmp_path / name) for name in ("first", "second"))
    assert first.cells == second.cells and first.gains == second.gains
    reading = (tmp_path / "second" / "matrix" / "tables" / "reading.csv").read_text().splitlines()
    assert [line.split(",")[2] for line in reading[1:]] == ["0", "0"], "nothing was computed again"


def test_caps_are_counted_and_a_window_reads_every_step(tmp_path: Path, backbone: str) -> None:
    stages = {
        "apples": read(write_rows(tmp_path / "a.jsonl", "apples", 14)),
        "pears": read(write_rows(tmp_path / "p.jsonl", "pears", 14)),
    }
    domains: Json = {"apples": {"source": "apples", "per_problem": 1}, "pears": {"source": "pears", "tokens": 700}}
    folder = tmp_path / "run"
    run_recipe(recipe(backbone, stages, domains=domains, window=24), folder)
    table = (folder / "matrix" / "tables" / "domains.md").read_text()
    assert "14 over the cap of a problem" in table and "over the cap of tokens" in table
    parts = [line.split("|")[8].strip() for line in table.splitlines() if line.startswith(("| apples", "| pears"))]
    assert all(int(part) > 0 for part in parts), "traces over 24 tokens are read in parts"


@pytest.mark.parametrize(
    ("domains", "error", "said"),
    [
        ({"apples": {"source": "apples"}}, ConfigError, "at least two domains"),
        ({"apples": {"source": "apples"}, "nobody": {"source": "nowhere"}}, StepwardError, "nowhere"),
        ({"apples": {"source": "apples"}, "p": {"source": "apples", "only": ["x"]}}, LabelError, "no traces"),
        ({"apples": {"source": "apples"}, "p": {"source": "apples", "tokens": 0}}, ConfigError, "at least 1"),
        ({"apples": {"source": "apples"}, "j": {"source": "apples", "teaches": False}}, LabelError, "two domains"),
        ({"clean": {"source": "clean"}, "c": {"source": "clean"}}, LabelError, "right and wrong steps"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(
    tmp_path: Path, backbone: str, domains: Json, error: type[Exception], said: str
) -> None:
    stages = {
        "apples": read(write_rows(tmp_path / "a.jsonl", "apples", 8)),
        "clean": read(write_rows(tmp_path / "c.jsonl", "clean", 12, wrong=False)),
    }
    with pytest.raises(error, match=said):
        run_recipe(recipe(backbone, stages, domains=domains), tmp_path / "run")
