"""Prefixes that are kept between calls: the same samples for fewer tokens."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from stepward.types import Completion, Problem, SampleRequest, Sampling

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
from stepward.policies.transformers import TransformersPolicy  # noqa: E402

STEP = Sampling(max_tokens=12, stop=("\n",), temperature=1.2)
PROBLEMS = [Problem(id="a", text="1 + 2"), Problem(id="b", text="a cab = 3 + 4. how long is a cab?")]
HELD = "1 + 2 = 3\na = b\n"


@pytest.fixture(scope="module")
def loaded(tiny_folder: Path) -> TransformersPolicy:
    return TransformersPolicy.load(tiny_folder)


@pytest.fixture
def policy(loaded: TransformersPolicy) -> TransformersPolicy:
    return replace(loaded)


def ask(prefix: str, n: int = 4, problem: Problem = PROBLEMS[0], sampling: Sampling = STEP) -> SampleRequest:
    return SampleRequest(problem=problem, prefix=prefix, n=n, sampling=sampling)


def read(made: Sequence[Sequence[Completion]]) -> int:
    return sum(one.spend.prompt_tokens for each in made for one in each)


def same(left: Sequence[Sequence[Completion]], right: Sequence[Sequence[Completion]]) -> None:
    for mine, theirs in zip(left, right, strict=True):
        assert [one.text for one in mine] == [one.text for one in theirs]
        assert [one.finish for one in mine] == [one.finish for one in theirs]
        for one, other in zip(mine, theirs, strict=True):
            assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


@pytest.mark.parametrize("held", [1, 40, 150, 65_536])
@pytest.mark.parametrize("rows", [3, 2048])
def test_samples_of_a_search_are_those_without_memory(held: int, rows: int, policy: TransformersPolicy) -> None:
    remembering = replace(policy, remembered_tokens=held, max_batch_rows=rows)
    plain = replace(remembering, remembered_tokens=0)
    draw, beams = random.Random(held), [(problem, "") for problem in PROBLEMS]
    for _ in range(3):
        asked = [ask(prefix, draw.randint(1, 5), problem) for problem, prefix in beams]
        made, reference = remembering.sample_batch(asked), plain.sample_batch(asked)
        same(made, reference)
        assert read(made) <= read(reference)
        grown = [
            (problem, prefix + one.text)
            for (problem, prefix), each in zip(beams, reference, strict=True)
            for one in each
            if one.finish == "stop" and not one.ended
        ]
        beams = draw.sample(grown, k=min(len(grown), 3)) or beams
    assert remembering._memory is not None
    assert remembering._memory.stats.held <= held


def test_what_was_just_written_is_continued_for_one_token(policy: TransformersPolicy) -> None:
    (made,) = policy.sample_batch([ask("", n=64)])
    stopped = list(dict.fromkeys(one.text for one in made if one.text.endswith("\n")))
    assert len(stopped) > 3
    for text in stopped:
        assert read(policy.sample_batch([ask(text)])) == 1, "its last token, which no model has read"


def test_a_prompt_is_read_once_for_all_calls(policy: TransformersPolicy) -> None:
    request = ask("")
    (first, second) = (policy.sample_batch([request]) for _ in range(2))
    assert (read(first), read(second)) == (len(policy.prompt_ids(request)), 1)
    same(first, second)


def test_a_prefix_known_in_part_is_read_from_where_it_differs(policy: TransformersPolicy) -> None:
    policy.sample_batch([ask(HELD), ask("a = 1\nb", problem=PROBLEMS[1])])
    asked = [ask(HELD + "c = d\n"), ask(HELD[:9] + "\nb = 4\n"), ask("a = 1\nc = 9", problem=PROBLEMS[1])]
    made = policy.sample_batch(asked)
    same(made, replace(policy, remembered_tokens=0).sample_batch(asked))
    assert [each[0].spend.prompt_tokens for each in made] == [6, 6, 5]


def test_rows_of_one_batch_that_write_the_same_are_kept_once(policy: TransformersPolicy) -> None:
    greedy = replace(STEP, temperature=0.0, max_tokens=40)
    (made,) = policy.sample_batch([ask("", n=9, sampling=greedy, problem=PROBLEMS[1])])
    assert policy._memory is not None
    lone = replace(policy)
    lone.sample_batch([ask("", n=1, sampling=greedy, problem=PROBLEMS[1])])
    assert lone._memory is not None
    assert len({one.text for one in made}) == 1
    assert policy._memory.stats.held == lone._memory.stats.held


def test_whole_solutions_are_not_kept(policy: TransformersPolicy) -> None:
    request = ask("", n=32, sampling=Sampling(max_tokens=20))
    policy.sample_batch([request])
    assert policy._memory is not None
    assert policy._memory.stats.held == len(policy.prompt_ids(request)) - 1


def test_forgetting_frees_and_makes_a_call_cost_what_it_did_at_first(policy: TransformersPolicy) -> None:
    first = read(policy.sample_batch([ask(HELD)]))
    policy.forget()
    assert policy._memory is not None
    assert policy._memory.stats.held == 0
    assert read(policy.sample_batch([ask(HELD)])) == first


def test_changed_weights_are_not_served_from_what_was_computed(tiny_folder: Path) -> None:
    policy = TransformersPolicy.load(tiny_folder)
    before = policy.sample_batch([ask(HELD)])
    with torch.no_grad():
        policy.model.model.layers[0].mlp.up_proj.weight.mul_(3.0)
    after = policy.sample_batch([ask(HELD)])
    same(after, replace(policy, remembered_tokens=0).sample_batch([ask(HELD)]))
    assert read(after) == read(before)


def test_none_is_kept_where_none_is_asked_for(policy: TransformersPolicy) -> None:
    off = replace(policy, remembered_tokens=0)
    first, second = (read(off.sample_batch([ask(HELD)])) for _ in range(2))
    assert first == second == len(off.prompt_ids(ask(HELD)))
    off.forget()
