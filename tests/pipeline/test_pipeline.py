import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from mini import mini_recipe

from stepward.errors import ConfigError
from stepward.pipeline.runner import Conduct, Recipe, run_recipe, write_again
from stepward.pipeline.workshop import Stopped
from stepward.storage.jsonl import read_records

TABLES = ("headline.json", "steps/quality.json", "chosen/curves.json", "label_quality/quality.json")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "unbroken"
    run_recipe(Recipe.of(mini_recipe()), folder)
    return folder


def tables(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text() for name in TABLES}


class StopAfter:
    """Asks to stop at the n-th question."""

    def __init__(self, n: int) -> None:
        self.left = n

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_a_run_makes_records_tables_models_and_a_report(finished: Path) -> None:
    page = (finished / "report.html").read_text()
    assert "Headline" in page and "http://" not in page.replace("http://www.w3.org", "")
    assert (finished / "prm" / "model" / "stepward.json").exists()
    assert len(list(read_records(finished / "traces" / "traces.jsonl"))) == 32
    headline = json.loads((finished / "headline.json").read_text())
    assert any("best by prm_scores (min)" in str(row) for row in headline["rows"])
    recipe = (finished / "run.yaml").read_text()
    assert "learning_rate" in recipe, "the resolved recipe holds defaults too"


def test_equal_traces_of_a_chunk_are_paid_for_once(finished: Path) -> None:
    ledger = [entry for _, entry in read_records(finished / "spend.jsonl") if entry["name"] == "calibration_scores"]  # type: ignore[index, call-overload]
    stored = [record for _, record in read_records(finished / "calibration_scores" / "scores.jsonl")]
    tokens = [record.get("spend", {}).get("scorer_tokens", 0) for record in stored]  # type: ignore[union-attr]
    assert sum(tokens) == sum(entry["spend"]["scorer_tokens"] for entry in ledger)  # type: ignore[index, call-overload]
    assert tokens.count(0) > 0, "the recipe's pools hold equal traces"


def test_a_run_stopped_again_and_again_ends_with_the_same_tables(finished: Path, tmp_path: Path) -> None:
    recipe = Recipe.of(mini_recipe())
    folder, stops = tmp_path / "broken", 0
    while True:
        try:
            run_recipe(recipe, folder, Conduct(stopping=StopAfter(3)))
            break
        except Stopped:
            stops += 1
            assert stops < 60
    assert stops > 5
    assert tables(folder) == tables(finished)


def test_a_finished_run_does_nothing_again_and_its_report_can_be_rewritten(finished: Path) -> None:
    before = tables(finished)
    page = (finished / "report.html").read_bytes()
    run_recipe(Recipe.of(mini_recipe()), finished, Conduct(stopping=lambda: True))
    assert write_again(finished) == finished / "report.html"
    assert tables(finished) == before
    assert (finished / "report.html").read_bytes() == page


def test_a_run_refuses_to_go_on_with_another_recipe(finished: Path) -> None:
    changed = mini_recipe()
    changed["seed"] = 4
    with pytest.raises(ConfigError, match="seed: 3 -> 4"):
        run_recipe(Recipe.of(changed), finished)


def broken(stage: str, **fields: object) -> dict[str, object]:
    mapping = mini_recipe()
    mapping["stages"][stage] |= fields  # type: ignore[index, call-overload, operator]
    return mapping  # type: ignore[return-value]


def cases() -> Iterator[tuple[dict[str, object], str]]:
    yield broken("traces", source="problem"), "stages.traces.source names no earlier stage"
    yield broken("traces", m=4), "stages.traces.m is no field of SampleTraces"
    yield broken("traces", n=0), "stages.traces"
    yield broken("labels", labeler="rolout"), "stages.labels.labeler.*rollout"
    yield broken("prm_raw", objective="bec"), "bce"
    yield {"name": "x", "stages": {}}, "needs a name, stages"
    yield {"name": "x", "stage": {}}, "stages"


def test_a_wrong_recipe_is_refused_before_any_work_with_the_path_of_the_mistake() -> None:
    for mapping, message in cases():
        with pytest.raises(ConfigError, match=message):
            Recipe.of(mapping)  # type: ignore[arg-type]


def test_calibrating_on_the_training_problems_is_refused(tmp_path: Path) -> None:
    mapping = mini_recipe()
    asked = ("problems", "traces", "truth", "prm_raw")
    stages = {name: mapping["stages"][name] for name in asked}  # type: ignore[index, call-overload]
    stages["scores"] = {"use": "score", "source": "traces", "model": "prm_raw"}
    stages["prm"] = {
        "use": "calibrate",
        "model": "prm_raw",
        "scores": "scores",
        "labels": "truth",
        "trained_on": "truth",
    }
    with pytest.raises(ConfigError, match="problems also taught the model in"):
        run_recipe(Recipe.of(mapping | {"stages": stages}), tmp_path / "run")
