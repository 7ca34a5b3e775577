from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from stepward.errors import ModelError
from stepward.reward_models.backbone import Backbone, open_codec, revision_of
from stepward.reward_models.checkpoint import CARD, Card, load_checkpoint, read_card, set_calibrator
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.process import ProcessRewardModel
from stepward.reward_models.readout import Readout
from stepward.reward_models.tiny import TinyBackbone


def test_a_card_survives_json(checkpoint):
    card = read_card(checkpoint)
    assert Card.from_json(json.loads(json.dumps(card.to_json()))) == card


def test_a_full_checkpoint_holds_its_own_weights(make_checkpoint, pairs, tiny_folder):
    folder = make_checkpoint(mode="full", backbone="/nowhere")
    frozen = ProcessRewardModel.load(make_checkpoint("frozen"))
    full = ProcessRewardModel.load(folder)
    assert [s.values for s in full.score_batch(pairs)] == [s.values for s in frozen.score_batch(pairs)]
    assert full.reader.backbone.codec.marker_is_new is False


def test_a_moved_backbone_can_be_named(checkpoint, tiny_folder, tmp_path):
    moved = shutil.copytree(tiny_folder, tmp_path / "moved")
    card = read_card(checkpoint)
    (checkpoint / CARD).write_text(json.dumps(replace(card, backbone="/gone").to_json()))
    with pytest.raises(ModelError, match="/gone is not a model folder"):
        load_checkpoint(checkpoint)
    assert load_checkpoint(checkpoint, backbone=moved).backbone.path == moved


def test_another_backbone_of_the_same_shape_is_refused(checkpoint, tmp_path):
    words = ["two plus three"]
    other = TinyBackbone(seed=5).write(tmp_path / "other", words)
    with pytest.raises(ModelError, match="is not the backbone of"):
        load_checkpoint(checkpoint, backbone=other)


def test_the_revision_depends_on_weights_and_calibrator_but_not_on_the_place(make_checkpoint, tiny_folder, tmp_path):
    one, two = load_checkpoint(make_checkpoint("a")), load_checkpoint(make_checkpoint("b"))
    assert one.revision == two.revision
    assert revision_of(tiny_folder) == revision_of(shutil.copytree(tiny_folder, tmp_path / "copy"))
    set_calibrator(tmp_path / "b", {"calibrator": "temperature", "t": 2.0})
    assert load_checkpoint(tmp_path / "b").revision != one.revision


def test_what_is_no_checkpoint_is_refused(tmp_path, tiny_folder):
    with pytest.raises(ModelError, match=r"no stepward.json; got 'no such folder'"):
        load_checkpoint(tmp_path / "none")
    with pytest.raises(ModelError, match=r"not a Stepward checkpoint.*config.json"):
        load_checkpoint(tiny_folder)


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 1}', '{"format": {}, "readout": {}}'])
def test_a_damaged_card_is_refused(checkpoint, content):
    (checkpoint / CARD).write_text(content)
    with pytest.raises(ModelError, match=r"stepward.json is no card"):
        load_checkpoint(checkpoint)


def test_a_damaged_calibrator_is_refused(checkpoint):
    set_calibrator(checkpoint, {"calibrator": "temperature", "t": -1.0})
    with pytest.raises(ModelError, match="t must be above 0"):
        load_checkpoint(checkpoint)


def test_a_missing_head_is_refused(checkpoint):
    (checkpoint / "head.safetensors").unlink()
    with pytest.raises(ModelError, match=r"head.safetensors is missing"):
        load_checkpoint(checkpoint)


def test_a_head_that_is_no_safetensors_file_is_refused(checkpoint):
    torch.save({"out.weight": torch.zeros(1)}, checkpoint / "head.safetensors")
    with pytest.raises(ModelError, match="no safetensors file"):
        load_checkpoint(checkpoint)


def test_a_head_of_another_width_is_refused(checkpoint):
    save_file({"out.weight": torch.zeros(1, 99), "out.bias": torch.zeros(1)}, checkpoint / "head.safetensors")
    with pytest.raises(ModelError, match=r"\(1, 16\).*\(1, 99\)"):
        load_checkpoint(checkpoint)


def test_a_head_with_weights_that_are_not_finite_is_refused(checkpoint):
    weights = load_file(checkpoint / "head.safetensors")
    weights["out.weight"][0, 3] = float("inf")
    save_file(weights, checkpoint / "head.safetensors")
    with pytest.raises(ModelError, match=r"head.safetensors holds weights that are not finite; got 'out.weight'"):
        load_checkpoint(checkpoint)


def test_a_readout_of_layers_that_are_not_there_is_refused(checkpoint):
    card = replace(read_card(checkpoint), readout=Readout(layers=(7,)))
    (checkpoint / CARD).write_text(json.dumps(card.to_json()))
    with pytest.raises(ModelError, match=r"layers outside 0..2"):
        load_checkpoint(checkpoint)


def test_a_backbone_with_weights_that_are_not_finite_is_refused(make_checkpoint):
    folder = make_checkpoint(mode="full")
    weights = load_file(folder / "model.safetensors")
    weights["norm.weight"][0] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"not finite; got 'norm.weight'"):
        load_checkpoint(folder)


def test_pickled_weights_are_refused(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pickled weights.*pytorch_model.bin"):
        Backbone.open(folder, STEPWARD_DEFAULT)


def test_a_folder_without_weights_is_refused(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "empty")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="holds no"):
        open_codec(folder, STEPWARD_DEFAULT)


def test_a_folder_that_lacks_some_weights_is_refused(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "partial")
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks weights.*layers.1.mlp.up_proj"):
        Backbone.open(folder, STEPWARD_DEFAULT)


def test_weights_of_another_shape_than_the_configuration_are_named(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "misshapen")
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] = weights["model.norm.weight"][:-1].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"other shapes than its config.json asks for; got .*norm.weight \[\d+\], not"):
        Backbone.open(folder, STEPWARD_DEFAULT)


def test_a_folder_without_a_vocabulary_is_refused(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "wordless")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"holds no tokenizer's vocabulary.*tokenizer.model"):
        open_codec(folder, STEPWARD_DEFAULT)


def test_a_folder_of_no_known_architecture_is_refused(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "odd")
    (folder / "config.json").write_text('{"model_type": "abacus"}')
    with pytest.raises(ModelError, match="could not be loaded"):
        Backbone.open(folder, STEPWARD_DEFAULT)


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors", "config.json"])
def test_a_damaged_backbone_is_refused(tiny_folder, tmp_path, name):
    folder = shutil.copytree(tiny_folder, tmp_path / "damaged")
    (folder / name).write_text("{ torn")
    with pytest.raises(ModelError, match="damaged could not be loaded"):
        Backbone.open(folder, STEPWARD_DEFAULT)


def test_a_new_marker_starts_as_a_copy_of_the_token_it_is_like(tiny_folder):
    opened = Backbone.open(tiny_folder, STEPWARD_DEFAULT)
    table = opened.model.get_input_embeddings().weight
    newline = opened.codec.tokenizer.encode("\n")[0]
    assert opened.codec.marker_is_new and torch.equal(table[opened.codec.marker_id], table[newline])
    mean = Backbone.open(tiny_folder, replace(STEPWARD_DEFAULT, marker_like="two plus"))
    row = mean.model.get_input_embeddings().weight
    assert torch.allclose(row[opened.codec.marker_id], row[: opened.codec.marker_id].mean(0), atol=1e-6)
