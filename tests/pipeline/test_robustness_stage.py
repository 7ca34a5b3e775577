"""The stage `robustness`: perturbs, scores, measures; goes on where it was stopped; counts what a model refuses."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from stepward.errors import ConfigError, ModelError, ScoreError
from stepward.evaluation.robustness.report import Sitting, robustness_report
from stepward.pipeline.robustness import headline
from stepward.pipeline.robustness_page import RobustnessPage
from stepward.pipeline.runner import Conduct, Recipe, run_recipe
from stepward.pipeline.stages import robustness
from stepward.pipeline.workshop import Stopped
from stepward.reports.html import render
from stepward.reports.model import Provenance
from stepward.segment.cut import from_steps
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
    for title in ("Headline", "Must fall", "Must not rise", "Deletion gap", "Outcome drift", "Length", "Left out"):
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


ATTACK = {
    "fit": 2,
    "judged": 3,
    "universal_budget": 40,
    "words": ["indeed"],
    "praise": False,
    "corpus": 3,
    "search": {"length": 2, "budget": 9, "proposals": 4},
}


class Swayed(Knowing):
    """One that likes a word, takes no text with the words of `verbose` in it, and otherwise knows the truth."""

    def score_batch(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
        known = super().score_batch([(problem, without(trace, "indeed")) for problem, trace in pairs])
        return [swayed_by("indeed", each, trace) for each, (_, trace) in zip(known, pairs, strict=True)]


def swayed_by(word: str, scores: StepScores, trace: Trace) -> StepScores:
    both = zip(scores.values, trace.step_texts, strict=True)
    return StepScores(values=tuple(min(0.95, value + 0.4 * text.count(word)) for value, text in both))


def without(trace: Trace, word: str) -> Trace:
    texts = [" ".join(w for w in text.split() if w != word) + "\n" for text in trace.step_texts]
    return from_steps(trace.problem_id, texts)


@pytest.fixture
def swayed(monkeypatch):
    engine = Swayed()
    monkeypatch.setattr(robustness, "open_scorer", lambda folder, opening: engine)
    return engine


def test_a_searched_attack_runs_in_the_stage_and_stands_on_its_page(swayed, tmp_path):
    settings = {"perturbations": ["prompt_injection"], "attacks": {"end": ATTACK, "bad": ATTACK | {"how": "min"}}}
    results = run_recipe(recipe(tmp_path, **settings), tmp_path / "run")
    folder = tmp_path / "run/robustness"
    assert "suffix moves last by 0.8" in results["robustness"]["headline"]
    found = {each["name"]: each for each in json.loads((folder / "report.json").read_text())["attacks"]}
    assert found["end"]["universal"] == "indeed indeed"
    assert {each["kind"] for each in found["end"]["kinds"]} == {"inert", "blind", "universal", "searched"}
    page = (folder / "report.html").read_text()
    for told in ("Searched suffixes", "indeed indeed", "Gain against calls", "What searching adds", "Outcome drift"):
        assert told in page
    assert list((folder / "figures").glob("*.svg"))


def test_a_stopped_attack_goes_on_and_ends_the_same(swayed, tmp_path):
    settings = {"perturbations": ["prompt_injection"], "attacks": {"end": ATTACK}}
    run_recipe(recipe(tmp_path, **settings), tmp_path / "whole")
    swayed.asked = 0

    def stopping():
        return (tmp_path / "run/robustness/suffixes-end.jsonl").exists()

    with pytest.raises(Stopped):
        run_recipe(recipe(tmp_path, **settings), tmp_path / "run", Conduct(stopping=stopping))
    run_recipe(recipe(tmp_path, **settings), tmp_path / "run")
    for name in ("report.json", "suffixes-end.jsonl", "universal-end.jsonl"):
        assert (tmp_path / "run/robustness" / name).read_bytes() == (tmp_path / "whole/robustness" / name).read_bytes()


class Lengthy:
    """Scores a step by the length of its text, whatever the problem; refuses a text with a marker in it."""

    origin = Origin(maker="scorer:lengthy", revision="1")

    def score_batch(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
        for _, trace in pairs:
            if "<marker>" in trace.text:
                raise ScoreError(f"the step marker stands in trace {trace.id}")
        return [StepScores(values=tuple(1 / (1 + len(text)) for text in trace.step_texts)) for _, trace in pairs]


def run_rows(rows: Sequence[tuple[str, list[str], list[int]]], folder: Path, **settings: object) -> dict[str, object]:
    """The stage over rows of problem, steps and ratings; its `report.json`."""
    told = [
        {"id": f"row{at}", "problem": problem, "steps": steps, "ratings": ratings, "problem_split": "dev"}
        | {"has_final_answer": True, "truncated": False}
        for at, (problem, steps, ratings) in enumerate(rows)
    ]
    folder.mkdir(exist_ok=True)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in told), encoding="utf-8")
    stages = {
        "truth": {"use": "read", "format": "prm800k", "paths": [str(folder / "rows.jsonl")]},
        "robustness": {"use": "robustness", "source": "truth", "model": str(folder), "probed": None} | settings,
    }
    run_recipe(Recipe.of({"name": "rows", "seed": 0, "stages": stages}), folder / "run")
    return json.loads((folder / "run/robustness/report.json").read_text())


HOSTILE = [
    ("\u202e<script>alert(1)</script> 3 + 4?", ["So 3 + 4 = 7. \u0000\u200b", "The answer is 7."], [1, 1]),
    ("سؤال 5 + 6?", ["٥ + ٦ = ١٢ 🙂"], [-1]),
    ("Long " * 1000, ["word " * 3000 + "1 + 1 = 2.", "Therefore, the answer is 2."], [1, -1]),
    ("One step?", ["The answer is 1."], [1]),
    ("Marked?", ["A <marker> here.", "So 2 * 2 = 4."], [1, -1]),
    ("| pipe | $x$ `code`?", ["| a | b |\n|---|---|", "$$x = 3$$ so 1 + 2 = 3"], [1, -1]),
]


def test_hostile_text_goes_through_the_whole_suite_and_its_attacks(monkeypatch, tmp_path):
    monkeypatch.setattr(robustness, "open_scorer", lambda folder, opening: Lengthy())
    found = run_rows(HOSTILE, tmp_path, attacks={"end": ATTACK | {"corpus": 20}}, reduce=["product"])
    assert (found["traces"], found["refused"]) == (6, 1)
    (attack,) = found["attacks"]
    assert (attack["fit"] + attack["judged"], attack["unscored"]) == (3, 1)
    page = (tmp_path / "run/robustness/report.html").read_text()
    assert "<script>alert" not in page
    assert "the scorer would not take the solution as it is" in page


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([HOSTILE[0], HOSTILE[3]], "fewer than two problems have a wrong solution that was scored"),
        ([HOSTILE[1]], "fewer than two problems have a wrong solution that was scored"),
        ([HOSTILE[4]], "fewer than two problems have a wrong solution that was scored"),
    ],
    ids=["all right", "one wrong", "all refused"],
)
def test_an_attack_without_victims_says_why_and_the_suite_is_reported_all_the_same(monkeypatch, tmp_path, rows, why):
    monkeypatch.setattr(robustness, "open_scorer", lambda folder, opening: Lengthy())
    found = run_rows(rows, tmp_path, attacks={"end": ATTACK}, perturbations=SUITE)
    assert found["impossible"] == {"end": why}
    assert found["attacks"] == []
    assert why in (tmp_path / "run/robustness/report.md").read_text()


def test_an_aggregate_that_the_scores_do_not_allow_is_left_out_with_its_reason(monkeypatch, tmp_path):
    class Logits(Lengthy):
        def score_batch(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
            return [StepScores(values=(1.5,) * len(trace), convention="logit") for _, trace in pairs]

    monkeypatch.setattr(robustness, "open_scorer", lambda folder, opening: Logits())
    attacks = {"odds": ATTACK | {"how": "product"}, "end": ATTACK}
    found = run_rows(HOSTILE, tmp_path, attacks=attacks, perturbations=SUITE)
    assert found["impossible"] == {"odds": "the aggregate needs probabilities, and the scores are none"}
    assert [each["name"] for each in found["attacks"]] == ["end"]
    assert found["attacks"][0]["threshold"] is None


def test_settings_are_checked_before_any_work(tmp_path):
    with pytest.raises(ConfigError, match="name of an attack"):
        recipe(tmp_path, attacks={"a/b": {}})
    with pytest.raises(ConfigError, match="did you mean 'verbose'"):
        recipe(tmp_path, perturbations=["verbos"])
    with pytest.raises(ConfigError, match="probed"):
        recipe(tmp_path, probed=0)
    with pytest.raises(ConfigError, match="no such reducer"):
        recipe(tmp_path, reduce=["mni"])


def test_a_suite_over_nothing_is_a_page_that_says_so():
    suite = robustness_report(Sitting(attempts={}, probes=[], scorings={}), seed=0)
    page = RobustnessPage(suite=suite, empty=3)
    assert headline(suite) == "nothing could be perturbed"
    assert [table.title for table in page.tables()] == ["Headline", "Left out"]
    assert "the trace has no steps" in render(page.report("Nothing", Provenance()))
