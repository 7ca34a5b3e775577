from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sklearn.metrics import roc_auc_score
from transformers import AutoModelForCausalLM

from stepward.errors import ConfigError, ModelError
from stepward.reward_models.backbone import Backbone, quiet
from stepward.reward_models.log_ratio import pass_through
from stepward.reward_models.process import ProcessRewardModel
from stepward.reward_models.reader import StepReader
from stepward.reward_models.readout import Readout, step_states
from stepward.reward_models.tiny import TinyBackbone
from stepward.reward_models.token_batch import TokenBatch
from stepward.training.examples import OutcomeExamples, StepExamples, TwoHeadExamples
from stepward.training.features import FeatureStore
from stepward.training.loop import train
from stepward.training.objectives.bradley_terry import BradleyTerry
from stepward.training.objectives.per_output import PerOutput
from stepward.training.reference import referenced
from stepward.training.siblings import only_compared
from stepward.training.spec import Adapter, Descent, HeadFit, TrainSpec
from stepward.types import StepLabel, Verdict

FAST = Descent(epochs=8, learning_rate=1e-2, batch_tokens=300, forward_tokens=150, patience=50)
SO_FAR = Readout(layers=(), likelihood="so_far", beta=0.5)
QUICK = HeadFit(penalties=(0.01,), folds=3)
STEP = replace(SO_FAR, likelihood="step")


@pytest.fixture(scope="module")
def opened(tiny_backbone, example_set):
    return Backbone.open(tiny_backbone, example_set.format)


@pytest.fixture(scope="module")
def siblings(tiny_codec, make_labeled):
    """After every prefix one step that says good and one that says bad."""
    good, bad = (StepLabel(target="validity", value=y, source="human") for y in (1.0, 0.0))
    pairs = [
        make_labeled([f"{first} good\n", f"{second} {word}\n"], [None, label], problem=problem)
        for problem, first, second in zip("abcdefgh" * 3, "abcdefghcdefghab", "efghabcdghcdefab", strict=False)
        for word, label in (("good", good), ("bad", bad))
    ]
    return pairs, only_compared(StepExamples().build(tiny_codec, pairs), BradleyTerry())


def by_hand(folder, codec, item, *, so_far):
    """Log-probabilities of step tokens from the whole language model, one trace at a time; the marker is no word."""
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(folder)
        model.resize_token_embeddings(codec.marker_id + 1)
        table = model.get_input_embeddings().weight
        with torch.no_grad():
            table[codec.marker_id] = table[codec.tokenizer.convert_tokens_to_ids("\n")]
            logits = model(torch.tensor([item.ids])).logits[0]
    logits[:, codec.marker_id] = -torch.inf
    logprobs = logits.log_softmax(-1)
    sums = [sum(logprobs[at - 1, item.ids[at]].item() for at in range(*span)) for span in item.spans]
    return [sum(sums[: k + 1]) if so_far else own for k, own in enumerate(sums)]


@pytest.mark.parametrize("readout", [SO_FAR, STEP], ids=lambda readout: readout.likelihood)
def test_what_is_read_is_beta_times_the_log_probability_of_a_steps_own_tokens(
    readout, opened, example_set, tiny_backbone
):
    encoded = [example.encoded for example in example_set.examples[:6]]
    found = StepReader(backbone=opened, head=pass_through(), readout=readout).outputs(encoded)
    for item, own in zip(encoded, found, strict=True):
        hand = by_hand(tiny_backbone, opened.codec, item, so_far=readout.likelihood == "so_far")
        assert own[:, 0].tolist() == pytest.approx([0.5 * value for value in hand], abs=1e-4)


def test_packing_and_padding_give_the_same_gradients(opened, example_set):
    encoded = [example.encoded for example in example_set.examples[:12]]
    gradients = []
    for batch in (TokenBatch.of(encoded, opened.device), TokenBatch.packed(encoded, opened.device)):
        opened.model.zero_grad()
        states = step_states(opened, batch, SO_FAR)
        (states[:, 0] * torch.linspace(-1, 1, len(states))).sum().backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in opened.model.parameters()]))
    opened.model.zero_grad()
    assert gradients[0].abs().max() > 1e-3
    assert torch.allclose(gradients[0], gradients[1], atol=1e-4)


def test_before_training_every_log_ratio_is_zero_and_the_reference_is_computed_once(opened, example_set, tmp_path):
    store = FeatureStore(folder=tmp_path)
    known = referenced(example_set.examples, opened, SO_FAR, store)
    reader = StepReader(backbone=opened, head=pass_through(), readout=SO_FAR)
    outputs = reader.outputs([example.encoded for example in known])
    for example, own in zip(known, outputs, strict=True):
        assert [own[slot.step, 0].item() + slot.offset for slot in example.slots] == pytest.approx(
            [0.0] * len(example.slots), abs=1e-4
        )
    passes = []
    opened.model.register_forward_hook(lambda *call: passes.append(1))
    assert referenced(example_set.examples, opened, SO_FAR, store) == known and not passes


@pytest.mark.parametrize("mode", ["lora", "full"])
def test_an_implicit_model_learns_from_outcomes_alone(mode, tiny_backbone, tiny_codec, learnable, tmp_path):
    examples = OutcomeExamples().build(tiny_codec, learnable)
    spec = TrainSpec(mode=mode, descent=FAST, held_out=0.0, readout=SO_FAR, adapter=Adapter(rank=8))
    train(examples, spec, backbone=tiny_backbone, out=tmp_path / "prm")
    model = ProcessRewardModel.load(tmp_path / "prm")
    scores = model.score_batch([(problem, made.trace) for problem, made in learnable])
    assert {own.convention for own in scores} == {"log_ratio"} and {own.target for own in scores} == {"value"}
    right = [made.verdict.correct for _, made in learnable]
    assert roc_auc_score(right, [own.values[-1] for own in scores]) > 0.9
    assert scores[0].spend.scorer_tokens == 2 * len(model.codec.encode(learnable[0][0], learnable[0][1].trace))


def test_dpo_on_step_prefixes_ranks_siblings(tiny_backbone, siblings, tmp_path):
    pairs, examples = siblings
    spec = TrainSpec(
        mode="full", descent=FAST, held_out=0.0, readout=STEP, objective=BradleyTerry(), normalisation="trace"
    )
    train(examples, spec, backbone=tiny_backbone, out=tmp_path / "prm")
    scores = ProcessRewardModel.load(tmp_path / "prm").score_batch([(problem, made.trace) for problem, made in pairs])
    last = [own.values[-1] for own in scores]
    assert all(good > bad for good, bad in zip(last[::2], last[1::2], strict=True))


def test_a_ranking_model_says_that_its_scores_are_no_probabilities(tiny_backbone, siblings, tmp_path):
    _, examples = siblings
    spec = TrainSpec(mode="frozen", objective=BradleyTerry(), head_fit=QUICK)
    train(examples, spec, backbone=tiny_backbone, out=tmp_path / "prm")
    card = json.loads((tmp_path / "prm" / "stepward.json").read_text())
    assert card["format"]["convention"] == "logit"


def test_scores_without_the_right_reference_are_refused(tiny_backbone, tiny_codec, learnable, tmp_path):
    examples = OutcomeExamples().build(tiny_codec, learnable)
    spec = TrainSpec(mode="full", descent=replace(FAST, epochs=1), held_out=0.0, readout=SO_FAR)
    train(examples, spec, backbone=tiny_backbone, out=tmp_path / "prm")
    other = TinyBackbone(seed=1).write(tmp_path / "other", ["a good bad what ?"])
    with pytest.raises(ModelError, match="is not the reference"):
        ProcessRewardModel.load(tmp_path / "prm", backbone=other)


def test_a_log_ratio_needs_weights_that_learn_and_no_head():
    for wrong in ({"mode": "frozen"}, {"mode": "lora", "head_hidden": 4}):
        with pytest.raises(ConfigError, match="log-ratios are trained in the mode lora or full"):
            TrainSpec(readout=SO_FAR, **wrong)
    with pytest.raises(ConfigError, match="reads no layers"):
        Readout(likelihood="step")
    with pytest.raises(ConfigError, match="beta above 0"):
        Readout(layers=(), likelihood="step", beta=0.0)


def test_a_full_training_that_would_lose_its_words_is_refused(tiny_backbone, tiny_codec, learnable, tmp_path):
    examples = OutcomeExamples().build(tiny_codec, learnable)
    apart = untied(tiny_backbone, tmp_path / "apart")
    spec = TrainSpec(mode="full", descent=FAST, held_out=0.0, readout=SO_FAR)
    with pytest.raises(ModelError, match="keeps its unembedding apart"):
        train(examples, spec, backbone=apart, out=tmp_path / "prm")
    lora = replace(spec, mode="lora", descent=replace(FAST, epochs=1))
    assert train(examples, lora, backbone=apart, out=tmp_path / "lora").finished


def untied(folder: Path, out: Path) -> Path:
    """The same model with an unembedding of its own."""
    from transformers import AutoTokenizer

    with quiet():
        model = AutoModelForCausalLM.from_pretrained(folder)
        model.config.tie_word_embeddings = False
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone() * 1.5)
        model.save_pretrained(out)
        AutoTokenizer.from_pretrained(folder).save_pretrained(out)
    return out


def test_two_heads_are_trained_saved_and_read_one_by_one(tiny_backbone, tiny_codec, learnable, tmp_path):
    turned = [
        (p, replace(m, verdict=Verdict(outcome="equal" if "bad" in m.trace.text else "different")))
        for p, m in learnable
    ]
    examples = TwoHeadExamples().build(tiny_codec, turned)
    spec = TrainSpec(
        mode="frozen", objective=PerOutput(first="bce", second="mse"), readout=Readout(pool="both"), head_fit=QUICK
    )
    train(examples, spec, backbone=tiny_backbone, out=tmp_path / "prm")
    pairs = [(problem, made.trace) for problem, made in turned]
    first, second = (ProcessRewardModel.load(tmp_path / "prm", second=second) for second in (False, True))
    one, two = first.score_batch(pairs), second.score_batch(pairs)
    assert ({own.target for own in one}, {own.target for own in two}) == ({"validity"}, {"value"})
    good = [label.good for _, made in turned for label in made.labels]
    assert roc_auc_score(good, [value for own in one for value in own.values]) > 0.95
    assert roc_auc_score(good, [value for own in two for value in own.values]) < 0.5
    single = train(
        StepExamples().build(tiny_codec, turned),
        TrainSpec(mode="frozen", head_fit=QUICK),
        backbone=tiny_backbone,
        out=tmp_path / "b",
    )
    with pytest.raises(ModelError, match="says one thing of a step"):
        ProcessRewardModel.load(single.folder, second=True)
