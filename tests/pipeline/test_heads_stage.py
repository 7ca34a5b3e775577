"""Further heads in a recipe: added to a frozen model, read by the score stage."""

from __future__ import annotations

from pathlib import Path

import pytest

from stepward.errors import ModelError
from stepward.pipeline.runner import Recipe, run_recipe
from stepward.storage.jsonl import read_records
from stepward.types import Json

WORLD: Json = {"domains": ["ages"], "min_steps": 3, "max_steps": 4, "max_distractors": 0}
FIT: Json = {"penalties": [0.1], "iterations": 15}
BASE: dict[str, Json] = {
    "problems": {"use": "world", "count": 6, "seed": 1, "world": WORLD},
    "traces": {
        "use": "sample",
        "source": "problems",
        "policy": {"path": "quickstart"},
        "n": 3,
        "sampling": {"max_tokens": 40},
    },
    "truth": {"use": "label", "source": "traces", "labeler": "world"},
    "raw": {"use": "train", "source": "truth", "backbone": "quickstart", "mode": "frozen", "head_fit": FIT},
}


def scores(folder: Path, stage: str) -> dict[str, list[float]]:
    return {key: record["values"] for key, record in read_records(folder / stage / "scores.jsonl")}  # type: ignore[index, call-overload, misc]


def test_an_ensemble_is_added_and_its_low_ends_lie_below_its_middle(tmp_path: Path) -> None:
    stages: dict[str, Json] = {
        **BASE,
        "sure": {"use": "heads", "model": "raw", "source": "truth", "count": 3, "head_fit": FIT},
        "own": {"use": "score", "source": "traces", "model": "sure"},
        "plain": {"use": "score", "source": "traces", "model": "raw"},
        "middle": {"use": "score", "source": "traces", "model": "sure", "read": "middle"},
        "low": {"use": "score", "source": "traces", "model": "sure", "read": "low"},
    }
    folder = tmp_path / "run"
    results = run_recipe(Recipe.of({"name": "heads", "seed": 0, "stages": stages}), folder)
    assert results["sure"] == {"added": "ensemble", "examples": 18, "heads": 3}
    assert scores(folder, "own") == scores(folder, "plain"), "the model's own head is as it was"
    middle, low = scores(folder, "middle"), scores(folder, "low")
    pairs = [(m, n) for key in middle for m, n in zip(middle[key], low[key], strict=True)]
    assert pairs and all(n <= m for m, n in pairs) and any(n < m for m, n in pairs)


def test_experts_are_added_for_the_domains_with_labels_enough(tmp_path: Path) -> None:
    own: Json = {"fewest": 10, "fewest_each": 1}
    stages: dict[str, Json] = {
        **BASE,
        "many": {"use": "heads", "model": "raw", "source": "truth", "add": "experts", "experts": own, "head_fit": FIT},
        "routed": {"use": "score", "source": "traces", "model": "many", "read": "experts"},
    }
    folder = tmp_path / "run"
    results = run_recipe(Recipe.of({"name": "heads", "seed": 0, "stages": stages}), folder)
    assert results["many"]["domains"] and results["many"]["too small"] == []  # type: ignore[index, call-overload]
    assert len(scores(folder, "routed")) == 18
    stored = dict(read_records(folder / "routed" / "scores.jsonl"))
    experts = {record["scorer"]["settings"]["expert"] for record in stored.values()}  # type: ignore[index, call-overload]
    assert experts == set(results["many"]["domains"])  # type: ignore[index, call-overload, arg-type]


def test_a_model_without_further_heads_is_refused_where_they_are_asked_for(tmp_path: Path) -> None:
    stages: dict[str, Json] = {**BASE, "low": {"use": "score", "source": "traces", "model": "raw", "read": "low"}}
    with pytest.raises(ModelError, match="no ensemble"):
        run_recipe(Recipe.of({"name": "heads", "seed": 0, "stages": stages}), tmp_path / "run")
