"""The stages relabel, agree, noise and pairs in a recipe: labels for later stages, and reports of what happened."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from stepward.codec import from_json, to_json
from stepward.config import build, describe
from stepward.datasets.native_write import NativeWriter
from stepward.datasets.reading import Example
from stepward.errors import ConfigError, ScoreError
from stepward.pipeline.runner import Recipe, run_recipe
from stepward.pipeline.stages.noise import noise_objective
from stepward.pipeline.workshop import Stage, Workshop
from stepward.segment.cut import from_steps
from stepward.storage.jsonl import read_records
from stepward.storage.run import Run
from stepward.types import Json, LabeledTrace, Problem, StepLabel, StepScores, Verdict

# Three traces of each of two problems: rollout counts of 8, and what people say.
ROLLED: dict[str, list[list[int]]] = {"p": [[8, 6, 0], [8, 0, 0], [7, 7, 7]], "q": [[0, 0], [8, 8], [3, 0]]}
HUMAN: dict[str, list[str]] = {"p": ["++-", "+-+", "+++"], "q": ["+-", "++", "+-"]}


def examples(labelled: dict[str, list[list[int]]] | dict[str, list[str]]) -> list[Example]:
    return [
        Example(problem=Problem(id=name, text=f"problem {name}", answer="1"), labeled=_labelled(name, place, row))
        for name, traces in labelled.items()
        for place, row in enumerate(traces)
    ]


def _labelled(name: str, place: int, row: list[int] | str) -> LabeledTrace:
    first = "begin" if place < 2 else "start"
    texts = [first if at == 0 else f"step {at} of trace {place}" for at in range(len(row))]
    labels = [
        StepLabel(target="prefix", value=float(item == "+"), source="human")
        if isinstance(item, str)
        else StepLabel(target="value", value=item / 8, source="rollout", successes=item, trials=8)
        for item in row
    ]
    trace = from_steps(name, texts, "\n", finish="length")
    verdict = Verdict(outcome="equal" if name == "q" or place == 2 else "different")
    return LabeledTrace(trace=trace, labels=tuple(labels), verdict=verdict)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    NativeWriter().write(tmp_path / "rolled.jsonl", examples(ROLLED))
    NativeWriter().write(tmp_path / "human.jsonl", examples(HUMAN))
    return tmp_path


def run(files: Path, stages: dict[str, Json]) -> dict[str, dict[str, Json]]:
    read: dict[str, Json] = {
        name: {"use": "read", "format": "native", "paths": [str(files / f"{name}.jsonl")]}
        for name in ("rolled", "human")
    }
    recipe = Recipe.of({"name": "t", "stages": {**read, **stages}})
    return run_recipe(recipe, files / "run")  # type: ignore[return-value]


def kept(files: Path, stage: str) -> list[str]:
    """The hard view of each trace of `stage`."""
    found = [from_json(LabeledTrace, value) for _, value in read_records(files / "run" / stage / "labels.jsonl")]
    return ["".join("?" if label is None else "+" if label.good else "-" for label in each.labels) for each in found]


def report(files: Path, stage: str) -> dict[str, Json]:
    found: dict[str, Json] = json.loads((files / "run" / stage / "report.json").read_text())
    return found


def test_a_source_is_relabelled_in_order_and_every_drop_is_accounted_for(files: Path) -> None:
    steps: Json = [{"use": "one_sided", "traces": 3}, "posterior_mean"]
    found = run(files, {"clean": {"use": "relabel", "source": "rolled", "steps": steps}})["clean"]
    assert (found["labels"], found["traces"]) == (9, 3), "problem q is always right"
    assert kept(files, "clean") == ["++-", "+--", "+++", "??", "??", "??"]
    first, second = report(files, "clean")["relabelers"]  # type: ignore[misc, str-unpack]
    assert (first["name"], first["bad"]) == ("one_sided", {"name": "bad", "before": 6, "dropped": 3})  # type: ignore[index, call-overload]
    assert (second["labels_after"], second["changed"], second["flipped"]) == (9, 9, 0)  # type: ignore[index, call-overload]
    text = (files / "run/clean/report.md").read_text()
    assert text.startswith("**What each relabeler did**") and "problems always right | 6 | 6" in text


def test_two_labellings_become_what_they_agree_on_and_pairs_of_it(files: Path) -> None:
    consensus: Json = {"use": "first_error", "target": "prefix"}
    stages: dict[str, Json] = {
        "both": {"use": "agree", "source": "rolled", "others": ["human"], "consensus": consensus},
        "pairs": {"use": "pairs", "source": "rolled", "rule": {"take": "all", "most": 2}},
        "agreed_pairs": {"use": "pairs", "source": "both"},
    }
    results = run(files, stages)
    assert results["both"]["outcomes"] == {"agree": 5, "differ": 1} and "kappa" in str(results["both"]["headline"])
    assert kept(files, "both") == ["++-", "+-?", "+++", "??", "++", "+-"]
    assert "first error at step 1" in (files / "run/both/report.md").read_text()
    rows = [json.loads(line) for line in (files / "run/pairs/preferences.jsonl").read_text().splitlines()]
    assert [(row["chosen"], row["rejected"]) for row in rows] == [
        *(("step 1 of trace 0", "step 1 of trace 1"), ("step 1 of trace 1", "step 1 of trace 0"))
    ]
    assert (results["pairs"]["pairs"], results["pairs"]["without_counts"]) == (2, 0)
    assert (results["agreed_pairs"]["pairs"], results["agreed_pairs"]["without_counts"]) == (1, 1)


def test_noise_becomes_the_settings_of_an_objective(files: Path) -> None:
    found = run(files, {"noise": {"use": "noise", "labels": "rolled", "truth": "human"}})["noise"]
    # of 10 good steps one is never completed rightly (q, trace 0) and one only after people's error; of 5 bad, one is
    objective = found["objective"]
    assert objective == report(files, "noise")["objective"]
    assert objective == {"use": "noisy", "false_bad": 2.5 / 12, "false_good": 0.5 / 5}
    assert found["rollouts"]["trials"] == 8  # type: ignore[index, call-overload]


@pytest.fixture
def shop(files: Path) -> Iterator[Workshop]:
    """A stage that looks at a run of which `rolled`, `human` and the scores of two heads are there."""
    with Run.open(files / "shop", {"name": "t"}) as opened:
        for name, rows in (("rolled", examples(ROLLED)), ("human", examples(HUMAN)[:4])):
            for at, row in enumerate(rows):
                key = f"{row.problem.id}/{at}"
                if at in (0, 3):
                    opened.records(f"{name}/problems").append(row.problem.id, to_json(row.problem))
                opened.records(f"{name}/labels").append(key, to_json(row.labeled))
                if name == "rolled":
                    signs = [label.good for label in examples(HUMAN)[at].labeled.labels if label]
                    for head, sure in (("one", 0.95), ("two", 0.96)):
                        values = tuple(sure if good else 1 - sure for good in signs)
                        opened.records(f"{head}/scores").append(key, to_json(StepScores(values=values)))
        yield Workshop(run=opened, stage="made", seed=0, stages=(), sources={})


def stage(**fields: Json) -> Stage:
    made = cast("Stage", build("stage", fields))
    assert build("stage", describe(made)) == made
    return made


def made_labels(shop: Workshop) -> str:
    found = shop.load("labels", LabeledTrace, "made").values()
    return " ".join("".join("?" if x is None else "+" if x.good else "-" for x in each.labels) for each in found)


def test_filters_compare_labels_with_the_scores_of_other_stages_and_leave_no_trace_of_them(shop: Workshop) -> None:
    stage(use="relabel", source="rolled", steps=["scorer_disagreement", "trusted"], scores=["one", "two"]).run(shop)
    assert made_labels(shop) == "++- +-? +++ ?- ++ +-"
    assert not any(each.meta for each in shop.load("labels", LabeledTrace, "made").values())
    with pytest.raises(ConfigError, match="made no scores"):
        stage(use="relabel", source="rolled", steps=["trusted"], scores=["human"]).run(shop)


def test_scores_must_cover_every_trace(shop: Workshop) -> None:
    shop.run.records("three/scores").append("p/0", to_json(StepScores(values=(0.5, 0.5, 0.5))))
    with pytest.raises(ScoreError, match="stage 'three' did not score every trace; got 'p/1'"):
        stage(use="relabel", source="rolled", steps=["trusted"], scores=["three"]).run(shop)


def test_a_trace_that_the_other_stage_did_not_label_gets_no_label_and_is_counted(shop: Workshop) -> None:
    found = stage(use="agree", source="rolled", others=["human"], consensus={"use": "same_step", "target": "prefix"})
    result = cast("dict[str, Json]", found.run(shop))
    assert result["outcomes"] == {"alone": 2}
    assert made_labels(shop) == "++- +-? +++ ?- ?? ??"


def test_noise_without_truth_is_asked_of_a_scorer(shop: Workshop) -> None:
    result = cast("dict[str, Json]", stage(use="noise", labels="rolled", scores="one").run(shop))
    assert result["objective"] == {"use": "noisy", "false_bad": 2.5 / 12, "false_good": 0.5 / 5}


def test_a_training_stage_takes_the_rates_of_a_noise_stage(shop: Workshop) -> None:
    stage(use="noise", labels="rolled", truth="human").run(shop)
    objective = noise_objective(shop, "made")
    assert type(objective).__name__ == "NoiseCorrected" and objective.false_bad > 0  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="stage 'human' has no rates"):
        noise_objective(shop, "human")
    with pytest.raises(ConfigError, match="objective: noisy"):
        stage(use="train", source="rolled", backbone="quickstart", noise="made")
    stage(use="train", source="rolled", backbone="quickstart", objective="noisy", noise="made")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"use": "relabel", "source": "rolled", "steps": []}, "at least one relabeler"),
        ({"use": "agree", "source": "rolled", "others": [], "consensus": "first_error"}, "another stage"),
        ({"use": "noise", "labels": "rolled"}, "either truth or scores"),
        ({"use": "relabel", "source": "rolled", "steps": [{"use": "few_trails"}]}, "did you mean 'few_trials'"),
        ({"use": "pairs", "source": "rolled", "rule": {"sure": 2.0}}, "sure"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_named_before_any_work(fields: dict[str, Json], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build("stage", fields)
