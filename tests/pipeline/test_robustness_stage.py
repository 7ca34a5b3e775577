"""The stage `robustness`: perturbs, scores, measures; goes on where it was stopped; counts what a model refuses."""

import json
from collections.abc import Sequence

import pytest

from stepward.errors import ConfigError, ModelError
from stepward.pipeline.runner import Conduct, Recipe, run_recipe
from stepward.pipeline.stages import robustness
from stepward.pipeline.workshop import Stopped
from stepward.storage.jsonl import read_records
from stepward.types import Origin, Problem, StepScores, Trace
from stepward.world.checker import WorldChecker

SUITE = ["numeric_corruption", "verbose", "inert_deletion", "necessary_deletion", "prompt_injection"]


class Knowing:
    """An engine that knows the world's truth, and takes no text with the words of `verbose` in it."""

    origin = Origin(maker="scorer:knowing", revision="1")

    def __init__(self) -> None:
        self.asked = 0

    def score_batch(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
        self.asked += 1
        for _, trace in pairs:
            if "part of" in trace.text:
                raise ModelError(f"trace {trace.id} is foreign to this model")
        labels = [WorldChecker().check(problem, trace).labels for problem, trace in pairs]
        return [StepScores(values=tuple(label.value * 0.8 + 0.1 for label in row)) for row in labels]


@pytest.fixture
def engine(monkeypatch):
    knowing = Knowing()
    monkeypatch.setattr(robustness, "open_scorer", lambda folder, opening: knowing)
    return knowing


def recipe(folder, **settings):
    world = {"domains": ["ages"], "min_steps": 3, "max_steps": 4, "max_distractors": 0}
    sampling = {"max_tokens": 60, "temperature": 1.5}
    stages = {
        "problems": {"use": "world", "count": 6, "seed": 1, "world": world},
        "traces": {
            "use": "sample",
            "source": "problems",
            "policy": {"path": "quickstart"},
            "n": 3,
            "sampling": sampling,
        },
        "truth": {"use": "label", "source": "traces", "labeler": "world"},
        "robustness": {"use": "robustness", "source": "truth", "model": str(folder), "reduce": ["product"]}
        | {"perturbations": SUITE, "chunk": 8}
        | settings,
    }
    return Recipe.of({"name": "robust", "seed": 2, "stages": stages})


def test_the_suite_runs_in_a_recipe_and_counts_what_is_refused(engine, tmp_path):
    results = run_recipe(recipe(tmp_path), tmp_path / "run")
    assert "seen least" in results["robustness"]["headline"]
    found = json.loads((tmp_path / "run/robustness/report.json").read_text())
    by_name = {each["name"]: each for each in found["perturbations"]}
    assert by_name["numeric_corruption"]["auroc"]["value"] == 1.0
    assert by_name["verbose"]["refused"]
    assert set(by_name["verbose"]["refused"]) == {"trace ... is foreign to this model"}
    assert [gap["how"] for gap in found["deletion"]] == ["product"]
    page = (tmp_path / "run/robustness/report.md").read_text()
    for title in ("Must fall", "Must not rise", "Deletion gap", "Habits", "Left out"):
        assert title in page
    kept = dict(read_records(tmp_path / "run/robustness/traces.jsonl"))
    assert {key.partition("/")[0] for key in kept} == set(SUITE)


def test_a_stopped_run_goes_on_and_scores_nothing_twice(engine, tmp_path):
    whole = run_recipe(recipe(tmp_path), tmp_path / "whole")
    asked, engine.asked = engine.asked, 0

    def stopping():
        return engine.asked >= 2

    with pytest.raises(Stopped):
        run_recipe(recipe(tmp_path), tmp_path / "run", Conduct(stopping=stopping))
    resumed = run_recipe(recipe(tmp_path), tmp_path / "run")
    assert engine.asked == asked
    assert resumed == whole
    for name in ("report.json", "report.md", "scorings.jsonl"):
        assert (tmp_path / "run/robustness" / name).read_bytes() == (tmp_path / "whole/robustness" / name).read_bytes()


def test_settings_are_checked_before_any_work(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'verbose'"):
        recipe(tmp_path, perturbations=["verbos"])
    with pytest.raises(ConfigError, match="probed"):
        recipe(tmp_path, probed=0)
    with pytest.raises(ConfigError, match="no such reducer"):
        recipe(tmp_path, reduce=["mni"])
