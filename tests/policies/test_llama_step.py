"""The short step of Llama-like models against their own modules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
from stepward.policies.llama_step import llama_step  # noqa: E402
from stepward.policies.prefix_grid import GridShape, PrefixGrid  # noqa: E402
from stepward.policies.transformers import TransformersPolicy  # noqa: E402
from stepward.types import Problem, SampleRequest, Sampling  # noqa: E402

SIZES = {"vocab_size": 40, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.3}
KINDS = {
    "llama": lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES, **HEADS)),
    "llama with biases": lambda: transformers.LlamaForCausalLM(
        transformers.LlamaConfig(**SIZES, **HEADS, attention_bias=True, mlp_bias=True)
    ),
    "mistral": lambda: transformers.MistralForCausalLM(transformers.MistralConfig(**SIZES, **HEADS)),
    "qwen2": lambda: transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**SIZES, **HEADS)),
}


def made(kind: str) -> Any:
    torch.manual_seed(0)
    model = KINDS[kind]().eval()
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(weight)
    return model


def stepped(model: Any, ids: Any) -> Any:
    """Logits behind every token of `ids`, one after the other."""
    grid = PrefixGrid(GridShape(lanes=len(ids), width=1, prefix=0, own=ids.shape[1]), model.device)
    step, nothing = llama_step(model), torch.zeros(len(ids), dtype=torch.long)
    assert step is not None
    logits = []
    with torch.inference_mode():
        for at in range(ids.shape[1]):
            grid.write(torch.arange(len(ids)), nothing, nothing + at)
            logits.append(step(ids[:, at], nothing + at, at, grid))
    return torch.stack(logits, dim=1)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_short_step_computes_what_the_modules_compute(kind: str) -> None:
    model, ids = made(kind), torch.arange(12).view(2, 6)
    with torch.inference_mode():
        expected = model(ids).logits
    assert torch.allclose(stepped(model, ids), expected, atol=1e-4)


def test_joined_weights_are_the_models_own() -> None:
    model, ids = made("qwen2"), torch.arange(12).view(2, 6)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    stepped(model, ids)
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())
    with torch.no_grad():
        model.model.layers[0].self_attn.k_proj.weight.mul_(3)
        model.model.layers[1].mlp.up_proj.weight.add_(0.1)
        expected = model(ids).logits
    assert torch.allclose(stepped(model, ids), expected, atol=1e-4)


def test_a_model_that_was_stepped_can_be_trained() -> None:
    model, ids = made("llama"), torch.arange(12).view(2, 6)
    stepped(model, ids)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    model(ids, labels=ids).loss.backward()
    optimizer.step()
    with torch.inference_mode():
        expected = model(ids).logits
    assert torch.allclose(stepped(model, ids), expected, atol=1e-4)


def test_a_model_with_foreign_parts_goes_through_its_modules() -> None:
    hooked, adapted, other = made("llama"), made("llama"), made("llama")
    hooked.model.layers[0].mlp.register_forward_hook(lambda *_: None)
    adapted.model.layers[0].mlp.up_proj = torch.nn.Sequential(adapted.model.layers[0].mlp.up_proj)
    other.config.hidden_act = "gelu"
    gpt2 = transformers.GPT2LMHeadModel(transformers.GPT2Config(n_embd=8, n_layer=1, n_head=1, vocab_size=9))
    assert [llama_step(model) for model in (hooked, adapted, other, gpt2)] == [None] * 4


def test_samples_are_those_of_the_modules(tiny_folder: Path) -> None:
    policy = TransformersPolicy.load(tiny_folder)
    problems = [Problem(id=str(at), text="1 + 2 = a"[: at + 1]) for at in range(9)]
    asked = [SampleRequest(problem=problem, n=4, sampling=Sampling(max_tokens=12)) for problem in problems]
    short = policy.sample_batch(asked)
    long = replace(policy, model=TransformersPolicy.load(tiny_folder).model)
    long.model.model.norm.register_forward_hook(lambda *_: None)
    for one, other in zip(short, long.sample_batch(asked), strict=True):
        assert [each.text for each in one] == [each.text for each in other]
