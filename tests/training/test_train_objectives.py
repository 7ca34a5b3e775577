from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from stepward.config import build, describe
from stepward.errors import ConfigError, LabelError
from stepward.reward_models.encoding.codec import Encoded
from stepward.training.examples import Example, Slot, StepExamples
from stepward.training.losses import balanced, normalised
from stepward.training.objectives.bce import BinaryCrossEntropy
from stepward.training.objectives.binomial import BinomialLikelihood
from stepward.training.objectives.bradley_terry import BradleyTerry
from stepward.training.objectives.contract import Objective, StepTargets
from stepward.training.objectives.focal import FocalLoss
from stepward.training.objectives.generalised import GeneralisedCrossEntropy
from stepward.training.objectives.likelihood import NegativeLogLikelihood
from stepward.training.objectives.mse import SquaredError
from stepward.training.objectives.noisy import NoiseCorrected, noise_rates
from stepward.training.objectives.per_output import PerOutput
from stepward.training.objectives.pqm import QValueRanking
from stepward.types import StepLabel


def step(target: float, trials: int = 0, weight: float = 1.0) -> StepTargets:
    encoded = Encoded(ids=(1, 2), spans=((0, 1),), read_positions=(1,))
    slot = Slot(step=0, target=target, trials=trials, weight=weight)
    return StepTargets.of([Example(encoded=encoded, slots=(slot,), group="g", trace_id="t")])


def trace(values, *, ids, outputs=(0,) * 9) -> Example:
    """One token a step, ids as given after a common prompt."""
    places = range(1, len(values) + 1)
    encoded = Encoded(ids=(9, *ids), spans=tuple((at, at + 1) for at in places), read_positions=tuple(places))
    slots = [Slot(step=k, target=y, trials=4, output=outputs[k]) for k, y in enumerate(values)]
    return Example(encoded=encoded, slots=tuple(slots), group="g", trace_id="t")


def logit(p: float) -> torch.Tensor:
    return torch.tensor([math.log(p / (1 - p))], dtype=torch.float32)


@pytest.mark.parametrize(
    "objective, target, trials, p, loss",
    [
        (BinomialLikelihood(), 3 / 8, 8, 0.4, 5.3030),
        (BinaryCrossEntropy(), 3 / 8, 8, 0.4, 5.3030 / 8),
        (BinaryCrossEntropy(), 1.0, 0, 0.4, -math.log(0.4)),
        (BinaryCrossEntropy(bad_weight=3.0), 0.0, 0, 0.4, -3 * math.log(0.6)),
        (BinaryCrossEntropy(smoothing=0.2), 1.0, 0, 0.4, -0.9 * math.log(0.4) - 0.1 * math.log(0.6)),
        (SquaredError(), 1.0, 0, 0.4, 0.36),
        (GeneralisedCrossEntropy(q=0.7), 1.0, 0, 0.4, (1 - 0.4**0.7) / 0.7),
        (GeneralisedCrossEntropy(q=1.0), 0.0, 0, 0.4, 0.4),
        (FocalLoss(gamma=2.0), 1.0, 0, 0.4, -(0.6**2) * math.log(0.4)),
        (FocalLoss(gamma=0.0), 0.25, 0, 0.4, -0.25 * math.log(0.4) - 0.75 * math.log(0.6)),
        (NoiseCorrected(false_bad=0.2, false_good=0.1), 1.0, 0, 0.4, -math.log(0.8 * 0.4 + 0.1 * 0.6)),
        (NoiseCorrected(false_bad=0.2, false_good=0.1), 0.0, 0, 0.4, -math.log(0.2 * 0.4 + 0.9 * 0.6)),
        (NoiseCorrected(), 0.0, 0, 0.4, -math.log(0.6)),
    ],
)
def test_losses_agree_with_hand_calculation(objective, target, trials, p, loss):
    assert isinstance(objective, Objective)
    assert objective.losses(logit(p), step(target, trials)).item() == pytest.approx(loss, abs=1e-4)


EVERY = [
    BinaryCrossEntropy(bad_weight=2.0, smoothing=0.1),
    BinomialLikelihood(),
    SquaredError(),
    GeneralisedCrossEntropy(),
    FocalLoss(gamma=1.5),
    NoiseCorrected(false_bad=0.2, false_good=0.05),
    NegativeLogLikelihood(),
    PerOutput(first="pqm", second="mse"),
    QValueRanking(),
    QValueRanking(published=True),
    BradleyTerry(margin=0.3, anchor=0.01, ties="rao_kupper"),
]


@pytest.mark.parametrize("objective", EVERY, ids=lambda objective: type(objective).__name__)
def test_gradients_are_those_of_finite_differences(objective):
    labels = [[1.0, 0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]
    examples = [trace(own, ids=(1, 2, 3)[: len(own)], outputs=(0, 1, 0)) for own in labels]
    targets = StepTargets.of(examples)
    numbers = {"targets_S", "weights_S", "trials_S", "offsets_S"}
    exact = replace(targets, **{name: getattr(targets, name).double() for name in numbers})
    logits = torch.randn(len(targets), dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    weights = torch.linspace(0.5, 1.5, len(targets), dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda z: (objective.losses(z, exact) * weights).sum(), (logits.requires_grad_(),), atol=1e-6
    )


@pytest.mark.parametrize("objective", EVERY, ids=lambda objective: type(objective).__name__)
def test_an_objective_keeps_the_contract_and_its_name(objective):
    assert isinstance(objective, Objective)
    assert build("objective", describe(objective)) == objective
    ranks = isinstance(objective, (QValueRanking, BradleyTerry, NegativeLogLikelihood, PerOutput))
    assert objective.convention == ("logit" if ranks else "probability")


@pytest.mark.parametrize("objective", EVERY[:6], ids=lambda objective: type(objective).__name__)
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


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: BinaryCrossEntropy(bad_weight=0.0), "bad_weight must be above 0"),
        (lambda: BinaryCrossEntropy(smoothing=1.0), "smoothing must lie in"),
        (lambda: GeneralisedCrossEntropy(q=0.0), "q must lie in"),
        (lambda: FocalLoss(gamma=-1.0), "gamma must be at least 0"),
        (lambda: NoiseCorrected(false_bad=0.6, false_good=0.4), "sum is below 1"),
        (lambda: NoiseCorrected(false_bad=-0.1), "at least 0"),
        (lambda: PerOutput(first={"use": "bce", "bad_weight": 2.0}), "weigh good and bad steps alike"),
        (lambda: PerOutput(second="msee"), "per_output.second"),
        (lambda: PerOutput(second_weight=0.0), "second_weight must be above 0"),
    ],
)
def test_a_number_out_of_range_is_refused_by_its_name(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_known_noise_is_seen_through():
    """The minimum is the true share of good steps, though the labels hold another one."""
    objective, truth = NoiseCorrected(false_bad=0.3, false_good=0.1), 0.9
    observed = 0.7 * truth + 0.1 * (1 - truth)
    z = torch.linspace(-6, 6, 4801)
    losses = torch.stack([objective.losses(each.reshape(1), step(observed)) for each in z])
    assert torch.sigmoid(z[losses.argmin()]).item() == pytest.approx(truth, abs=2e-3)


def test_noise_rates_are_counted_by_class():
    truth = [True] * 9 + [False] * 4
    labels = [True] * 7 + [False] * 2 + [False] * 3 + [True]
    found = noise_rates(labels, truth)
    assert (found.false_bad, found.false_good) == (pytest.approx(2.5 / 10), pytest.approx(1.5 / 5))
    with pytest.raises(LabelError, match="good and bad"):
        noise_rates([True], [True])


def test_a_wrong_label_pulls_less_in_generalised_cross_entropy_and_more_in_focal_loss():
    def pull(objective):
        z = torch.tensor([4.0], requires_grad=True)
        objective.losses(z, step(0.0)).sum().backward()
        return abs(z.grad.item())

    sure = pull(BinaryCrossEntropy())
    assert pull(GeneralisedCrossEntropy()) < 0.1 * sure < sure < pull(FocalLoss())


def test_each_output_has_its_own_objective_and_weight():
    objective = PerOutput(first="bce", second="mse", second_weight=3.0)
    targets = StepTargets.of([trace([1.0, 0.5], ids=(1, 2), outputs=(0, 1))])
    found = objective.losses(torch.tensor([0.0, 0.0]), targets)
    assert found.tolist() == pytest.approx([math.log(2), 3.0 * 0.0])
    with pytest.raises(LabelError, match="hard labels"):
        PerOutput(first="bce", second="pqm").check(targets)
    assert PerOutput(first="bce", second="pqm").scope == "trace"


def test_a_likelihood_has_no_use_for_labels():
    assert NegativeLogLikelihood().losses(torch.tensor([-0.7]), step(1.0)).item() == pytest.approx(0.7)
    with pytest.raises(LabelError, match="no targets but 1"):
        NegativeLogLikelihood().check(step(0.0))


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
    assert [[slot.weight for slot in example.slots] for example in token] == [[0.25], [0.25, 0.25, 0.25]]
    assert [sum(slot.weight for slot in example.slots) for example in trace] == pytest.approx([0.5, 0.5])


def test_class_balance_weighs_the_rarer_class_up_to_a_limit(tiny_codec, make_labeled):
    examples = built(tiny_codec, make_labeled, [1.0, 1.0, 0.0], [1.0])
    assert balanced(examples).bad_weight == 3.0
    assert balanced(examples, most=2.0).bad_weight == 2.0
    with pytest.raises(LabelError, match="good and bad"):
        balanced(built(tiny_codec, make_labeled, [1.0]))
