from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stepward.errors import ModelError
from stepward.reward_models.encoding.codec import Encoded
from stepward.reward_models.tree import attention as module
from stepward.reward_models.tree.attention import Block, Past, _Cascade, dense_mask, tree_attention
from stepward.reward_models.tree.packing import Forest, remainder


def forest_of(seed: int, traces: int = 9, longest: int = 60) -> Forest:
    """Traces that begin as an earlier one did, four times in five."""
    draw, ids = random.Random(seed), list[list[int]]()
    for _ in range(traces):
        trunk = draw.choice(ids)[: draw.randrange(longest)] if ids and draw.random() < 0.8 else []
        ids.append(trunk + [draw.randrange(3) for _ in range(draw.randint(1, longest))])
    return Forest.of([Encoded(ids=tuple(own), spans=(), read_positions=()) for own in ids])


def tensors(forest: Forest, *, heads=4, key_heads=4, width=8, dtype=torch.float32) -> list[torch.Tensor]:
    torch.manual_seed(0)
    sizes = (heads, key_heads, key_heads)
    made = [torch.randn(1, len(forest), size, width, dtype=dtype).transpose(1, 2) for size in sizes]
    return [tensor.requires_grad_() for tensor in made]


def plain(query, key, value, forest, scale):
    """Softmax over a dense mask."""
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    logits = (query @ key.transpose(-1, -2) * scale).masked_fill(~dense_mask(forest, query.device), -torch.inf)
    return (logits.softmax(-1) @ value).transpose(1, 2)


def attend(query, key, value, forest, **options):
    return tree_attention(SimpleNamespace(), query, key, value, None, stepward_forest=forest, **options)[0]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_a_packed_row_attends_as_a_dense_mask_says_and_so_do_its_gradients(seed):
    forest = forest_of(seed)
    mine, reference = tensors(forest, key_heads=2), tensors(forest, key_heads=2)
    ours, expected = attend(*mine, forest, scaling=0.3), plain(*reference, forest, 0.3)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)
    grad = torch.randn_like(expected)
    ours.backward(grad)
    expected.backward(grad)
    for left, right in zip(mine, reference, strict=True):
        torch.testing.assert_close(left.grad, right.grad, atol=1e-5, rtol=1e-5)


def test_gradients_are_those_of_finite_differences():
    forest = forest_of(3, traces=5, longest=5)
    made = tensors(forest, heads=2, key_heads=2, width=3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *qkv: _Cascade.apply(*qkv, forest, 0.5), made)


def test_half_precision_is_exact_up_to_its_rounding():
    forest = forest_of(5)
    made = tensors(forest, dtype=torch.bfloat16)
    wide = [tensor.detach().double().requires_grad_() for tensor in made]
    ours, expected = attend(*made, forest), plain(*wide, forest, 8**-0.5)
    assert ours.dtype == torch.bfloat16
    torch.testing.assert_close(ours.double(), expected, atol=0.02, rtol=0.02)
    ours.sum().backward()
    expected.sum().backward()
    for left, right in zip(made, wide, strict=True):
        torch.testing.assert_close(left.grad.double(), right.grad, atol=0.06, rtol=0.06)


def test_the_dense_way_of_other_devices_says_the_same(monkeypatch):
    forest = forest_of(7)
    mine, dense = tensors(forest, key_heads=2), tensors(forest, key_heads=2)
    ours = attend(*mine, forest)
    ours.square().mean().backward()
    monkeypatch.setattr(module, "_has_flash", lambda _: False)
    theirs = attend(*dense, forest)
    theirs.square().mean().backward()
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    for left, right in zip(mine, dense, strict=True):
        torch.testing.assert_close(left.grad, right.grad, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("flash", [True, False])
def test_a_row_that_stands_on_a_past_reads_as_if_it_were_whole(flash, monkeypatch):
    monkeypatch.setattr(module, "_has_flash", lambda _: flash)
    whole = forest_of(9)
    query, key, value = (tensor.detach() for tensor in tensors(whole, key_heads=2))
    left, runs = remainder(whole, [len(places) * 2 // 3 for places in whole.places])
    fresh = torch.zeros(len(whole), dtype=torch.bool)
    for places, new in zip(whole.places, left.places, strict=True):
        fresh[places[new >= 0]] = True
    blocks = []
    for run in runs:
        old = whole.places[run.trace][run.first : run.last]
        blocks.append(Block(run.start, run.stop, torch.cat([key, value])[None, :, :, old]))
    layer = SimpleNamespace(layer_idx=0)
    row = [tensor[:, :, fresh] for tensor in (query, key, value)]
    past = Past(tuple(blocks))
    found, _ = tree_attention(layer, *row, None, stepward_forest=left, stepward_past=past)
    assert 0 < len(left) < len(whole)
    torch.testing.assert_close(found, attend(query, key, value, whole)[:, fresh], atol=1e-5, rtol=0)
    torch.testing.assert_close(past.kept[0], (row[1], row[2]), atol=0, rtol=0)


def test_a_chain_is_plain_causal_attention():
    forest = Forest.of([Encoded(ids=tuple(range(70)), spans=(), read_positions=())])
    query, key, value = (tensor.detach() for tensor in tensors(forest))
    causal = torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    torch.testing.assert_close(attend(query, key, value, forest), causal.transpose(1, 2), atol=1e-5, rtol=0)


@pytest.mark.parametrize("option", [{"dropout": 0.1}, {"softcap": 30.0}, {"s_aux": torch.ones(4)}])
def test_attention_that_is_not_plain_is_refused(option):
    forest = forest_of(1)
    with pytest.raises(ModelError, match="plain"):
        attend(*tensors(forest), forest, **option)
