from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from stepward.errors import ConfigError
from stepward.reward_models.readout import Readout
from stepward.training.loop import train
from stepward.training.spec import Descent, HeadFit, TrainSpec

FIT = HeadFit(penalties=(0.01,), folds=2, iterations=50)
STILL = Descent(epochs=1, learning_rate=1e-12, head_learning_rate=1e-12, weight_decay=0.0)


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_a_fitted_start_is_the_frozen_head_and_descent_goes_on_from_there(mode, tiny_backbone, example_set, tmp_path):
    frozen = TrainSpec(mode="frozen", head_fit=FIT, held_out=0.0)
    moved = replace(frozen, mode=mode, start="fitted", descent=STILL)
    train(example_set, frozen, backbone=tiny_backbone, out=tmp_path / "frozen")
    train(example_set, moved, backbone=tiny_backbone, out=tmp_path / "moved")
    train(example_set, replace(moved, start="zero"), backbone=tiny_backbone, out=tmp_path / "zero")
    heads = {name: load_file(tmp_path / name / "head.safetensors") for name in ("frozen", "moved", "zero")}
    for name, weight in heads["frozen"].items():
        torch.testing.assert_close(heads["moved"][name], weight, atol=1e-5, rtol=1e-5)
        assert float(heads["zero"][name].abs().max()) < 1e-6 < float(weight.abs().max())


@pytest.mark.parametrize(
    "wrong", [{"mode": "frozen"}, {"mode": "lora", "readout": Readout(layers=(), likelihood="step")}]
)
def test_a_fitted_start_without_a_head_that_descends_is_refused(wrong):
    with pytest.raises(ConfigError, match="modes lora and full"):
        TrainSpec(start="fitted", **wrong)
