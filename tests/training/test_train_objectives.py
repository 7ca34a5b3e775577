from __future__ import annotations

import math

import pytest
import torch

from stepward.errors import ConfigError, LabelError
from stepward.training.examples import StepExamples
from stepward.training.losses import balanced, normalised
from stepward.training.objectives.bce import BinaryCrossEntropy
from stepward.training.objectives.binomial import BinomialLikelihood
from stepward.training.objectives.contract import Objective, StepTargets
from stepward.training.objectives.mse import SquaredError
from stepward.types import StepLabel


def step(target: float, trials: int = 0, weight: float = 1.0) -> StepTargets:
    return StepTargets(*(torch.tensor([float(value)]) for value in (target, weight, trials)))


def logit(p: float) -> torch.Tensor:
    return torch.tensor([math.log(p / (1 - p))], dtype=torch.float32)


@pytest.mark.parametrize(
    "objective, target, trials, p, loss",
    [
        (BinomialLikelihood(), 3 / 8, 8, 0.4, 5.3030),
        (BinaryCrossEntropy(), 3 / 8, 8, 0.4, 5.3030 / 8),
        (BinaryCrossEntropy(), 1.0, 0, 0.4, -math.log(0.4)),
        (BinaryCrossEntropy(bad_weight=3.0), 0.0, 0, 0.4, -3 * math.log(0.6)),
        (SquaredError(), 1.0, 0, 0.4, 0.36),
    ],
)
def test_losses_agree_with_hand_calculation(objective, target, trials, p, loss):
    assert isinstance(objective, Objective)
    assert objective.losses(logit(p), step(target, trials)).item() == pytest.approx(loss, abs=1e-4)


@pytest.mark.parametrize("objective", [BinaryCrossEntropy(), BinomialLikelihood(), SquaredError()])
def test_extreme_logits_give_finite_losses(objective):
    for value in (-1e4, 1e4):
        assert torch.isfinite(objective.losses(torch.tensor([value]), step(0.5, 4))).all()


def test_the_shift_undoes_the_class_weight_exactly():
    objective, y = BinaryCrossEntropy(bad_weight=4.0), 0.9
    trained = torch.zeros(1, requires_grad=True)
    descent = torch.optim.LBFGS([trained], line_search_fn="strong_wolfe", max_iter=100)

    def closure():
        descent.zero_grad()
        loss = objective.losses(trained, step(y)).sum()
        loss.backward()
        return loss

    descent.step(closure)
    assert torch.sigmoid(trained.detach() + objective.logit_shift).item() == pytest.approx(y, abs=1e-3)


def test_a_class_weight_must_be_above_zero():
    with pytest.raises(ConfigError, match="bad_weight must be above 0"):
        BinaryCrossEntropy(bad_weight=0.0)


def test_a_binomial_likelihood_refuses_labels_without_counts_unless_masked():
    BinomialLikelihood().check(step(0.0, 0, weight=0.0))
    with pytest.raises(LabelError, match="k of n"):
        BinomialLikelihood().check(step(1.0, 0))
    with pytest.raises(LabelError, match="not k of n"):
        BinomialLikelihood().check(step(0.3, 8))


def built(tiny_codec, make_labeled, *values):
    labels = [[StepLabel(target="prefix", value=v, source="human") for v in own] for own in values]
    pairs = [make_labeled(["a\n"] * len(own), own) for own in labels]
    return StepExamples().build(tiny_codec, pairs).examples


def test_normalisation_decides_what_a_long_trace_weighs(tiny_codec, make_labeled):
    examples = built(tiny_codec, make_labeled, [1.0], [1.0, 1.0, 1.0])
    token, trace = (normalised(examples, way) for way in ("token", "trace"))
    assert [example.weights for example in token] == [(0.25,), (0.25, 0.25, 0.25)]
    assert [sum(example.weights) for example in trace] == pytest.approx([0.5, 0.5])


def test_class_balance_weighs_the_rarer_class_up_to_a_limit(tiny_codec, make_labeled):
    examples = built(tiny_codec, make_labeled, [1.0, 1.0, 0.0], [1.0])
    assert balanced(examples).bad_weight == 3.0
    assert balanced(examples, most=2.0).bad_weight == 2.0
    with pytest.raises(LabelError, match="good and bad"):
        balanced(built(tiny_codec, make_labeled, [1.0]))
