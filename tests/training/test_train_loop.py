from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from stepward.errors import ConfigError, LabelError, ModelError
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.checkpoint import read_card
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.outcome import OutcomeRewardModel
from stepward.reward_models.process import ProcessRewardModel
from stepward.reward_models.readout import Readout
from stepward.training.descent import GradientRun
from stepward.training.examples import OutcomeExamples
from stepward.training.features import FeatureStore
from stepward.training.frozen import fit_head
from stepward.training.loop import train
from stepward.training.losses import balanced
from stepward.training.objectives.bce import BinaryCrossEntropy
from stepward.training.objectives.binomial import BinomialLikelihood
from stepward.training.objectives.contract import StepTargets
from stepward.training.spec import Adapter, Descent, HeadFit, TrainSpec
from stepward.training.split import Halves
from stepward.training.watch import SILENT, Watch

FAST = Descent(
    epochs=4,
    learning_rate=1e-2,
    head_learning_rate=1e-2,
    batch_tokens=300,
    forward_tokens=150,
    evaluate_every=5,
    save_every=4,
    patience=50,
)
SPECS = {
    "full": TrainSpec(mode="full", descent=FAST, held_out=0.2),
    "lora": TrainSpec(mode="lora", descent=FAST, held_out=0.2, adapter=Adapter(rank=4)),
    "frozen": TrainSpec(
        mode="frozen", readout=Readout(layers=(-1,), pool="both"), head_fit=HeadFit(penalties=(0.001, 0.1), folds=3)
    ),
}


def weights(folder):
    return {
        f"{file.name}:{name}": tensor
        for file in folder.glob("*.safetensors")
        for name, tensor in load_file(file).items()
    }


def same(one, two):
    return one and one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def auroc(folder, pairs):
    scores = ProcessRewardModel.load(folder).score_batch([(problem, made.trace) for problem, made in pairs])
    good = [label.good for _, made in pairs for label in made.labels]
    return roc_auc_score(good, [value for own in scores for value in own.values])


@pytest.fixture(scope="module")
def unbroken(tiny_backbone, example_set, tmp_path_factory):
    """The folder of a training by each mode that nothing stopped, and what was returned. Read only."""
    folders = {mode: tmp_path_factory.mktemp("unbroken") / mode for mode in SPECS}
    return {
        mode: (folder, train(example_set, SPECS[mode], backbone=tiny_backbone, out=folder))
        for mode, folder in folders.items()
    }


@pytest.mark.parametrize("mode", SPECS)
def test_every_mode_learns_and_its_checkpoint_scores(mode, unbroken, learnable):
    folder, result = unbroken[mode]
    card = read_card(folder)
    assert result.finished and result.figures == card.training["figures"]
    assert (card.mode, card.kind, card.format.target) == (mode, "prm", "validity")
    assert result.figures["labels"] == sum(len(made.labels) for _, made in learnable)
    assert auroc(folder, learnable) > 0.97


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_an_interrupted_training_ends_with_the_weights_of_an_unbroken_one(
    mode, unbroken, tiny_backbone, example_set, tmp_path
):
    whole, broken = unbroken[mode][0], tmp_path / "broken"

    def die_at(step):
        def progress(report):
            if report["step"] == step:
                raise KeyboardInterrupt

        return Watch(progress=progress)

    for step in (3, 7, 9):
        with pytest.raises(KeyboardInterrupt):
            train(example_set, SPECS[mode], backbone=tiny_backbone, out=broken, watch=die_at(step))
        torch.manual_seed(step)
    assert train(example_set, SPECS[mode], backbone=tiny_backbone, out=broken).finished
    assert same(weights(whole), weights(broken))
    lines = [json.loads(line) for line in (broken / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, lines[-1]["steps"] + 1))
    assert (broken / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()


@pytest.mark.parametrize("mode", SPECS)
def test_a_stop_request_saves_and_the_next_call_goes_on(mode, unbroken, tiny_backbone, example_set, tmp_path):
    asked = []

    def stop():
        asked.append(1)
        return len(asked) > 2 or mode == "frozen"

    stopped = train(example_set, SPECS[mode], backbone=tiny_backbone, out=tmp_path / "prm", watch=Watch(stop=stop))
    assert not stopped.finished and not (tmp_path / "prm" / "stepward.json").exists()
    train(example_set, SPECS[mode], backbone=tiny_backbone, out=tmp_path / "prm")
    assert same(weights(tmp_path / "prm"), weights(unbroken[mode][0]))


def test_a_finished_training_is_not_repeated_and_another_is_refused(tiny_backbone, example_set, tmp_path):
    spec = SPECS["frozen"]
    first = train(example_set, spec, backbone=tiny_backbone, out=tmp_path / "prm")
    stamp = (tmp_path / "prm" / "head.safetensors").stat().st_mtime_ns
    assert train(example_set, spec, backbone=tiny_backbone, out=tmp_path / "prm") == first
    assert (tmp_path / "prm" / "head.safetensors").stat().st_mtime_ns == stamp
    with pytest.raises(ConfigError, match="other settings"):
        train(example_set, replace(spec, seed=1), backbone=tiny_backbone, out=tmp_path / "prm")


def test_a_state_of_another_training_is_refused(tiny_backbone, example_set, tmp_path):
    spec = SPECS["full"]
    train(example_set, spec, backbone=tiny_backbone, out=tmp_path, watch=Watch(stop=lambda: True))
    with pytest.raises(ConfigError, match="state of a training with other settings"):
        train(example_set, replace(spec, seed=1), backbone=tiny_backbone, out=tmp_path)


def test_an_outcome_model_trains_from_the_same_traces(tiny_backbone, tiny_codec, learnable, tmp_path):
    examples = OutcomeExamples().build(tiny_codec, learnable)
    spec = TrainSpec(kind="orm", descent=replace(FAST, epochs=10, learning_rate=0.02), held_out=0.0)
    train(examples, spec, backbone=tiny_backbone, out=tmp_path / "orm")
    scores = OutcomeRewardModel.load(tmp_path / "orm").score_traces([(p, made.trace) for p, made in learnable])
    right = [made.verdict.correct for _, made in learnable]
    assert roc_auc_score(right, [score.value for score in scores]) > 0.95


def run_of(tiny_backbone, example_set, tmp_path, **descent):
    backbone = Backbone.open(tiny_backbone, example_set.format)
    torch.manual_seed(0)

    head = ScoreHead(backbone.width)
    torch.nn.init.normal_(head.out.weight)
    spec = TrainSpec(descent=replace(FAST, **descent))
    halves = Halves(train=example_set.examples, held_out=())
    return GradientRun(spec=spec, halves=halves, backbone=backbone, head=head, out=tmp_path, key="k", watch=SILENT)


def test_the_gradient_does_not_depend_on_how_a_batch_is_cut(tiny_backbone, example_set, tmp_path):
    gradients = []
    for tokens in (20, 200, 100_000):
        run = run_of(tiny_backbone, example_set, tmp_path, forward_tokens=tokens)
        loss = run._gradients(run._units)
        flat = torch.cat([p.grad.flatten() for p in run.backbone.model.parameters() if p.grad is not None])
        gradients.append((loss, flat))
    for loss, flat in gradients[1:]:
        assert loss == pytest.approx(gradients[0][0], rel=1e-5)
        assert torch.allclose(flat, gradients[0][1], atol=1e-5)


def test_divergence_is_an_error_that_keeps_the_state_before(tiny_backbone, example_set, tmp_path):
    run = run_of(tiny_backbone, example_set, tmp_path)
    with torch.no_grad():
        run.head.out.bias.fill_(float("nan"))
    with pytest.raises(ModelError, match="diverged at step 0"):
        run.run()


def test_training_ends_after_enough_looks_without_improvement(tiny_backbone, example_set, tmp_path):
    hasty = replace(FAST, epochs=60, evaluate_every=1, patience=3, learning_rate=0.1, head_learning_rate=0.1)
    spec = TrainSpec(descent=hasty, held_out=0.2)
    figures = train(example_set, spec, backbone=tiny_backbone, out=tmp_path).figures
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert figures["steps"] < lines[0]["steps"]
    assert figures["steps"] == figures["best_step"] + 3
    assert figures["held_out_loss"] == min(line["held_out_loss"] for line in lines)


def test_an_objective_that_cannot_use_the_labels_refuses_before_anything_is_written(
    tiny_backbone, example_set, tmp_path
):
    with pytest.raises(LabelError, match="k of n"):
        train(example_set, TrainSpec(objective=BinomialLikelihood()), backbone=tiny_backbone, out=tmp_path / "prm")
    assert not (tmp_path / "prm").exists()


def test_nothing_left_to_train_on_is_an_error(tiny_backbone, example_set, tmp_path):
    alone = replace(example_set, examples=example_set.examples[:1])
    with pytest.raises(LabelError, match="held-out side"):
        train(alone, TrainSpec(held_out=0.999), backbone=tiny_backbone, out=tmp_path)


def test_a_frozen_head_is_the_ridge_logistic_regression_of_its_features(tiny_backbone, example_set, tmp_path):
    backbone = Backbone.open(tiny_backbone, example_set.format)
    states = FeatureStore(folder=tmp_path).read(backbone, Readout(), [e.encoded for e in example_set.examples])
    spec = TrainSpec(mode="frozen", head_fit=HeadFit(penalties=(0.01,), folds=3, iterations=500))
    fitted = fit_head(states, example_set.examples, spec)
    y = StepTargets.of(example_set.examples).targets_S.numpy()
    z = ((states - states.mean(0)) / states.std(0, unbiased=False)).numpy()
    rival = LogisticRegression(C=1 / (0.01 * len(y)), tol=1e-8, max_iter=5000).fit(z, y)
    with torch.no_grad():
        assert torch.allclose(
            fitted.head(states).squeeze(1), torch.tensor(rival.decision_function(z)).float(), atol=2e-2
        )


def test_the_penalty_is_the_one_that_holds_up_on_other_problems(tiny_backbone, example_set, tmp_path):
    backbone = Backbone.open(tiny_backbone, example_set.format)
    encoded = [e.encoded for e in example_set.examples]
    states = FeatureStore(folder=tmp_path).read(backbone, Readout(layers=(0,), pool="mean"), encoded)
    noise = torch.randn(len(states), 40, generator=torch.Generator().manual_seed(0))
    spec = TrainSpec(mode="frozen", head_fit=HeadFit(penalties=(0.001, 10.0), folds=3))
    assert fit_head(noise, example_set.examples, spec).penalty == 10.0
    assert fit_head(states, example_set.examples, spec).penalty == 0.001


def test_scores_keep_the_base_rate_when_classes_were_weighed(tiny_backbone, example_set, tmp_path):
    means = []
    objective = balanced(example_set.examples)
    for spec in (
        TrainSpec(mode="frozen", objective=BinaryCrossEntropy(bad_weight=5.0), correct_prior=True),
        TrainSpec(mode="frozen", objective=BinaryCrossEntropy(bad_weight=5.0), correct_prior=False),
        TrainSpec(mode="frozen", objective=objective),
    ):
        strong = replace(spec, head_fit=HeadFit(penalties=(100.0,), folds=3))
        out = tmp_path / f"prm{len(means)}"
        train(example_set, strong, backbone=tiny_backbone, out=out)
        (scores,) = {round(v, 2) for v in _scores(out, example_set)} or {0.0}
        means.append(scores)
    rate = StepTargets.of(example_set.examples).targets_S.mean().item()
    assert means[0] == pytest.approx(rate, abs=0.03) and means[2] == pytest.approx(rate, abs=0.03)
    assert means[1] < rate - 0.2


def _scores(folder, example_set):
    model = ProcessRewardModel.load(folder)
    logits = model.reader.logits([example.encoded for example in example_set.examples])
    values = torch.tensor([value for own in logits for value in own]).sigmoid()
    return [values.mean().item()]
