from __future__ import annotations

import math
import random

import pytest
import torch

from stepward.errors import ConfigError, LabelError
from stepward.reward_models.encoding.codec import Encoded
from stepward.training.examples import Example, Slot
from stepward.training.losses import normalised
from stepward.training.objectives.bradley_terry import BradleyTerry
from stepward.training.objectives.contract import StepTargets
from stepward.training.objectives.pqm import QValueRanking


def chain(labels, *, steps=None, weights=None, trace="t") -> Example:
    """A trace whose step k is the token `steps[k]` and a marker; None is unlabelled."""
    steps = steps or list(range(1, len(labels) + 1))
    ids = (0, *(token for step in steps for token in (step, 99)))
    reads = tuple(range(2, 2 * len(labels) + 2, 2))
    weights = weights or [1.0] * len(labels)
    slots = [
        Slot(step=k, target=float(y), weight=w)
        for k, (y, w) in enumerate(zip(labels, weights, strict=True))
        if y is not None
    ]
    encoded = Encoded(ids=ids, spans=tuple((r - 1, r) for r in reads), read_positions=reads)
    return Example(encoded=encoded, slots=tuple(slots), group="g", trace_id=trace)


def total(objective, examples, logits, normalisation="trace"):
    targets = StepTargets.of(normalised(examples, normalisation))
    return (objective.losses(logits, targets) * targets.weights_S).sum()


def pqm_by_hand(logits, labels, zeta, *, published=False):
    """The definition, step by step; as published: the authors' padded sums."""
    good = [(k, q) for k, (q, y) in enumerate(zip(logits, labels, strict=True)) if y]
    wrong = [math.exp(q + zeta) for q, y in zip(logits, labels, strict=True) if not y]
    terms = []
    if wrong:
        terms.append(math.log(1 + sum(wrong) + 1e-5 * published))
    for index, (k, own) in enumerate(good):
        whole = 1 + sum(math.exp(q) for _, q in good[: index + 1]) + sum(wrong)
        whole += published * ((math.exp(own) if k else 0.0) + 1e-5)
        terms.append(math.log(whole) - own)
    return sum(terms) / len(terms)


def test_pqm_gives_the_worked_example():
    terms = [1.3133, 0.8619, 0.6265]
    found = total(QValueRanking(), [chain([1, 1, 0])], torch.tensor([1.0, 2.0, -3.0]))
    assert found.item() == pytest.approx(sum(terms) / 3, abs=1e-4) == pytest.approx(0.9339, abs=1e-4)


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("labels", [[1, 1, 0], [0, 1, 1], [1], [0], [0, 0], [1, 1, 1, 1], [1, 0, 1, 0, 1]])
def test_pqm_is_its_definition_on_every_pattern(labels, published):
    logits = torch.randn(len(labels), generator=torch.Generator().manual_seed(len(labels))) * 2
    objective = QValueRanking(zeta=3.0, published=published)
    by_hand = pqm_by_hand(logits.tolist(), labels, 3.0, published=published)
    assert total(objective, [chain(labels)], logits).item() == pytest.approx(by_hand, abs=1e-5)


def test_pqm_is_the_mean_over_traces_and_passes_over_unlabelled_and_weightless_steps():
    examples = [chain([1, None, 0]), chain([1, 1], weights=[1.0, 0.0])]
    logits = torch.tensor([0.3, -0.2, 1.5, 9.0])
    hand = [pqm_by_hand([0.3, -0.2], [1, 0], 4.0), pqm_by_hand([1.5], [1], 4.0)]
    assert total(QValueRanking(), examples, logits).item() == pytest.approx(sum(hand) / 2, abs=1e-5)


def test_pqm_does_not_depend_on_how_its_traces_are_cut_into_passes():
    draw = random.Random(0)
    examples = normalised([chain([draw.randint(0, 1) for _ in range(draw.randint(1, 6))]) for _ in range(20)], "trace")
    logits = torch.randn(sum(len(example.slots) for example in examples))
    whole = StepTargets.of(examples)
    at_once = (QValueRanking().losses(logits, whole) * whole.weights_S).sum().item()
    apart, at = 0.0, 0
    for example in examples:
        own = StepTargets.of([example])
        apart += (QValueRanking().losses(logits[at : at + len(own)], own) * own.weights_S).sum().item()
        at += len(own)
    assert apart == pytest.approx(at_once, rel=1e-5)


def test_pqm_refuses_soft_labels_and_a_negative_distance():
    with pytest.raises(LabelError, match=r"pqm needs hard labels.*1 of 2.*got 0\.25.*hard view"):
        QValueRanking().check(StepTargets.of([chain([1, 0.25])]))
    QValueRanking().check(StepTargets.of([chain([1, 0.25], weights=[1.0, 0.0])]))
    with pytest.raises(ConfigError, match="zeta"):
        QValueRanking(zeta=-1.0)


def siblings(*labels, prefix=(7,), first=1):
    """Traces that differ in their last step alone, which alone is labelled."""
    return [
        chain([*[None] * len(prefix), y], steps=[*prefix, first + k], trace=str(first + k))
        for k, y in enumerate(labels)
    ]


def pair(d, margin=0.0):
    return math.log1p(math.exp(margin - d))


def test_a_pair_of_log_ratios_gives_the_worked_example_of_dpo():
    found = total(BradleyTerry(anchor=0.0), siblings(1, 0), 0.4 * torch.tensor([0.5, -0.25]))
    assert found.item() == pytest.approx(0.5544, abs=1e-4)


def test_two_better_and_two_worse_siblings_are_the_mean_of_four_pairs():
    logits = torch.tensor([0.5, 1.0, -0.3, 0.2])
    hand = [pair(w - worse) for w in (0.5, 1.0) for worse in (-0.3, 0.2)]
    found = total(BradleyTerry(anchor=0.0), siblings(1, 1, 0, 0), logits)
    assert found.item() == pytest.approx(sum(hand) / 4, abs=1e-6)


def test_margin_and_anchor_enter_as_written():
    found = total(BradleyTerry(margin=0.5, anchor=0.01), siblings(1, 0), torch.tensor([1.0, 0.4]))
    assert found.item() == pytest.approx(pair(0.6, margin=0.5) + 0.01 * 1.4**2, abs=1e-6)


def test_only_different_steps_after_one_prefix_are_compared():
    targets = StepTargets.of([*siblings(1, 0), *siblings(0, 0, first=5, prefix=(8,)), *siblings(1, 0, prefix=(9, 9))])
    assert BradleyTerry().compared(targets).tolist() == [True, True, False, False, True, True]
    twice = StepTargets.of([chain([1], steps=[3]), chain([0], steps=[3])])
    assert BradleyTerry().compared(twice).tolist() == [False, False]


def test_sets_of_siblings_weigh_alike_whatever_else_stands_in_the_pass():
    one, other = siblings(1, 0), siblings(0, 1, 1, first=5, prefix=(8,))
    logits = torch.tensor([0.3, -1.0, 0.2, 0.9, -0.4])
    alone = [pair(1.3), (pair(0.7) + pair(-0.6)) / 2]
    found = total(BradleyTerry(anchor=0.0), [*one, *other], logits)
    assert found.item() == pytest.approx((2 * alone[0] + 3 * alone[1]) / 5, abs=1e-6)


@pytest.mark.parametrize(
    "ties, loss",
    [
        ("drop", 0.0),
        ("half", 0.5 * (pair(0.6) + pair(-0.6))),
        ("rao_kupper", -math.log(math.expm1(1.0)) + pair(0.6, margin=0.5) + pair(-0.6, margin=0.5)),
    ],
)
def test_ties_are_what_was_asked_for(ties, loss):
    objective = BradleyTerry(margin=0.5, anchor=0.0, ties=ties)
    assert total(objective, siblings(1, 1), torch.tensor([1.0, 0.4])).item() == pytest.approx(loss, abs=1e-6)


def test_win_loss_and_tie_are_all_that_can_happen():
    d, m = torch.tensor([0.8, 0.0]), 0.4
    objective = BradleyTerry(margin=m, anchor=0.0, ties="rao_kupper")
    chances = [math.exp(-total(objective, siblings(*labels), d).item()) for labels in ((1, 0), (0, 1), (1, 1))]
    assert sum(chances) == pytest.approx(1.0, abs=1e-6)


def test_soft_labels_are_compared_beyond_a_gap():
    examples = siblings(0.75, 0.5, 0.0)
    logits = torch.tensor([1.0, 0.0, -1.0])
    found = total(BradleyTerry(anchor=0.0, gap=0.3), examples, logits)
    assert found.item() == pytest.approx((pair(2.0) + pair(1.0)) / 2, abs=1e-6)


def test_labels_without_siblings_are_refused_with_their_number():
    with pytest.raises(LabelError, match=r"bradley_terry compares.*2 of 4 labels without such siblings.*only_compared"):
        BradleyTerry().check(StepTargets.of([*siblings(1, 0), *siblings(1, 1, prefix=(8,))]))
    with pytest.raises(ConfigError, match="rao_kupper needs a margin"):
        BradleyTerry(ties="rao_kupper")
    with pytest.raises(ConfigError, match="at least 0"):
        BradleyTerry(margin=-1.0)


def test_no_pair_at_all_is_no_loss_and_no_gradient():
    logits = torch.tensor([1.0, 2.0], requires_grad=True)
    loss = total(BradleyTerry(), siblings(1, 1), logits)
    loss.backward()
    assert loss.item() == 0.0 and logits.grad.tolist() == [0.0, 0.0]
