from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from stepward.errors import ConfigError, DataError, LabelError
from stepward.reward_models.backbone import Backbone, open_codec, quiet
from stepward.reward_models.log_ratio import pass_through
from stepward.reward_models.reader import StepReader
from stepward.training.generative import TEXT, TOKENS, CritiqueExample, critique_examples, train_judge
from stepward.training.losses import normalised
from stepward.training.objectives.contract import StepTargets
from stepward.training.objectives.likelihood import NegativeLogLikelihood
from stepward.training.spec import Adapter, Descent, TrainSpec
from stepward.training.watch import Watch

FAST = Descent(
    epochs=25, learning_rate=2e-2, batch_tokens=200, forward_tokens=100, evaluate_every=20, save_every=3, patience=50
)
SPECS = {
    "full": TrainSpec(mode="full", descent=FAST, held_out=0.0),
    "lora": TrainSpec(mode="lora", descent=FAST, held_out=0.0, adapter=Adapter(rank=8)),
}


def rows():
    """A step is good unless it says "bad", and the critique repeats its letter."""
    return [
        CritiqueExample(prompt=f"what {letter} {word} ?", critique=f" {letter}", verdict=f" {word}", problem=letter)
        for letter in "abcdefgh"
        for word in ("good", "bad")
    ]


@pytest.fixture(scope="module")
def codec(tiny_backbone):
    return open_codec(tiny_backbone, TEXT)


def reader(folder):
    return StepReader(backbone=Backbone.open(folder, TEXT), head=pass_through(), readout=TOKENS)


def test_only_critique_and_verdict_are_learned_and_the_verdict_weighs_what_was_asked(codec):
    row = CritiqueExample(prompt="what a ?", critique=" a b", verdict=" good", weight=2.0)
    (example,) = critique_examples(codec, [row], verdict_weight=5.0).examples
    words = codec.tokenizer.convert_ids_to_tokens(list(example.encoded.ids))
    assert [words[at] for at in example.encoded.read_positions] == [" a", " b", " good"]
    assert [slot.weight for slot in example.slots] == [2.0, 2.0, 10.0]


def test_the_loss_is_the_cross_entropy_of_a_causal_language_model(tiny_backbone, codec):
    examples = normalised(critique_examples(codec, rows(), verdict_weight=3.0).examples, "token")
    found = reader(tiny_backbone)
    logits = torch.cat([own[:, 0] for own in found.outputs([example.encoded for example in examples])])
    targets = StepTargets.of(examples)
    loss = (NegativeLogLikelihood().losses(logits, targets) * targets.weights_S).sum().item()
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(tiny_backbone)
    whole = weight = 0.0
    for example in examples:
        with torch.no_grad():
            logprobs = model(torch.tensor([example.encoded.ids])).logits[0].log_softmax(-1)
        for at, slot in zip(example.encoded.read_positions, example.slots, strict=True):
            whole -= slot.weight * logprobs[at - 1, example.encoded.ids[at]].item()
            weight += slot.weight
    assert weight == pytest.approx(1.0) and loss == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("mode", SPECS)
def test_a_judge_learns_its_verdicts_and_is_an_ordinary_model_folder(mode, tiny_backbone, tmp_path):
    result = train_judge(rows(), SPECS[mode], backbone=tiny_backbone, out=tmp_path / "judge", verdict_weight=3.0)
    assert result.finished and result.figures["critiques"] == 16
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(tmp_path / "judge")
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / "judge")
    right = 0
    for row in rows():
        ids = tokenizer(row.prompt + row.critique, add_special_tokens=False, return_tensors="pt").input_ids
        with torch.no_grad():
            logits = model(ids).logits[0, -1]
        good, bad = (logits[tokenizer.convert_tokens_to_ids(word)].item() for word in (" good", " bad"))
        right += (good > bad) == (row.verdict == " good")
    assert right >= 15
    assert (
        train_judge(rows(), SPECS[mode], backbone=tiny_backbone, out=tmp_path / "judge", verdict_weight=3.0) == result
    )
    with pytest.raises(ConfigError, match="judge trained with other settings"):
        train_judge(rows()[:-2], SPECS[mode], backbone=tiny_backbone, out=tmp_path / "judge")


def test_a_stopped_judge_goes_on_and_ends_as_an_unbroken_one(tiny_backbone, tmp_path):
    short = replace(SPECS["full"], descent=replace(FAST, epochs=6))
    asked = []

    def stop():
        asked.append(1)
        return len(asked) > 2

    stopped = train_judge(rows(), short, backbone=tiny_backbone, out=tmp_path / "a", watch=Watch(stop=stop))
    assert not stopped.finished and not (tmp_path / "a" / "judge.json").exists()
    for name in ("a", "b"):
        assert train_judge(rows(), short, backbone=tiny_backbone, out=tmp_path / name).finished
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b"))
    assert one == two


def test_what_teaches_nothing_is_refused_and_what_is_too_long_is_counted(codec):
    with pytest.raises(DataError, match="needs a prompt, a verdict"):
        CritiqueExample(prompt="what ?", critique="a", verdict="")
    long = CritiqueExample(prompt="what ?", critique=" a" * 300, verdict=" good")
    assert critique_examples(codec, [long, rows()[0]]).excluded == {"over 256 tokens": 1}
    with pytest.raises(LabelError, match="no critique can be trained on; got '1 over 256 tokens'"):
        critique_examples(codec, [long])
    with pytest.raises(ConfigError, match="verdict_weight must be above 0"):
        critique_examples(codec, rows(), verdict_weight=0.0)
