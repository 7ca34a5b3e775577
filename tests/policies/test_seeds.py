from __future__ import annotations

from dataclasses import replace

import numpy as np

from stepward.policies.seeds import draw_keys, splitmix64, uniforms
from stepward.types import Problem, SampleRequest, Sampling

REQUEST = SampleRequest(problem=Problem(id="p", text="1 + 2"), prefix="3", n=8)


def test_splitmix64_gives_the_published_sequence_of_seed_zero() -> None:
    """First outputs of the reference implementation (Vigna) from state 0."""
    gamma = np.uint64(0x9E3779B97F4A7C15)
    states = np.arange(1, 4, dtype=np.uint64) * gamma
    assert [hex(word) for word in splitmix64(states).tolist()] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]


def test_a_draw_keeps_its_key_whatever_is_asked_with_it() -> None:
    later = draw_keys(replace(REQUEST, n=3, first_draw=5))
    assert later.tolist() == draw_keys(REQUEST)[5:].tolist()
    assert len(set(draw_keys(REQUEST).tolist())) == 8


def test_seed_problem_and_prefix_each_change_the_key_and_temperature_does_not() -> None:
    key = draw_keys(REQUEST)[0]
    others = [
        replace(REQUEST, sampling=Sampling(seed=1)),
        replace(REQUEST, problem=Problem(id="q", text="1 + 2")),
        replace(REQUEST, prefix=""),
    ]
    assert key not in [draw_keys(other)[0] for other in others]
    assert draw_keys(replace(REQUEST, sampling=Sampling(temperature=0.5)))[0] == key


def test_numbers_are_uniform_and_differ_by_position() -> None:
    keys = draw_keys(replace(REQUEST, n=20_000))
    first, second = uniforms(keys, 0), uniforms(keys, 1)
    assert first.min() >= 0.0 and first.max() < 1.0
    shares = np.histogram(first, bins=10, range=(0, 1))[0] / len(first)
    assert np.abs(shares - 0.1).max() < 0.01
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03


def test_each_draw_may_stand_at_its_own_position() -> None:
    keys = draw_keys(REQUEST)
    mixed = uniforms(keys, np.arange(8))
    assert mixed.tolist() == [uniforms(keys[at : at + 1], at)[0] for at in range(8)]
