from __future__ import annotations

import random

from stepward.training.order import epoch_batches
from stepward.training.split import folds, fraction, hold_out


def test_an_epoch_sees_every_example_once_within_its_token_budget():
    lengths = [random.Random(i).randint(1, 90) for i in range(500)] + [5000]
    batches = epoch_batches(lengths, tokens=400, seed=1, epoch=0)
    assert sorted(index for batch in batches for index in batch) == list(range(501))
    assert all(sum(lengths[i] for i in batch) <= 400 for batch in batches if batch != [500])


def test_the_order_depends_on_seed_and_epoch_alone():
    lengths = list(range(1, 200))
    orders = [epoch_batches(lengths, tokens=300, seed=s, epoch=e) for s, e in ((0, 0), (0, 0), (0, 1), (1, 0))]
    assert orders[0] == orders[1] and orders[0] != orders[2] and orders[0] != orders[3]


def test_batches_hold_similar_lengths():
    lengths = [random.Random(i).randint(10, 200) for i in range(2000)]
    batches = epoch_batches(lengths, tokens=2000, seed=0, epoch=0)
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    assert padded < 1.15 * sum(lengths)


def test_a_problem_is_on_one_side_and_stays_there_when_others_join(example_set):
    examples = example_set.examples
    halves = hold_out(examples, share=0.3, seed=0)
    train, out = ({example.group for example in side} for side in (halves.train, halves.held_out))
    assert train and out and not train & out
    assert len(halves.train) + len(halves.held_out) == len(examples)
    fewer = hold_out(examples[::2], share=0.3, seed=0)
    assert {example.group for example in fewer.held_out} <= out


def test_the_share_held_out_is_about_what_was_asked():
    assert abs(sum(fraction(str(i), 0) < 0.2 for i in range(2000)) / 2000 - 0.2) < 0.03


def test_folds_are_even_and_never_cut_a_problem(example_set):
    dealt = folds(example_set.examples, count=3, seed=0)
    places = {}
    for example, fold in zip(example_set.examples, dealt, strict=True):
        assert places.setdefault(example.group, fold) == fold
    sizes = [list(places.values()).count(fold) for fold in range(3)]
    assert max(sizes) - min(sizes) <= 1
