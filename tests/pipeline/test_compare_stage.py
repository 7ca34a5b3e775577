"""Searches compared: the arithmetic, the stage and its page."""

import json
from pathlib import Path

import pytest

from stepward.errors import ConfigError, LabelError
from stepward.evaluation.compare import Attempt, compare
from stepward.pipeline.runner import Recipe, run_recipe
from stepward.search.presets import METHODS, preset
from stepward.types import Json, Spend


def attempt(arm: str, problem: int, correct: bool | None, flops: float = 1.0, seed: int = 0) -> Attempt:
    return Attempt(arm=arm, problem_id=f"p{problem}", seed=seed, correct=correct, spend=Spend(flops=flops))


def test_arms_are_compared_on_the_same_problems() -> None:
    rows = [attempt("a", p, p < 6, 4.0) for p in range(10)] + [attempt("b", p, p < 5, 2.0) for p in range(10)]
    rows += [attempt("c", p, p < 5, 3.0) for p in range(10)]
    found = compare(rows, seed=0)
    a, b, c = found.arms
    assert (a.accuracy.value, b.accuracy.value) == (0.6, 0.5)
    assert ("flops" in a.pareto, "flops" in b.pareto, "flops" in c.pareto) == (True, True, False)
    difference = found.difference("a", "b", seed=0)
    assert difference.value == pytest.approx(0.1) and difference.low <= 0.1 <= difference.high
    assert found.gap_closed("a", {f"p{p}": (0.5, float(p < 7)) for p in range(10)}) == pytest.approx(0.5)
    assert found.gap_closed("a", {"p0": (1.0, 1.0)}) is None


def test_seeds_are_averaged_within_a_problem() -> None:
    rows = [attempt("a", p, (p + s) % 2 == 0, seed=s) for p in range(8) for s in (0, 1)]
    found = compare(rows, seed=0)
    assert found.arms[0].accuracy.low == found.arms[0].accuracy.high == 0.5
    assert found.arms[0].by_seed == (0.5, 0.5) and found.arms[0].problems == 8


def test_an_undecided_answer_takes_its_problem_out_for_every_arm() -> None:
    rows = [attempt("a", 0, None), attempt("a", 1, True), attempt("b", 0, True), attempt("b", 1, False)]
    found = compare(rows, seed=0)
    assert [arm.accuracy.value for arm in found.arms] == [1.0, 0.0] and found.arms[0].undecided == 1


def test_a_lopsided_comparison_is_refused() -> None:
    with pytest.raises(LabelError, match="every arm"):
        compare([attempt("a", 0, True), attempt("b", 1, True)], seed=0)
    with pytest.raises(LabelError, match="decided"):
        compare([attempt("a", 0, None)], seed=0)
    with pytest.raises(LabelError):
        compare([], seed=0)


def _recipe(**changes: Json) -> dict[str, Json]:
    sampling: dict[str, Json] = {"max_tokens": 40}
    stage: dict[str, Json] = {
        "use": "compare",
        "source": "problems",
        "policy": {"path": "quickstart"},
        "arms": {
            "majority@2": {"search": preset("majority", 2, sampling=sampling, reduce="min")},
            "majority@4": {"search": preset("majority", 4, sampling=sampling, reduce="min")},
        },
        "seeds": [0, 1],
        "pool": "majority@4",
    }
    problems: dict[str, Json] = {"use": "world", "count": 4, "seed": 1, "world": {"domains": ["ages"], "max_steps": 3}}
    return {"name": "mini", "stages": {"problems": problems, "compared": {**stage, **changes}}}


def test_the_stage_writes_numbers_and_a_page(tmp_path: Path) -> None:
    results = run_recipe(Recipe.of(_recipe()), tmp_path / "run")
    record = json.loads((tmp_path / "run" / "compared" / "comparison.json").read_text())
    assert [arm["arm"] for arm in record["arms"]] == ["majority@2", "majority@4"]
    assert record["against"] == "majority@2" and len(record["problems"]) == 4
    assert record["arms"][1]["cost"]["policy_tokens"] > record["arms"][0]["cost"]["policy_tokens"] > 0
    page = (tmp_path / "run" / "compared" / "report.html").read_text()
    assert "Searches compared" in page and "majority@4" in page
    assert isinstance(results["compared"], dict) and "Most often right" in str(results["compared"]["headline"])


@pytest.mark.parametrize(
    "changes", [{"against": "beam"}, {"seeds": []}, {"seeds": [1, 1]}, {"arms": {}}, {"pool": "nobody"}]
)
def test_a_comparison_that_cannot_be_made_is_refused_before_it_runs(changes: dict[str, Json]) -> None:
    with pytest.raises(ConfigError):
        Recipe.of(_recipe(**changes))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1, 4, 16])
def test_every_preset_is_a_search(method: str, size: int) -> None:
    from stepward.config import build

    spec = preset(method, size, sampling={"max_tokens": 8}, reduce="min")
    assert hasattr(build("search", spec), "solve")


def test_an_unknown_preset_names_its_neighbour() -> None:
    with pytest.raises(ConfigError, match="rebase"):
        preset("rebaze", 4, sampling={}, reduce="min")
