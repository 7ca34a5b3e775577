"""Adapters of several domains on one backbone, trained in the tiny."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stepward.combine.routing import ByName
from stepward.errors import ModelError
from stepward.reward_models.process import ProcessRewardModel
from stepward.reward_models.several.adapter_experts import AdapterExperts
from stepward.training.loop import train
from stepward.training.spec import Adapter, Descent, HeadFit, TrainSpec

FAST = Descent(
    epochs=1, batch_tokens=600, evaluate_every=50, save_every=50, head_learning_rate=0.05, learning_rate=0.02
)
ROUTER = ByName(domains=("law", "maths"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path, example_set) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("adapters")
    found = {}
    for seed, domain in enumerate(("", "law", "maths")):
        spec = TrainSpec(mode="lora", descent=FAST, held_out=0.0, adapter=Adapter(rank=4), seed=seed)
        found[domain] = train(example_set, spec, backbone=tiny_backbone, out=place / f"{domain or 'shared'}").folder
    return found


def test_each_domain_is_read_with_its_own_adapter_on_one_backbone(folders: dict[str, Path], learnable) -> None:
    names = ("law", "maths", "cooking", "")
    pairs = [(replace(p, domain=names[k % 4]), labeled.trace) for k, (p, labeled) in enumerate(learnable[:12])]
    model = AdapterExperts.load(folders, ROUTER)
    alone = {domain: ProcessRewardModel.load(folder) for domain, folder in folders.items()}
    for _ in range(2):  # switching to and fro leaves nothing behind
        for (problem, trace), found in zip(pairs, model.score_batch(pairs), strict=True):
            expert = problem.domain if problem.domain in ("law", "maths") else ""
            assert found.scorer.settings["expert"] == expert
            (plain,) = alone[expert].score_batch([(problem, trace)])
            assert found.values == pytest.approx(plain.values, abs=1e-5)
    shared = model.score_shared(pairs)
    for pair, found in zip(pairs, shared, strict=True):
        assert found.values == pytest.approx(alone[""].score_batch([pair])[0].values, abs=1e-5)
    assert shared[0].values != model.score_batch(pairs)[0].values
    backbones = {id(expert.reader.backbone.model) for expert in model.experts.values()}
    assert len(backbones) == 1
    assert model.origin.settings["experts"] == ["law", "maths"]


def test_experts_that_do_not_fit_together_are_refused(
    folders: dict[str, Path], tmp_path: Path, tiny_backbone: Path, example_set
) -> None:
    with pytest.raises(ModelError, match="shared one"):
        AdapterExperts.load({"law": folders["law"]}, ROUTER)
    frozen = TrainSpec(mode="frozen", head_fit=HeadFit(penalties=(0.1,), iterations=20))
    other = train(example_set, frozen, backbone=tiny_backbone, out=tmp_path / "frozen").folder
    with pytest.raises(ModelError, match="is no adapter"):
        AdapterExperts.load({**folders, "law": other}, ROUTER)
    with pytest.raises(ModelError, match="called default"):
        AdapterExperts.load({**folders, "default": folders["law"]}, ROUTER)
