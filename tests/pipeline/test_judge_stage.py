"""A judge as a stage of a recipe: judgements are kept, abstentions counted, work is never done twice."""

import json
from pathlib import Path

import pytest

from stepward.errors import ConfigError
from stepward.pipeline.runner import Recipe, run_recipe
from stepward.storage.jsonl import read_records
from stepward.types import Json

SAMPLED: dict[str, Json] = {
    "problems": {"use": "world", "count": 2, "seed": 1, "world": {"domains": ["ages"], "min_steps": 3, "max_steps": 3}},
    "traces": {
        "use": "sample",
        "source": "problems",
        "policy": {"path": "quickstart"},
        "n": 1,
        "sampling": {"max_tokens": 40},
        "segmenter": "newline",
    },
}


def recipe(name: str, votes: int = 1, **stages: Json) -> Recipe:
    judge: Json = {"name": name, "policy": {"path": "quickstart"}, "most_tokens": 8, "votes": votes}
    stage: Json = {"use": "judge", "source": "traces", "judge": judge, **stages}
    return Recipe.of({"name": "judged", "seed": 0, "stages": {**SAMPLED, "judged": stage}})


def records(folder: Path, what: str) -> dict[str, dict[str, Json]]:
    return dict(read_records(folder / "judged" / f"{what}.jsonl"))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A judge that the quick start's model has words for."""
    path = tmp_path_factory.mktemp("judge") / "digits.yaml"
    path.write_text(
        'name: digits\nscope: prefix\nprompt: "{problem} {steps}"\nphases: []\nverdicts: {"1": 1, "0": 0}\n'
    )
    return str(path)


def test_every_trace_is_judged_and_scored(digits: str, tmp_path: Path) -> None:
    result = run_recipe(recipe(digits), tmp_path / "run")["judged"]
    assert (result["traces"], result["scored"], result["abstained"]) == (2, 2, 0)  # type: ignore[index, call-overload]
    scores = records(tmp_path / "run", "scores")
    for key, judged in records(tmp_path / "run", "judgements").items():
        assert scores[key]["values"] == judged["values"] and len(judged["ballots"]) == 1  # type: ignore[arg-type]
    spent = [entry for _, entry in read_records(tmp_path / "run" / "spend.jsonl") if entry["name"] == "judged"]  # type: ignore[index, call-overload]
    assert sum(entry["spend"].get("scorer_tokens", 0) for entry in spent) > 0  # type: ignore[union-attr, call-overload, index, misc]
    before = (tmp_path / "run" / "judged" / "judgements.jsonl").read_bytes()
    run_recipe(recipe(digits), tmp_path / "run")
    assert (tmp_path / "run" / "judged" / "judgements.jsonl").read_bytes() == before


def test_traces_that_nobody_judged_have_no_scores_unless_a_prior_is_stated(tmp_path: Path) -> None:
    silent = run_recipe(recipe("processbench-critic", votes=2), tmp_path / "silent")["judged"]
    assert silent["scored"] == 0 and silent["abstained"] == silent["votes"] > 0  # type: ignore[index, call-overload, operator]
    assert "0 of 2 traces scored" in json.dumps(silent)
    run_recipe(recipe("processbench-critic", votes=2, prior=0.7), tmp_path / "prior")
    assert {value for each in records(tmp_path / "prior", "scores").values() for value in each["values"]} == {0.7}  # type: ignore[union-attr]


def test_judges_that_do_not_exist_or_would_run_code_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no judge is called 'gnrm'"):
        recipe("gnrm")
    with pytest.raises(ConfigError, match="needs a runner"):
        run_recipe(recipe("genprm"), tmp_path / "code")
    with pytest.raises(ConfigError, match="does not know the verdict 'Yes'"):
        run_recipe(recipe("genrm"), tmp_path / "words")


def test_a_cascade_asks_about_the_uncertain_steps_of_a_fitted_band(digits: str, tmp_path: Path) -> None:
    judge: Json = {"name": digits, "policy": {"path": "quickstart"}}
    first: Json = {"use": "judge", "source": "traces", "judge": judge}
    fresh: Json = {**SAMPLED["problems"], "seed": 2, "count": 6}  # type: ignore[dict-item]
    stages: dict[str, Json] = {
        **SAMPLED,
        "fit_problems": fresh,
        "fit_traces": {**SAMPLED["traces"], "source": "fit_problems"},  # type: ignore[dict-item]
        "fit_labels": {"use": "label", "source": "fit_traces", "labeler": "world"},
        "fit_scores": {**first, "source": "fit_traces"},
        "first": first,
        "both": {
            "use": "cascade",
            "source": "traces",
            "first": "first",
            "judge": judge,
            "fit": {"scores": "fit_scores", "labels": "fit_labels", "trained_on": "traces", "budget": 0.5},
        },
    }
    run = run_recipe(Recipe.of({"name": "cascade", "seed": 0, "stages": stages}), tmp_path)
    both = run["both"]
    assert both["band"]["share"] <= 0.5 and both["low"] < 0.5 < both["high"]  # type: ignore[index, call-overload, operator]
    decisions = dict(read_records(tmp_path / "both" / "decisions.jsonl"))
    scores = dict(read_records(tmp_path / "both" / "scores.jsonl"))
    signals = [signal for each in decisions.values() for signal in each["signals"]]  # type: ignore[union-attr, index, call-overload]
    assert both["signals"] == {signal: signals.count(signal) for signal in set(signals)}  # type: ignore[index, call-overload]
    assert scores.keys() == decisions.keys() == dict(read_records(tmp_path / "first" / "scores.jsonl")).keys()


def test_a_judge_labels_as_a_stage_and_says_what_it_cost(digits: str, tmp_path: Path) -> None:
    said: Json = {
        "use": "label",
        "source": "traces",
        "labeler": {"use": "judge", "judge": digits, "votes": 1},
        "policy": {"path": "quickstart"},
    }
    run_recipe(Recipe.of({"name": "labelled", "seed": 0, "stages": {**SAMPLED, "said": said}}), tmp_path / "run")
    kept = [value for _, value in read_records(tmp_path / "run" / "said" / "labels.jsonl")]
    labels = [label for trace in kept for label in trace["labels"]]  # type: ignore[index, call-overload, union-attr]
    assert len(kept) == 2 and labels and all(label["source"] == "judge" and label["trials"] == 1 for label in labels)  # type: ignore[index, call-overload]
    assert all(trace["spend"]["scorer_tokens"] > 0 for trace in kept)  # type: ignore[index, call-overload, operator]
