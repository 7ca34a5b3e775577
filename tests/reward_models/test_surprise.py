"""Surprise features against the language model's own log-probabilities, one trace at a time."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from stepward.errors import ConfigError, ModelError
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.readout import Readout, step_states
from stepward.reward_models.token_batch import TokenBatch
from stepward.training.spec import TrainSpec
from stepward.types import Problem

PROBLEM = Problem(id="p", text="two plus three is what ?")
SURPRISE = Readout(layers=(), surprise=True)


def states(backbone: Backbone, traces, readout: Readout = SURPRISE) -> torch.Tensor:
    encoded = backbone.codec.encode_many([(PROBLEM, trace) for trace in traces])
    with torch.inference_mode():
        return step_states(backbone, TokenBatch.of(encoded, torch.device("cpu")), readout)


@pytest.fixture
def backbone(tiny_folder: Path) -> Backbone:
    return Backbone.open(tiny_folder, STEPWARD_DEFAULT)


def test_features_are_the_language_models_log_probabilities(backbone: Backbone, tiny_folder: Path, make_trace) -> None:
    trace = make_trace("two plus three is five . ", "so the answer is five .")
    encoded = backbone.codec.encode(PROBLEM, trace)
    newline = backbone.codec.tokenizer.encode("\n", add_special_tokens=False)
    assert len(newline) == 1, "the marker starts as a copy of this token"
    plain = [newline[0] if token == backbone.codec.marker_id else token for token in encoded.ids]
    model = AutoModelForCausalLM.from_pretrained(tiny_folder).eval()
    with torch.inference_mode():
        logprobs = model(torch.tensor([plain])).logits[0].log_softmax(-1)
    own = [torch.stack([logprobs[at - 1, plain[at]] for at in range(start, end)]) for start, end in encoded.spans]
    least, total = [float(x.min()) for x in own], [float(x.sum()) for x in own]
    expected = [
        [least[0], float(own[0].mean()), least[0], max(total[0], -60.0)],
        [least[1], float(own[1].mean()), min(least), max(sum(total), -60.0)],
    ]
    torch.testing.assert_close(states(backbone, [trace]), torch.tensor(expected), atol=1e-4, rtol=1e-4)


def test_features_do_not_depend_on_the_batch(backbone: Backbone, make_trace) -> None:
    traces = [make_trace("two plus three ."), make_trace("one ", "is two . ", "so five ."), make_trace("nine 9 8 7 .")]
    alone = torch.cat([states(backbone, [trace]) for trace in traces])
    torch.testing.assert_close(states(backbone, traces), alone, atol=1e-5, rtol=1e-5)


def test_it_stands_beside_hidden_layers(backbone: Backbone, make_trace) -> None:
    both = states(backbone, [make_trace("two ", "three")], Readout(layers=(-1,), surprise=True))
    assert both.shape == (2, backbone.width + 4)


def test_it_needs_tied_embeddings_and_a_frozen_backbone(backbone: Backbone, make_trace) -> None:
    backbone.model.config.tie_word_embeddings = False
    with pytest.raises(ModelError, match="tied embeddings"):
        states(backbone, [make_trace("two")])
    with pytest.raises(ConfigError, match="frozen"):
        TrainSpec(mode="full", readout=SURPRISE)
    with pytest.raises(ConfigError, match="at least one layer"):
        Readout(layers=())
