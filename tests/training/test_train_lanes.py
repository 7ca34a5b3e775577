from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from stepward.reward_models.backbone import Backbone
from stepward.reward_models.heads import ScoreHead
from stepward.training.descent import GradientRun
from stepward.training.lanes import Lanes, add_gradients, dealt, draws, twin
from stepward.training.objectives.bradley_terry import BradleyTerry
from stepward.training.spec import Descent, TrainSpec
from stepward.training.split import Halves
from stepward.training.watch import SILENT


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def run_of(folder, examples, out, **descent) -> GradientRun:
    backbone = Backbone.open(folder, examples.format)
    torch.manual_seed(0)
    head = ScoreHead(backbone.width)
    torch.nn.init.normal_(head.out.weight)
    knobs = Descent(**{"batch_tokens": 300, "forward_tokens": 100, "epochs": 1, "learning_rate": 1e-2, **descent})
    halves = Halves(train=examples.examples[:24], held_out=())
    spec = TrainSpec(descent=knobs, held_out=0.0)
    return GradientRun(spec=spec, halves=halves, backbone=backbone, head=head, out=out, key="k", watch=SILENT)


def flat(weights) -> torch.Tensor:
    return torch.cat([weight.flatten() for weight in weights])


@pytest.mark.parametrize("pack", ["tree", "rows"])
def test_lanes_change_neither_loss_nor_gradient(tiny_backbone, example_set, tmp_path, two_threads, pack):
    found = []
    for lanes in (1, 2):
        run = run_of(tiny_backbone, example_set, tmp_path, pack=pack)
        run.passes = run.passes.in_lanes(lanes)
        assert len(run.passes.twins) == lanes - 1
        loss = run._gradients(run._units)
        run.passes.close()
        found.append((loss, flat(weight.grad for weight in run._weights.values())))
    (loss, wanted), (other, gradient) = found
    assert other == pytest.approx(loss, rel=1e-5)
    assert (gradient - wanted).norm() <= 1e-5 * wanted.norm()


def test_a_run_in_lanes_learns_what_one_lane_learns_and_repeats_itself(
    tiny_backbone, example_set, tmp_path, two_threads
):
    ends = []
    for name, lanes in (("a", 1), ("b", 2), ("c", 2)):
        run = run_of(tiny_backbone, example_set, tmp_path / name, lanes=lanes, learning_rate=1e-3)
        run.out.mkdir()
        start = flat(run._weights.values()).detach().clone()
        assert run.run()
        ends.append(flat(run._weights.values()).detach() - start)
        assert torch.get_num_threads() == 2
    one, two, again = ends
    assert torch.equal(two, again)
    assert (two - one).norm() <= 0.02 * one.norm()


def test_passes_for_lanes_are_about_equally_large(tiny_backbone, example_set, tmp_path, two_threads):
    run = run_of(tiny_backbone, example_set, tmp_path, pack="chain", forward_tokens=290)
    alone = [sum(len(example.encoded) for example in one) for one in run.passes.cut(run.halves.train[:18])]
    lanes = run.passes.in_lanes(2)
    even = [sum(len(example.encoded) for example in one) for one in lanes.cut(run.halves.train[:18])]
    lanes.close()
    assert sum(even) == sum(alone)
    assert len(even) % 2 == 0 and max(even) <= 290
    assert max(even) - min(even) <= max(len(example.encoded) for example in run.halves.train[:18])


def test_one_thread_siblings_that_meet_and_dropout_mean_one_lane(tiny_backbone, example_set, tmp_path, two_threads):
    run = run_of(tiny_backbone, example_set, tmp_path)
    siblings = replace(run.spec, objective=BradleyTerry(ties="half"))
    alone = replace(run.passes, spec=siblings)
    assert alone.in_lanes(2) is alone
    run.backbone.model.layers[0].self_attn.attention_dropout = 0.1
    assert draws(run.backbone.model) and run.passes.in_lanes(2) is run.passes
    run.backbone.model.layers[0].self_attn.attention_dropout = 0.0
    torch.set_num_threads(1)
    assert run.passes.in_lanes(2) is run.passes


def test_a_twin_has_the_same_weights_and_gradients_of_its_own():
    module = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3))
    module[0].bias.requires_grad_(False)
    other = twin(module)
    with torch.no_grad():
        module[0].weight.add_(1.0)
    assert torch.equal(other[0].weight, module[0].weight) and not other[0].bias.requires_grad
    assert other[1].running_mean is module[1].running_mean
    other[0](torch.ones(1, 3)).sum().backward()
    assert module[0].weight.grad is None
    module[0](torch.ones(1, 3)).sum().backward()
    add_gradients(module, other)
    assert torch.equal(module[0].weight.grad, torch.full((3, 3), 2.0)) and other[0].weight.grad is None


def test_the_lean_layers_of_a_twin_compute_with_its_own_weights(tiny_backbone, example_set, tmp_path):
    model = run_of(tiny_backbone, example_set, tmp_path).backbone.model
    lean = [module for module in twin(model).modules() if "forward" in vars(module)]
    assert lean and all(module.forward.args == (module,) for module in lean)
    assert not {id(module) for module in lean} & {id(module) for module in model.modules()}


def test_passes_are_dealt_by_size():
    assert dealt([5, 9, 3, 1], 2) == [[1], [0, 2, 3]]
    assert dealt([4], 3) == [[0], [], []]


def test_lanes_share_the_threads_and_raise_what_goes_wrong_in_one(two_threads):
    lanes = Lanes.open(2)
    assert lanes.run(lambda lane: (lane, torch.get_num_threads())) == [(0, 1), (1, 1)]
    with pytest.raises(ZeroDivisionError):
        lanes.run(lambda lane: 1 // lane)
    lanes.close()
    assert torch.get_num_threads() == 2
