from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from stepward.errors import ConfigError, ModelError
from stepward.policies.chat import PromptFormat, chat_or_plain, encode_prefix
from stepward.types import Part, Problem

PROBLEM = Problem(id="p", text="is {x} = 1?")


class Characters:
    """One id per character; opens a text with id 0 and closes it with id 1, as some tokenizers do."""

    eos_token_id = 1

    def __init__(self, chat_template: str | None = None, spaced: bool = False) -> None:
        self.chat_template, self.spaced = chat_template, spaced

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        ids = [ord(character) for character in (" " * self.spaced + text)]
        return [0, *ids, 1] if add_special_tokens else ids

    def apply_chat_template(
        self, conversation: Sequence[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool
    ) -> Any:
        assert not tokenize and add_generation_prompt
        return "".join(f"<{one['role']}>{one['content']}" for one in conversation) + "<assistant>"


def test_plain_puts_the_problem_into_the_template_and_keeps_its_braces() -> None:
    prompt = PromptFormat(template="{Q} {problem}\nA:")
    assert prompt.text(Characters(), PROBLEM) == "{Q} is {x} = 1?\nA:"


def test_chat_opens_the_assistants_turn() -> None:
    prompt = PromptFormat(mode="chat", system="be brief", template="{problem}")
    assert prompt.text(Characters("yes"), PROBLEM) == "<system>be brief<user>is {x} = 1?<assistant>"


def test_a_plain_prompt_keeps_the_opening_token_and_drops_the_closing_one() -> None:
    ids = PromptFormat(template="{problem}").encode(Characters(), Problem(id="p", text="ab"))
    assert ids == (0, ord("a"), ord("b"))


def test_a_chat_prompt_gets_no_token_that_its_template_does_not_state() -> None:
    ids = PromptFormat(mode="chat", template="{problem}").encode(Characters("yes"), Problem(id="p", text="a"))
    assert "".join(map(chr, ids)) == "<user>a<assistant>"


def test_a_prefix_gets_no_space_from_tokenizers_that_open_with_one() -> None:
    assert encode_prefix(Characters(spaced=True), "b c") == tuple(map(ord, "b c"))
    assert encode_prefix(Characters(), "b c") == tuple(map(ord, "b c"))
    assert encode_prefix(Characters(spaced=True), "") == ()


def test_a_raw_prompt_is_the_text_itself_with_no_token_added() -> None:
    prompt = PromptFormat(mode="raw", template="{problem}")
    problem = Problem(id="p", text="<user>a{problem}")
    assert prompt.text(Characters("yes"), problem) == "<user>a{problem}"
    assert prompt.encode(Characters("yes"), problem) == tuple(
        Characters().encode(problem.text, add_special_tokens=False)
    )


def test_a_prefix_survives_a_tokenizer_that_swallows_it_together_with_the_anchor() -> None:
    class Words(Characters):
        """Knows whole words alone."""

        def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
            return [{"five": 5}.get(word, 0) for word in text.split()]

    assert encode_prefix(Words(), "five") == (5,)


def test_a_model_without_template_is_asked_plainly() -> None:
    assert chat_or_plain(Characters()).mode == "plain"
    assert chat_or_plain(Characters("yes")).mode == "chat"
    with pytest.raises(ModelError, match="no chat template"):
        PromptFormat(mode="chat").text(Characters(), PROBLEM)


def test_an_image_is_refused_and_not_left_out() -> None:
    problem = Problem(id="chart", text="how high?", parts=(Part(kind="image", path="chart.png"),))
    with pytest.raises(ModelError, match="'chart' has parts"):
        PromptFormat().text(Characters(), problem)


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": "other"},
        {"template": "no slot"},
        {"mode": "plain", "system": "be brief"},
        {"mode": "raw", "system": "x"},
    ],
)
def test_a_format_that_cannot_be_meant_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        PromptFormat(**fields)


class KnownWords:
    """One id per word, 0 for every word that it does not know, as word-level vocabularies have it."""

    chat_template = None
    eos_token_id = 1

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        return [{"The": 7, "answer": 8}.get(word, 0) for word in text.split()]


def test_an_anchor_that_the_vocabulary_does_not_know_swallows_no_word() -> None:
    assert encode_prefix(KnownWords(), "The answer") == (7, 8)
