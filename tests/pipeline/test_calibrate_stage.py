"""Calibration by domain in a recipe: problems that taught are refused, figures come from problems left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stepward.calibrate import PerDomain, Platt, from_json, problem_key
from stepward.codec import to_json
from stepward.config import build
from stepward.errors import ConfigError
from stepward.pipeline.workshop import Workshop
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.checkpoint import Card, Checkpoint, read_card
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.process import ProcessRewardModel
from stepward.reward_models.tiny import TinyBackbone
from stepward.reward_models.trained_on import write_trained_on
from stepward.storage.run import Run
from stepward.types import Json, LabeledTrace, Problem, Step, StepLabel, StepScores, Trace

DOMAINS = ("law", "maths")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    """Scores that are two units of log-odds too high in law; three steps a trace, sixty problems."""
    with Run.open(tmp_path / "run", {"name": "t"}) as run:
        rng = np.random.default_rng(0)
        for index in range(60):
            domain = DOMAINS[index % 2]
            problem = Problem(id=f"p{index}", text=f"what is a {index} ?", domain=domain)
            trace = Trace(problem_id=problem.id, text="a\nb\nc\n", steps=(Step(0, 2), Step(2, 4), Step(4, 6)))
            true = rng.normal(0, 1.5, 3)
            values = 1 / (1 + np.exp(-true - 2.0 * (domain == "law")))
            good = rng.random(3) < 1 / (1 + np.exp(-true))
            labels = tuple(StepLabel(target="validity", value=float(each), source="human") for each in good)
            run.records("cal/problems").append(problem.id, to_json(problem))
            run.records("cal/labels").append(problem.id, to_json(LabeledTrace(trace=trace, labels=labels)))
            run.records("scored/scores").append(problem.id, to_json(StepScores(values=tuple(values.tolist()))))
        model(tmp_path / "backbone", run.path("raw/model"))
        yield workshop(run, "prm")


def model(backbone: Path, out: Path) -> None:
    folder = TinyBackbone().write(backbone, ["what is a b c ? 0 1 2 3 4 5 6 7 8 9", *"abc0123456789?", "what", "is"])
    opened = Backbone.open(folder, STEPWARD_DEFAULT)
    card = Card(
        kind="prm",
        format=replace(STEPWARD_DEFAULT, target="validity"),
        mode="frozen",
        backbone=str(folder),
        backbone_revision=opened.revision,
    )
    head = ScoreHead(opened.width)
    torch.nn.init.constant_(head.out.bias, 1.0)
    Checkpoint(card=card, backbone=opened, head=head).save(out)


def workshop(run: Run, stage: str) -> Workshop:
    return Workshop(run=run, stage=stage, seed=0, stages=(), sources={"again": "scored", "scored": "cal"})


def calibrate(shop: Workshop, **fields: Json) -> dict[str, Json]:
    stage = build("stage", {"use": "calibrate", "model": "raw", "scores": "scored", "labels": "cal", **fields})
    return stage.run(shop)  # type: ignore[attr-defined, no-any-return]


def test_domains_apart_travel_with_the_checkpoint_and_act_on_the_problems_domain(shop: Workshop) -> None:
    result = calibrate(shop, domains="apart", fewest=50)
    figures = result["on problems left out"]
    assert figures["ece before"] > 0.15 and figures["brier after"] < figures["brier before"]  # type: ignore[index, call-overload, operator]
    card = read_card(shop.folder("model"))
    assert card.calibrator is not None
    fitted = from_json(card.calibrator)
    assert isinstance(fitted, PerDomain) and set(fitted.by_domain) == set(DOMAINS)
    scorer = ProcessRewardModel.load(shop.folder("model"))
    trace = Trace(problem_id="p", text="a\n", steps=(Step(0, 2),))
    law, maths, other = scorer.score_batch(
        [(Problem(id="p", text="what is a ?", domain=domain), trace) for domain in (*DOMAINS, "cooking")]
    )
    raw = 1 / (1 + np.exp(-1.0))
    assert law.values == pytest.approx(fitted.by_domain["law"].transform([raw]), abs=1e-6)
    assert maths.values == pytest.approx(fitted.by_domain["maths"].transform([raw]), abs=1e-6)
    assert other.values == pytest.approx(fitted.pooled.transform([raw]), abs=1e-6)
    assert (law.scorer.settings["domain"], other.scorer.settings["domain"]) == ("law", "pooled")
    assert law.values[0] < maths.values[0] - 0.1


def test_scores_are_put_through_the_map_of_their_problems_domain(shop: Workshop) -> None:
    calibrate(shop, domains="apart", fewest=50)
    again = workshop(shop.run, "again")
    build("stage", {"use": "calibrate_scores", "source": "scored", "model": "prm"}).run(again)  # type: ignore[attr-defined]
    fitted = from_json(read_card(shop.folder("model")).calibrator or {})
    assert isinstance(fitted, PerDomain)
    before, after = dict(shop.run.records("scored/scores")), dict(shop.run.records("again/scores"))
    for key, domain in (("p0", "law"), ("p1", "maths")):
        expected = fitted.by_domain[domain].transform(before[key]["values"])  # type: ignore[index, call-overload, arg-type]
        assert after[key]["values"] == pytest.approx(expected.tolist())  # type: ignore[index, call-overload]


def test_problems_that_taught_the_model_are_refused_whatever_their_ids(shop: Workshop) -> None:
    taught = Problem(id="another id", text="what is a 7 ?")
    write_trained_on(shop.folder("model", "raw"), [problem_key(taught)])
    with pytest.raises(ConfigError, match=r"1 problems also taught the model in .*got \['p7'\]"):
        calibrate(shop)


def test_a_fit_that_cannot_be_checked_says_so(shop: Workshop) -> None:
    few = workshop(shop.run, "few")
    kept = [(key, record) for key, record in shop.run.records("cal/labels") if key in ("p0", "p1", "p2")]
    for key, record in shop.run.records("cal/problems"):
        shop.run.records("three/problems").append(key, record)
    shop.run.records("three/labels").append_many(kept)
    stage = build("stage", {"use": "calibrate", "model": "raw", "scores": "scored", "labels": "three"})
    found = stage.run(few)["on problems left out"]  # type: ignore[attr-defined]
    assert found.startswith("not measured: cross-fitting needs two folds")


def test_an_uncalibrated_model_is_as_it_was(shop: Workshop) -> None:
    calibrate(shop)
    assert isinstance(from_json(read_card(shop.folder("model")).calibrator or {}), Platt)
    pair = (Problem(id="p", text="what is a ?"), Trace(problem_id="p", text="a\n", steps=(Step(0, 2),)))
    raw = ProcessRewardModel.load(shop.folder("model"), calibrated=False).score_batch([pair])[0]
    assert raw.values == ProcessRewardModel.load(shop.folder("model", "raw")).score_batch([pair])[0].values
