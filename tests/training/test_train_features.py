from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from stepward.errors import ModelError
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.readout import Readout
from stepward.training.features import FeatureStore


@pytest.fixture
def opened(tiny_backbone, example_set):
    return Backbone.open(tiny_backbone, example_set.format)


def encoded(example_set):
    return [example.encoded for example in example_set.examples]


class Forwards:
    """Counts the forward passes of a backbone."""

    def __init__(self, backbone):
        self.count = 0
        backbone.model.register_forward_hook(lambda *call: self.__setattr__("count", self.count + 1))


def test_stored_features_are_read_back_without_a_forward_pass(opened, example_set, tmp_path):
    store = FeatureStore(folder=tmp_path)
    first = store.read(opened, Readout(), encoded(example_set))
    passes = Forwards(opened)
    again = store.read(opened, Readout(), encoded(example_set)[::-1])
    counts = [len(item.read_positions) for item in encoded(example_set)]
    assert passes.count == 0
    assert torch.equal(torch.cat(again.split(counts[::-1])[::-1]), first)


def test_an_interrupted_pass_goes_on_where_it_was(opened, example_set, tmp_path):
    store = FeatureStore(folder=tmp_path, shard_tokens=300, batch_tokens=100)
    unbroken = FeatureStore(folder=tmp_path / "other", batch_tokens=100).read(opened, Readout(), encoded(example_set))

    def interrupt(report):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.read(opened, Readout(), encoded(example_set), progress=interrupt)
    reports = []
    resumed = store.read(opened, Readout(), encoded(example_set), progress=reports.append)
    assert 0 < reports[-1]["feature_tokens_total"] < sum(map(len, encoded(example_set)))
    assert torch.allclose(resumed, unbroken, atol=1e-5)


def test_another_readout_never_meets_old_features(opened, example_set, tmp_path):
    store = FeatureStore(folder=tmp_path)
    widths = [
        store.read(opened, Readout(layers=layers, pool=pool), encoded(example_set)).shape[1]
        for layers, pool in (((-1,), "read"), ((1, -1), "both"), ((0,), "mean"))
    ]
    assert widths == [16, 64, 16]


def test_equal_ids_with_other_step_boundaries_are_other_features(opened, example_set, tmp_path):
    one = encoded(example_set)[0]
    (start, end), *rest = one.spans
    other = replace(one, spans=((start + 1, end), *rest))
    store = FeatureStore(folder=tmp_path)
    first, second = (store.read(opened, Readout(pool="mean"), [item]) for item in (one, other))
    assert not torch.equal(first[0], second[0]) and torch.equal(first[1:], second[1:])


def test_half_precision_halves_the_disk_and_keeps_three_digits(opened, example_set, tmp_path):
    full, half = (FeatureStore(folder=tmp_path / kind, dtype=kind) for kind in ("float32", "float16"))
    exact = full.read(opened, Readout(), encoded(example_set))
    assert torch.allclose(half.read(opened, Readout(), encoded(example_set)), exact, rtol=1e-3, atol=1e-3)


def test_features_that_do_not_fit_half_precision_are_refused(opened, example_set, tmp_path):
    with torch.no_grad():
        opened.model.norm.weight.fill_(1e6)
    with pytest.raises(ModelError, match="do not fit float16"):
        FeatureStore(folder=tmp_path, dtype="float16").read(opened, Readout(), encoded(example_set))


def test_a_damaged_shard_is_named(opened, example_set, tmp_path):
    store = FeatureStore(folder=tmp_path)
    store.read(opened, Readout(), encoded(example_set))
    (shard,) = tmp_path.rglob("*.safetensors")
    shard.write_bytes(b"torn")
    with pytest.raises(ModelError, match=f"{shard.name} is damaged"):
        store.read(opened, Readout(), encoded(example_set))
