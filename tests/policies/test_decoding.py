from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from stepward.policies.decoding import Rows, families, grid_shape
from stepward.policies.drawing import Rule, draw
from stepward.policies.stopping import StopWatch, stop_end, text_behind

PIECES = ["a", " =", "=", "\n", "\nS", "é", "\ufffd"]


class Pieces:
    """A tokenizer over PIECES whose decoder drops the space that opens a text."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        return [PIECES.index(text)]

    def decode(self, ids: list[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool) -> str:
        return "".join(PIECES[token] for token in ids).removeprefix(" ")


def test_prefixes_of_one_solution_form_a_family() -> None:
    prompts = [(1, 2), (1,), (1, 2, 3), (1, 4), (2,), (1, 2, 3, 5)]
    assert families(prompts) == [5, 5, 5, 3, 4, 5]
    assert families([]) == []


def rows(prompts: list[tuple[int, ...]], each: int, limit: int) -> Rows:
    prompt = np.repeat(np.arange(len(prompts)), each)
    zeros = np.zeros_like(prompt)
    return Rows(
        prompts=prompts,
        prompt=prompt,
        key=zeros.astype(np.uint64),
        limit=np.full_like(prompt, limit),
        rules=[],
        rule=zeros,
        watches=[],
        watch=zeros,
        ends=frozenset(),
    )


def test_a_grid_is_as_wide_as_rows_and_memory_allow() -> None:
    many = rows([(at, 1, 2) for at in range(100)], each=8, limit=10)
    wide = grid_shape(many, row_limit=64, token_limit=100_000)
    assert (wide.lanes, wide.width, wide.prefix, wide.own) == (8, 8, 2, 10)
    tight = grid_shape(many, row_limit=64, token_limit=170)
    assert (tight.lanes, tight.width) == (2, 8)
    starved = grid_shape(many, row_limit=64, token_limit=1)
    assert (starved.lanes, starved.width) == (1, 1)


def test_one_prompt_alone_fills_the_batch() -> None:
    shape = grid_shape(rows([(1, 2)], each=100, limit=5), row_limit=64, token_limit=10_000)
    assert (shape.lanes, shape.width) == (1, 50)


def test_a_stop_string_is_found_where_it_ends_first() -> None:
    assert stop_end("ab\ncd\n", ("cd", "\n")) == 3
    assert stop_end("abc", ("bc", "ab")) == 2
    assert stop_end("abc", ("x",)) is None


def test_text_behind_a_token_keeps_the_space_that_opens_it() -> None:
    assert text_behind(Pieces(), 0, [1, 0]) == " =a"
    assert text_behind(Pieces(), 0, []) == ""


def test_only_tokens_that_hold_the_last_character_may_end() -> None:
    tokens = np.arange(len(PIECES))
    assert StopWatch(Pieces(), ("x =",), 7).may_end(tokens).tolist() == [False, True, True, *[False] * 4]
    assert StopWatch(Pieces(), ("\n",), 7).may_end(tokens).tolist() == [*[False] * 3, True, True, False, False]
    assert StopWatch(Pieces(), ("é",), 7).may_end(tokens).tolist() == [*[False] * 5, True, True]
    assert not StopWatch(Pieces(), (), 7).may_end(tokens).any()


@pytest.mark.parametrize("size", [5, 256, 700])
@pytest.mark.parametrize("rule", [Rule(1.0, 1.0, 0), Rule(0.8, 0.9, 0), Rule(1.0, 1.0, 3), Rule(1.0, 0.5, 300)])
def test_shares_of_tokens_are_their_probabilities(size: int, rule: Rule) -> None:
    logits = torch.linspace(0, 3, size)[torch.randperm(size, generator=torch.Generator().manual_seed(0))] * 2
    uniforms = (torch.arange(10_000).double() + 0.5) / 10_000
    drawn = draw(logits.expand(10_000, -1), rule, uniforms)
    shares = torch.bincount(drawn.tokens_B, minlength=size) / 10_000
    probs = torch.softmax(logits / rule.temperature, dim=-1)
    order = probs.argsort(descending=True)[: rule.top_k or size]
    kept = probs[order] / probs[order].sum()
    order = order[kept.cumsum(0) - kept < rule.top_p]
    expected = torch.zeros(size).index_put((order,), probs[order] / probs[order].sum())
    assert torch.allclose(shares, expected, atol=2e-4)
    assert torch.allclose(drawn.logprobs_B, logits.log_softmax(-1)[drawn.tokens_B], atol=1e-4)


def test_the_edges_of_the_unit_interval_draw_possible_tokens() -> None:
    logits = torch.tensor([[-1e4, 1.0, 2.0, -1e4]]).expand(2, -1)
    edges = torch.tensor([0.0, 1.0 - 2.0**-53], dtype=torch.float64)
    assert draw(logits, Rule(1.0, 1.0, 0), edges).tokens_B.tolist() == [1, 2]


def test_temperature_zero_is_the_most_probable_token() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0], [5.0, 3.0, 1.0]])
    assert draw(logits, Rule(0.0, 1.0, 0), torch.tensor([0.9, 0.9]).double()).tokens_B.tolist() == [1, 0]
