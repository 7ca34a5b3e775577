from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from stepward.reward_models.backbone import Backbone
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.tree.packing import distinct_tokens
from stepward.training.descent import GradientRun
from stepward.training.devices import Devices
from stepward.training.examples import StepExamples
from stepward.training.objectives.bce import BinaryCrossEntropy
from stepward.training.objectives.bradley_terry import BradleyTerry
from stepward.training.objectives.pqm import QValueRanking
from stepward.training.order import epoch_batches, units
from stepward.training.passes import possible_pack
from stepward.training.spec import Descent, TrainSpec
from stepward.training.split import Halves
from stepward.training.watch import SILENT, Watch
from stepward.types import StepLabel


@pytest.fixture(scope="module")
def bushes(tiny_codec, make_labeled):
    """Four problems with seven traces each, which branch after none, one or two common steps."""
    pairs = []
    for problem in "abcd":
        trunk = [f"{problem} good a\n", "good b\n"]
        for index in range(7):
            steps = [*trunk[: index % 3], f"{'abcdefgh'[index]} {'bad' if index % 2 else 'good'}\n", "good c\n"]
            marks = [StepLabel(target="prefix", value=float("bad" not in step), source="human") for step in steps]
            pairs.append(make_labeled(steps, marks, problem=problem))
    return StepExamples().build(tiny_codec, pairs)


def run_of(backbone_folder, examples, out, *, objective=None, **descent) -> GradientRun:
    backbone = Backbone.open(backbone_folder, examples.format)
    torch.manual_seed(0)
    head = ScoreHead(backbone.width)
    torch.nn.init.normal_(head.out.weight)
    spec = TrainSpec(
        descent=Descent(**{"batch_tokens": 100_000, "epochs": 1, **descent}),
        objective=objective or BinaryCrossEntropy(),
        normalisation="trace",
        held_out=0.0,
    )
    halves = Halves(train=examples.examples, held_out=())
    return GradientRun(spec=spec, halves=halves, backbone=backbone, head=head, out=out, key="k", watch=SILENT)


def gradient(run: GradientRun) -> tuple[float, torch.Tensor]:
    loss = run._gradients(run._units)
    return loss, torch.cat([weight.grad.flatten() for weight in run._weights.values()])


OBJECTIVES = (BinaryCrossEntropy(), QValueRanking(), BradleyTerry(ties="half"))


@pytest.fixture(scope="module")
def one_by_one(tiny_backbone, bushes, tmp_path_factory):
    """Loss and gradient of each objective with a row of its own for every trace."""
    out = tmp_path_factory.mktemp("rows")
    return [gradient(run_of(tiny_backbone, bushes, out, objective=each, pack="rows")) for each in OBJECTIVES]


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("pack", ["tree", "chain", "rows"])
@pytest.mark.parametrize("forward_tokens", [25, 100_000])
def test_packing_and_cutting_change_neither_loss_nor_gradient(
    objective, pack, forward_tokens, tiny_backbone, bushes, one_by_one, tmp_path
):
    expected, wanted = one_by_one[OBJECTIVES.index(objective)]
    run = run_of(tiny_backbone, bushes, tmp_path, objective=objective, pack=pack, forward_tokens=forward_tokens)
    assert run.passes.pack == pack
    loss, found = gradient(run)
    assert loss == pytest.approx(expected, rel=1e-4)
    assert (found - wanted).norm() <= 1e-4 * wanted.norm()


def test_one_row_per_labelled_prefix_has_the_gradient_of_the_tree(tiny_backbone, bushes, tmp_path):
    tree = run_of(tiny_backbone, bushes, tmp_path, pack="tree")
    assert tree.passes.pack == "tree"
    expected, wanted = gradient(tree)
    weight = {id(slot): slot.weight for example in bushes.examples for slot in example.slots}
    rows = []
    for example in bushes.examples:
        for slot in example.slots:
            end = example.encoded.read_positions[slot.step] + 1
            steps = slot.step + 1
            cut = replace(
                example.encoded,
                ids=example.encoded.ids[:end],
                spans=example.encoded.spans[:steps],
                read_positions=example.encoded.read_positions[:steps],
            )
            share = weight[id(slot)] / len(example.slots)
            rows.append(replace(example, encoded=cut, slots=(replace(slot, weight=share),)))
    flat = run_of(tiny_backbone, replace(bushes, examples=tuple(rows)), tmp_path, pack="rows")
    flat.passes = replace(flat.passes, spec=replace(flat.spec, normalisation="token"))
    flat.spec = flat.passes.spec
    loss, found = gradient(flat)
    assert loss == pytest.approx(expected, rel=1e-4)
    assert (found - wanted).norm() <= 1e-4 * wanted.norm()


def test_half_precision_products_keep_fp32_weights_and_about_the_gradient(tiny_backbone, bushes, tmp_path):
    expected, wanted = gradient(run_of(tiny_backbone, bushes, tmp_path))
    run = run_of(tiny_backbone, bushes, tmp_path, precision="bfloat16")
    loss, found = gradient(run)
    assert {weight.dtype for weight in run._weights.values()} == {torch.float32}
    assert found.dtype == torch.float32 and not torch.equal(found, wanted)
    assert loss == pytest.approx(expected, rel=2e-2)
    assert torch.nn.functional.cosine_similarity(found, wanted, dim=0) > 0.99


def test_a_run_in_half_precision_goes_on_bit_for_bit(tiny_backbone, bushes, tmp_path):
    knobs = {"precision": "bfloat16", "batch_tokens": 60, "epochs": 2}
    unbroken = run_of(tiny_backbone, bushes, tmp_path / "unbroken", **knobs)
    (tmp_path / "unbroken").mkdir()
    assert unbroken.run()
    (tmp_path / "broken").mkdir()
    asked = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) == 4

    broken = run_of(tiny_backbone, bushes, tmp_path / "broken", **knobs)
    broken.watch = Watch(stop=stop)
    assert not broken.run()
    again = run_of(tiny_backbone, bushes, tmp_path / "broken", **knobs)
    assert again.place.step == 3 and again.run()
    assert again.place.step == unbroken.place.step > 6
    for name, weight in unbroken._weights.items():
        assert torch.equal(again._weights[name], weight), name


def test_recomputed_activations_give_the_same_gradient(tiny_backbone, bushes, tmp_path):
    expected, wanted = gradient(run_of(tiny_backbone, bushes, tmp_path))
    run = run_of(tiny_backbone, bushes, tmp_path, recompute=True)
    run.prepare()
    run.backbone.model.train()
    loss, found = gradient(run)
    assert run.backbone.model.is_activation_checkpointing
    assert loss == pytest.approx(expected, rel=1e-5) and torch.allclose(found, wanted, atol=1e-6)


def test_processes_share_a_batch_and_their_gradients_sum_to_the_whole(tiny_backbone, bushes, tmp_path, monkeypatch):
    expected, wanted = gradient(run_of(tiny_backbone, bushes, tmp_path))
    monkeypatch.setattr(Devices, "total", lambda self, number: number)
    monkeypatch.setattr(Devices, "sum_gradients", lambda self, weights: None)
    losses, parts = [], []
    for rank in range(2):
        run = run_of(tiny_backbone, bushes, tmp_path)
        run.devices = Devices(rank=rank, count=2)
        loss, part = gradient(run)
        losses.append(loss)
        parts.append(part)
    assert sum(losses) == pytest.approx(expected, rel=1e-5) and min(losses) > 0
    assert torch.allclose(sum(parts), wanted, atol=1e-6)


def test_every_process_gets_about_as_much_and_nothing_is_left(tiny_backbone):
    costs = [9, 1, 5, 5, 2, 8, 3]
    shares = [Devices(rank=rank, count=3).share(costs) for rank in range(3)]
    assert sorted(index for share in shares for index in share) == list(range(7))
    loads = [sum(costs[index] for index in share) for share in shares]
    assert max(loads) - min(loads) <= 2
    assert Devices(rank=1, count=2).share([4]) == []


def test_traces_of_a_problem_meet_in_one_batch_unless_it_is_too_large(bushes):
    examples = bushes.examples
    together = units(examples, pack="tree", tokens=100_000)
    assert sorted(map(len, (unit.indexes for unit in together))) == [7, 7, 7, 7]
    small = units(examples, pack="tree", tokens=40)
    assert sorted(index for unit in small for index in unit.indexes) == list(range(28))
    assert all(unit.tokens <= 40 and len({examples[i].group for i in unit.indexes}) == 1 for unit in small)
    assert len(units(examples, pack="rows", tokens=40)) == 28
    never_cut = units(examples, pack="rows", tokens=40, whole=True)
    assert sorted(map(len, (unit.indexes for unit in never_cut))) == [7, 7, 7, 7]


def test_a_cut_problem_keeps_neighbours_together(bushes):
    examples = bushes.examples
    cost = sum(
        sum(distinct_tokens([examples[index].encoded for index in unit.indexes]))
        for unit in units(examples, pack="tree", tokens=60)
    )
    blind = sum(
        sum(distinct_tokens([examples[group * 7 + index].encoded for index in part if index < 7]))
        for group in range(4)
        for part in ((0, 4), (1, 5), (2, 6), (3,))
    )
    assert cost < blind


def test_batches_of_units_hold_every_unit_once_within_their_tokens(bushes):
    sizes = [unit.tokens for unit in units(bushes.examples, pack="tree", tokens=60)]
    batches = epoch_batches(sizes, tokens=120, seed=0, epoch=3, by_length=False)
    assert sorted(index for batch in batches for index in batch) == list(range(len(sizes)))
    assert all(sum(sizes[index] for index in batch) <= 120 for batch in batches)


def test_a_backbone_that_reads_no_packed_row_gets_rows(tiny_backbone, bushes, monkeypatch):
    backbone = Backbone.open(tiny_backbone, bushes.format)
    assert possible_pack("tree", backbone, bushes.examples) == "tree"
    monkeypatch.setattr("stepward.training.passes.longest_packed", lambda backbone: 5.0)
    assert possible_pack("tree", backbone, bushes.examples) == "rows"
    assert possible_pack("chain", backbone, ()) == "chain"
