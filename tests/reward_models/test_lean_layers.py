from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaModel, Qwen2Config, Qwen2Model, Qwen3Config, Qwen3Model
from transformers.models.llama.modeling_llama import LlamaRMSNorm, apply_rotary_pos_emb

from stepward.reward_models.lean.install import make_lean
from stepward.reward_models.lean.norm import lean_norm
from stepward.reward_models.lean.product import lean_linear
from stepward.reward_models.lean.rotary import turned
from stepward.reward_models.lean.rows import ROWS

SIZES = {
    "hidden_size": 16,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 50,
    "initializer_range": 0.3,
    "head_dim": 4,
}


def normal(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


def angles(tokens: int, width: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    half = normal(1, tokens, width // 2, dtype=dtype)
    whole = torch.cat((half, half), -1)
    return whole.cos(), whole.sin()


def model_of(kind: type, config: type, **more: object) -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = kind(config(**SIZES, **more)).train()
    return model


def states_and_gradient(model: nn.Module, half: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(50, (2, 30), generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        states = model(input_ids=ids, use_cache=False).last_hidden_state
    (states.float() * normal(*states.shape)).sum().backward()
    return states.detach(), torch.cat([weight.grad.flatten() for weight in model.parameters()])


def test_the_norm_has_the_gradient_of_its_formula():
    states, weight = normal(2, 3, 5, dtype=torch.float64), normal(5, dtype=torch.float64)

    def norm(states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return lean_norm(SimpleNamespace(weight=weight, variance_epsilon=0.1), states)

    assert torch.allclose(norm(states, weight), nn.functional.rms_norm(states, (5,), weight, 0.1))
    assert torch.autograd.gradcheck(norm, (states.requires_grad_(), weight.requires_grad_()))


def test_the_norm_of_more_rows_than_one_run_is_transformers_own():
    norm, states = LlamaRMSNorm(8), normal(2, ROWS + 3, 8)
    assert torch.allclose(lean_norm(norm, states), norm(states), atol=1e-6)


def test_under_autocast_the_norm_leaves_in_half_precision_rounded_once():
    norm, states = LlamaRMSNorm(8), normal(1, 7, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = lean_norm(norm, states)
    assert torch.equal(found, lean_norm(norm, states).bfloat16())


def test_turned_states_are_transformers_own_and_so_is_their_gradient():
    states, (cos, sin) = normal(1, ROWS + 5, 3, 8, dtype=torch.float64), angles(ROWS + 5, 8, torch.float64)
    own = apply_rotary_pos_emb(states.transpose(1, 2), states.transpose(1, 2), cos, sin)[0].transpose(1, 2)
    assert torch.allclose(turned(states, cos, sin), own)
    few = states[:, :3].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda given: turned(given, cos[:, :3], sin[:, :3]), (few,))


@pytest.mark.parametrize(("wide", "narrow"), [(24, 8), (8, 24)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_lean_product_under_autocast_is_autocasts_own(wide, narrow, bias):
    torch.manual_seed(0)
    layer, found = nn.Linear(wide, narrow, bias=bias), []
    for compute in (layer.forward, lambda given: lean_linear(layer, given)):
        layer.zero_grad()
        states = normal(2, 9, wide).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            out = compute(states)
        (out.float() * normal(2, 9, narrow)).sum().backward()
        found.append((out.detach(), states.grad, *(weight.grad for weight in layer.parameters())))
    for own, lean in zip(*found, strict=True):
        assert own.dtype == lean.dtype
        assert torch.allclose(own.float(), lean.float(), rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize(("kind", "config"), [(LlamaModel, LlamaConfig), (Qwen2Model, Qwen2Config)])
def test_a_lean_model_has_the_states_and_gradient_it_had(kind, config):
    model = model_of(kind, config)
    own, wanted = states_and_gradient(copy.deepcopy(model))
    assert make_lean(model)
    found, gradient = states_and_gradient(model)
    assert torch.allclose(found, own, atol=1e-5)
    assert (gradient - wanted).norm() <= 1e-5 * wanted.norm()


def test_a_lean_model_in_half_precision_is_no_farther_from_the_truth():
    model = model_of(LlamaModel, LlamaConfig)
    _, truth = states_and_gradient(copy.deepcopy(model))
    _, own = states_and_gradient(copy.deepcopy(model), half=True)
    assert make_lean(model)
    _, lean = states_and_gradient(model, half=True)
    assert (lean - truth).norm() <= 1.5 * (own - truth).norm()


def test_a_model_whose_norm_says_something_else_is_left_as_it_is():
    class Shifted(LlamaRMSNorm):
        def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
            return super().forward(hidden_states) + 1.0

    model = model_of(LlamaModel, LlamaConfig)
    model.layers[1].input_layernorm = Shifted(16)
    assert not make_lean(model)
    assert not any("forward" in vars(module) for module in model.modules())


def test_attention_that_does_more_keeps_its_own_forward_pass():
    model = model_of(Qwen3Model, Qwen3Config)
    own, wanted = states_and_gradient(copy.deepcopy(model))
    assert make_lean(model)
    assert "forward" not in vars(model.layers[0].self_attn)
    found, gradient = states_and_gradient(model)
    assert torch.allclose(found, own, atol=1e-5)
    assert (gradient - wanted).norm() <= 1e-5 * wanted.norm()


def test_a_model_in_half_precision_is_left_as_it_is():
    assert not make_lean(model_of(LlamaModel, LlamaConfig).bfloat16())
