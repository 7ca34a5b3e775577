from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoModel, LlamaConfig, MistralConfig, ModernBertConfig, Qwen2Config

from stepward.reward_models.backbone import Backbone, quiet
from stepward.reward_models.encoding.codec import Encoded
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.reader import StepReader
from stepward.reward_models.readout import Readout, step_states
from stepward.reward_models.token_batch import TokenBatch
from stepward.reward_models.tree.check import layout, longest_packed

SIZES = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}
READOUTS = [
    Readout(),
    Readout(layers=(0, 1, -1), pool="both"),
    Readout(layers=(-1,), pool="mean", surprise=True),
    Readout(layers=(), surprise=True),
]
CPU = torch.device("cpu")


def draw_traces(seed: int, count: int) -> list[Encoded]:
    """Traces over a small vocabulary that begin as an earlier one did, three times in four."""
    draw, made = random.Random(seed), list[Encoded]()
    for _ in range(count):
        trunk = list(draw.choice(made).ids[: draw.randrange(20)]) if made and draw.random() < 0.75 else []
        ids = (trunk + [draw.randrange(9) for _ in range(draw.randint(4, 20))])[:30]
        ends = sorted(draw.sample(range(2, len(ids)), k=draw.randint(1, min(3, len(ids) - 2))))
        spans = [(start, end) for start, end in zip([1, *(end + 1 for end in ends)], ends, strict=False) if start < end]
        reads = [end for _, end in spans]
        made.append(Encoded(ids=tuple(ids), spans=tuple(spans), read_positions=tuple(reads)))
    return made


def random_backbone(template: Backbone, config) -> Backbone:
    torch.manual_seed(0)
    with quiet():
        model = AutoModel.from_config(config).eval()
    return Backbone(
        model=model,
        codec=template.codec,
        path=template.path,
        revision="",
        width=config.hidden_size,
        layers=config.num_hidden_layers,
    )


@pytest.fixture(scope="module")
def small(tiny_folder) -> Backbone:
    return Backbone.open(tiny_folder, STEPWARD_DEFAULT)


@pytest.fixture(scope="module")
def reader(small) -> StepReader:
    torch.manual_seed(1)
    head = ScoreHead(small.width, outputs=2)
    torch.nn.init.normal_(head.out.weight)
    return StepReader(backbone=small, head=head)


@pytest.mark.parametrize("readout", READOUTS, ids=str)
@pytest.mark.parametrize("share", [True, False])
def test_every_readout_is_the_same_for_rows_and_a_packed_row(small, readout, share):
    traces = draw_traces(0, 12)
    rows = step_states(small, TokenBatch.of(traces, CPU), readout)
    packed = TokenBatch.packed(traces, CPU, share=share)
    assert (packed.ids_BT.numel() < sum(map(len, traces))) == share
    torch.testing.assert_close(step_states(small, packed, readout), rows, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("readout", READOUTS[:3], ids=str)
def test_gradients_of_a_packed_row_are_those_of_rows(tiny_folder, readout):
    traces, gradients = draw_traces(1, 10), []
    for batch in (TokenBatch.of(traces, CPU), TokenBatch.packed(traces, CPU)):
        backbone = Backbone.open(tiny_folder, STEPWARD_DEFAULT)
        states = step_states(backbone, batch, readout)
        torch.manual_seed(0)
        (states * torch.randn_like(states)).mean().backward()
        gradients.append({name: weight.grad for name, weight in backbone.model.named_parameters()})
    rows, packed = gradients
    for name, gradient in rows.items():
        if gradient is not None:
            torch.testing.assert_close(packed[name], gradient, atol=1e-5, rtol=1e-4, msg=name)


def test_gradient_checkpointing_computes_a_packed_row_again_rightly(small, tiny_folder):
    traces, gradients = draw_traces(2, 6), []
    for checkpointing in (False, True):
        backbone = Backbone.open(tiny_folder, STEPWARD_DEFAULT)
        if checkpointing:
            backbone.model.activation_checkpointing_enable({"use_reentrant": False})
        backbone.model.train()
        step_states(backbone, TokenBatch.packed(traces, CPU), Readout()).sum().backward()
        gradients.append(backbone.model.get_input_embeddings().weight.grad)
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-5)


def test_adapters_read_and_learn_from_a_packed_row(tiny_folder):
    from peft import LoraConfig, get_peft_model

    backbone = Backbone.open(tiny_folder, STEPWARD_DEFAULT)
    with quiet():
        backbone.model = get_peft_model(backbone.model, LoraConfig(r=2, target_modules="all-linear"))
        for name, weight in backbone.model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight)
    assert longest_packed(backbone) > 0
    traces, gradients = draw_traces(3, 8), []
    for batch in (TokenBatch.of(traces, CPU), layout(backbone, traces)):
        backbone.model.zero_grad()
        states = step_states(backbone, batch, Readout())
        states.square().mean().backward()
        gradients.append((states.detach(), *(w.grad for w in backbone.model.parameters() if w.grad is not None)))
    for left, right in zip(*gradients, strict=True):
        torch.testing.assert_close(left, right, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize(
    "config",
    [LlamaConfig(**SIZES), Qwen2Config(**SIZES), MistralConfig(**SIZES, sliding_window=64)],
    ids=lambda config: config.model_type,
)
def test_grouped_key_heads_and_other_architectures_are_exact(small, config):
    backbone = random_backbone(small, config)
    traces = draw_traces(4, 10)
    packed = layout(backbone, traces)
    assert packed.forest is not None
    rows = step_states(backbone, TokenBatch.of(traces, CPU), Readout(layers=(1, -1)))
    torch.testing.assert_close(step_states(backbone, packed, Readout(layers=(1, -1))), rows, atol=1e-4, rtol=1e-4)


def test_traces_longer_than_a_sliding_window_are_rows(small):
    backbone = random_backbone(small, MistralConfig(**SIZES, sliding_window=16))
    assert longest_packed(backbone) == 16
    traces = draw_traces(4, 10)
    assert layout(backbone, traces).forest is None
    head = ScoreHead(backbone.width)
    torch.nn.init.normal_(head.out.weight)
    reader = StepReader(backbone=backbone, head=head)
    alone = [reader.outputs([trace])[0] for trace in traces]
    for left, right in zip(reader.outputs(traces), alone, strict=True):
        torch.testing.assert_close(left, right, atol=1e-5, rtol=1e-5)


def test_a_bidirectional_encoder_reads_rows_and_keeps_its_attention(small):
    config = ModernBertConfig(**{name: SIZES[name] for name in SIZES if "key" not in name}, cls_token_id=None)
    config.sep_token_id = None
    backbone = random_backbone(small, config)
    before = backbone.model.config._attn_implementation
    assert longest_packed(backbone) == 0
    assert backbone.model.config._attn_implementation == before
    assert layout(backbone, draw_traces(5, 4)).forest is None


def test_the_check_leaves_training_mode_as_it_was(tiny_folder):
    backbone = Backbone.open(tiny_folder, STEPWARD_DEFAULT)
    backbone.model.train()
    longest_packed(backbone)
    assert backbone.model.training


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.integers(1, 14), st.sampled_from([1, 25, 70, 8192]), st.randoms())
def test_outputs_do_not_depend_on_batching_order_or_company(reader, seed, count, batch_tokens, shuffler):
    traces = draw_traces(seed, count)
    alone = [reader.outputs([trace])[0] for trace in traces]
    order = list(range(count))
    shuffler.shuffle(order)
    cut = replace(reader, batch_tokens=batch_tokens)
    for index, own in zip(order, cut.outputs([traces[index] for index in order]), strict=True):
        torch.testing.assert_close(own, alone[index], atol=1e-5, rtol=1e-5)


def test_a_trace_without_steps_costs_nothing_and_keeps_its_place(reader):
    traces = draw_traces(6, 3)
    empty = Encoded(ids=(1, 2, 3), spans=(), read_positions=())
    found = reader.outputs([traces[0], empty, traces[1]])
    assert [len(own) for own in found] == [len(traces[0].read_positions), 0, len(traces[1].read_positions)]
    assert reader.outputs([empty])[0].shape[0] == 0
