from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from sklearn.metrics import roc_auc_score
from transformers import AutoTokenizer, ModernBertConfig, ModernBertModel

import stepward
from stepward import registry
from stepward.config import typed
from stepward.errors import ConfigError, LabelError
from stepward.pipeline.stages.train import TrainModel
from stepward.reward_models.backbone import Backbone, open_codec, quiet
from stepward.reward_models.checkpoint import read_card
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.outcome import OutcomeRewardModel
from stepward.reward_models.process import ProcessRewardModel
from stepward.reward_models.readout import Readout
from stepward.training.descent import GradientRun
from stepward.training.examples import OutcomeExamples, StepExamples
from stepward.training.loop import train
from stepward.training.losses import normalised
from stepward.training.objectives.bce import BinaryCrossEntropy
from stepward.training.objectives.bradley_terry import BradleyTerry
from stepward.training.objectives.generalised import GeneralisedCrossEntropy
from stepward.training.objectives.noisy import NoiseCorrected
from stepward.training.objectives.per_output import PerOutput
from stepward.training.objectives.pqm import QValueRanking
from stepward.training.prefixes import per_prefix
from stepward.training.siblings import only_compared
from stepward.training.spec import Descent, HeadFit, TrainSpec
from stepward.training.split import Halves
from stepward.training.teaching import Labellings, Teaching
from stepward.training.watch import SILENT
from stepward.types import StepLabel

QUICK = HeadFit(penalties=(0.01,), folds=3)
FROZEN = TrainSpec(mode="frozen", head_fit=QUICK, readout=Readout(pool="both"))
FAST = Descent(epochs=6, learning_rate=1e-2, head_learning_rate=1e-2, batch_tokens=300, patience=50)


def good(pairs):
    return [label.good for _, made in pairs for label in made.labels]


def flat(folder, pairs):
    scores = ProcessRewardModel.load(folder).score_batch([(problem, made.trace) for problem, made in pairs])
    return [value for own in scores for value in own.values]


@pytest.mark.parametrize(
    "objective",
    [QValueRanking(), NoiseCorrected(false_bad=0.1, false_good=0.1), GeneralisedCrossEntropy()],
    ids=lambda objective: type(objective).__name__,
)
def test_an_objective_teaches_a_head_to_order_steps(objective, tiny_backbone, example_set, learnable, tmp_path):
    spec = replace(FROZEN, objective=objective, normalisation="trace")
    train(example_set, spec, backbone=tiny_backbone, out=tmp_path / "prm")
    assert roc_auc_score(good(learnable), flat(tmp_path / "prm", learnable)) > 0.95
    convention = "logit" if isinstance(objective, QValueRanking) else "probability"
    assert read_card(tmp_path / "prm").format.convention == convention


@pytest.mark.parametrize("objective", [QValueRanking(), BradleyTerry()], ids=lambda objective: type(objective).__name__)
@pytest.mark.parametrize("pack", ["rows", "chain", "tree"])
def test_the_gradient_of_lists_does_not_depend_on_cuts_and_packing(
    pack, objective, tiny_backbone, example_set, tmp_path
):
    examples = example_set
    if isinstance(objective, BradleyTerry):
        examples = only_compared(example_set, objective)
    found = [
        gradient(tiny_backbone, examples, tmp_path, objective, Descent(pack=kind, batch_tokens=10**6, forward_tokens=n))
        for kind, n in ((pack, 40), ("rows", 10**6))
    ]
    (loss, weights), (other, reference) = found
    assert loss == pytest.approx(other, rel=1e-5) and reference.abs().max() > 1e-4
    assert torch.allclose(weights, reference, atol=1e-5)


def gradient(tiny_backbone, examples, out, objective, descent):
    backbone = Backbone.open(tiny_backbone, examples.format)
    spec = TrainSpec(objective=objective, descent=descent, normalisation="trace")
    torch.manual_seed(0)
    head = spec.head(backbone.width)
    torch.nn.init.normal_(head.out.weight)
    halves = Halves(train=examples.examples, held_out=())
    run = GradientRun(spec=spec, halves=halves, backbone=backbone, head=head, out=out, key="k", watch=SILENT)
    loss = run.passes.gradient(run.passes.cut(normalised(examples.examples, "trace")))
    return loss, torch.cat([weight.grad.flatten() for weight in run._weights.values() if weight.grad is not None])


def test_an_outcome_model_may_learn_at_every_token(tiny_backbone, tiny_codec, learnable, tmp_path):
    examples = OutcomeExamples(at="token").build(tiny_codec, learnable)
    spec = TrainSpec(kind="orm", descent=replace(FAST, epochs=12), held_out=0.0)
    train(examples, spec, backbone=tiny_backbone, out=tmp_path / "orm")
    scores = OutcomeRewardModel.load(tmp_path / "orm").score_traces([(p, made.trace) for p, made in learnable])
    right = [made.verdict.correct for _, made in learnable]
    assert roc_auc_score(right, [score.value for score in scores]) > 0.9
    for wrong in (Readout(pool="mean"), Readout(layers=(), likelihood="so_far")):
        with pytest.raises(ConfigError, match="needs a readout at the token itself"):
            train(examples, replace(spec, readout=wrong), backbone=tiny_backbone, out=tmp_path / "other")


def labellings(pairs):
    return Labellings(first=pairs)


def test_a_ranking_of_siblings_is_taught_what_it_compares_and_a_balance_what_is_rare(tiny_codec, learnable):
    made = Teaching().examples("prm", tiny_codec, labellings(learnable))
    kept, objective = Teaching().fitted(made, BradleyTerry())
    assert 0 < len(kept.examples) < len(made.examples) and objective == BradleyTerry()
    rare = [(problem, replace(own, labels=tuple(map(rarely_bad, own.labels)))) for problem, own in learnable]
    balance = Teaching(balance=True)
    uneven = balance.examples("prm", tiny_codec, labellings([*learnable, *rare]))
    _, weighed = balance.fitted(uneven, BinaryCrossEntropy(smoothing=0.1))
    assert weighed.bad_weight > 1.5 and weighed.smoothing == 0.1
    with pytest.raises(ConfigError, match="balance weighs the classes of objective bce"):
        balance.fitted(uneven, QValueRanking())


def rarely_bad(label):
    return replace(label, value=1.0)


def test_labels_count_where_another_labelling_agrees(tiny_codec, make_labeled):
    one = make_labeled(["a\n", "b\n"], [label(1.0), label(0.0)])
    other = (one[0], replace(one[1], labels=(label(1.0), label(1.0))))
    alone = make_labeled(["c\n"], [label(1.0)])
    said = Labellings(first=[one, alone], agree_with=[other])
    (example,) = Teaching().examples("prm", tiny_codec, said).examples
    assert [(slot.step, slot.weight) for slot in example.slots] == [(0, 1.0)]
    softer = Teaching(disagree=0.25).examples("prm", tiny_codec, said)
    assert [[slot.weight for slot in example.slots] for example in softer.examples] == [[1.0, 0.25], [0.25]]


def label(value):
    return StepLabel(target="validity", value=value, source="judge")


def test_trust_and_spread_become_weights_and_ranges_are_checked(tiny_codec, make_labeled):
    judged = label(1.0)
    rolled = replace(judged, source="rollout", value=0.5, successes=2, trials=4)
    pair = make_labeled(["a\n", "b\n"], [judged, rolled])
    teaching = Teaching(trust={"judge": 0.5}, posterior_spread=0.1, view="soft")
    (example,) = teaching.examples("prm", tiny_codec, labellings([pair])).examples
    variance = 2.5 * 2.5 / (25 * 6)
    assert [slot.weight for slot in example.slots] == pytest.approx([0.5, 0.01 / (0.01 + variance)])
    for wrong in ({"trust": {"judge": -1.0}}, {"posterior_spread": -1.0}, {"disagree": -1.0}, {"neutral": "so"}):
        with pytest.raises(ConfigError):
            Teaching(**wrong)


def test_the_stage_takes_choices_flat_and_checks_them_before_any_work():
    stage = typed(
        TrainModel,
        {
            "source": "labels",
            "backbone": "quickstart",
            "objective": {"use": "pqm", "zeta": 2.0},
            "normalisation": "trace",
            "neutral": 0.5,
            "heads": "two",
            "second": "rollouts",
            "trust": {"rollout": 0.5},
            "readout": {"layers": [], "likelihood": "step", "beta": 0.4},
        },
    )
    assert (stage.neutral, stage.trust, stage.readout.beta) == (0.5, {"rollout": 0.5}, 0.4)
    for wrong, message in (
        ({"objective": "pqn"}, "did you mean 'pqm'"),
        ({"objective": {"use": "pqm", "zeta": -1.0}}, "zeta must be at least 0"),
        ({"second": "rollouts"}, "set heads: two"),
        ({"neutral": "so"}, "neutral"),
    ):
        with pytest.raises(ConfigError, match=message):
            typed(TrainModel, {"source": "labels", "backbone": "quickstart", **wrong})


def test_the_python_face_takes_an_objective_by_name_and_choices(tiny_backbone, learnable, tmp_path):
    folder = stepward.train(
        learnable,
        backbone=tiny_backbone,
        out=tmp_path / "prm",
        mode="frozen",
        head_fit=QUICK,
        objective={"use": "bce", "smoothing": 0.1},
        after_error="drop",
        heads="two",
        second=learnable,
    )
    card = read_card(folder)
    assert card.second == "validity" and card.training["spec"]["objective"]["smoothing"] == 0.1
    assert card.training["figures"]["notes"]["labels after the first error left out"] > 0
    with pytest.raises(LabelError, match="pqm needs hard labels"):
        soft = [(p, replace(m, labels=tuple(replace(x, value=0.5) for x in m.labels))) for p, m in learnable]
        stepward.train(soft, backbone=tiny_backbone, out=tmp_path / "b", objective="pqm", view="soft")


@pytest.mark.parametrize(
    "settings, says",
    [
        ({"objective": "binomial"}, "k of n.*view: soft"),
        ({"mode": "public"}, "published checkpoint is not trained"),
        ({"readout": Readout(layers=(), likelihood="so_far"), "mode": "frozen"}, "log-ratios are trained in the mode"),
        ({"objective": "pqm", "balance": True}, "balance weighs the classes"),
    ],
)
def test_a_recipe_that_cannot_train_is_refused_before_any_work(settings, says):
    with pytest.raises(ConfigError, match=says):
        TrainModel(source="labels", backbone="quickstart", **settings)


def test_labels_that_all_say_the_same_are_refused(tiny_codec, tiny_backbone, learnable, tmp_path):
    alike = [(p, replace(m, labels=tuple(replace(x, value=1.0) for x in m.labels))) for p, m in learnable]
    made = StepExamples().build(tiny_codec, alike)
    with pytest.raises(LabelError, match=r"every label says the same.*x 1'; bring good and bad"):
        train(made, FROZEN, backbone=tiny_backbone, out=tmp_path / "prm")
    assert not (tmp_path / "prm").exists()


def test_two_objectives_need_two_heads(example_set):
    with pytest.raises(LabelError, match="per_output teaches two outputs; got '1 taught'; set heads: two"):
        replace(FROZEN, objective=PerOutput()).check(example_set)


@pytest.fixture(scope="module")
def encoder(tiny_backbone, tmp_path_factory) -> Path:
    """A random bidirectional encoder with the tiny model's tokenizer."""
    folder = tmp_path_factory.mktemp("encoder") / "backbone"
    with quiet():
        tokenizer = AutoTokenizer.from_pretrained(tiny_backbone)
        torch.manual_seed(0)
        special = {f"{name}_token_id": None for name in ("bos", "eos", "cls", "sep", "pad")}
        ModernBertModel(
            ModernBertConfig(
                vocab_size=len(tokenizer),
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=256,
                **special,
            )
        ).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


def test_an_encoder_is_taught_each_step_on_its_prefix_unless_whole_traces_are_asked_for(encoder, learnable, tmp_path):
    examples = StepExamples().build(open_codec(encoder, STEPWARD_DEFAULT), learnable)
    for sees in ("prefix", "trace"):
        train(examples, replace(FROZEN, sees=sees), backbone=encoder, out=tmp_path / sees)
        problem, made = max(learnable, key=lambda pair: len(pair[1].trace))
        model = ProcessRewardModel.load(tmp_path / sees)
        (whole,) = model.score_batch([(problem, made.trace)])
        cut = replace(made.trace, text=made.trace.prefix(1), steps=made.trace.steps[:1])
        (first,) = model.score_batch([(problem, cut)])
        same = whole.values[0] == pytest.approx(first.values[0], abs=1e-5)
        assert same == (sees == "prefix") and whole.sees == sees
    with pytest.raises(ConfigError, match="compares the steps of a trace"):
        train(examples, replace(FROZEN, objective=QValueRanking()), backbone=encoder, out=tmp_path / "pqm")


def test_one_example_per_learned_step_holds_its_prefix_alone(example_set):
    cut = per_prefix(example_set, BinaryCrossEntropy())
    assert len(cut.examples) == sum(len(example.slots) for example in example_set.examples)
    example, own = example_set.examples[0], cut.examples[: len(example_set.examples[0].slots)]
    for row, slot, read in zip(own, example.slots, example.encoded.read_positions, strict=True):
        assert row.encoded.ids == example.encoded.ids[: read + 1] and row.encoded.read_positions == (read,)
        assert row.slots == (replace(slot, step=0),) and row.group == example.group


def test_every_objective_and_choice_is_explained() -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    choices = [field.name for field in fields(Teaching) if field.name != "second_view"]
    assert not [name for name in (*registry.names("objective"), *choices) if f"`{name}" not in page]
