"""Problem and prefix -> the token ids that a policy continues.

Three ways to ask. `chat` renders the tokenizer's chat template with the assistant's turn opened; `plain`
puts the problem into a format string; `raw` takes a text whose control tokens stand in it already and adds
none. In each the prefix of a solution follows as raw text, and the ids are

    ids(prompt) + ids(prefix)

tokenised apart, so the ids of a prompt are a prefix, in token space, of the ids of every continuation and
a cache computed for the one serves the others. A prefix is always tokenised from its text as a single
continuation (a separator at its edge never merges into the prompt); what a policy samples within one
request is appended as the ids it wrote. Tokenizers that put a space before every text are asked for the
text behind an anchor token, so that a prefix gains no space that it does not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from stepward.errors import ConfigError, ModelError
from stepward.types import Problem

SLOT = "{problem}"
ANCHOR = "a"


class Tokenizer(Protocol):
    """The part of a Hugging Face tokenizer that prompts need."""

    chat_template: Any
    eos_token_id: int | None

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Text -> ids."""
        ...

    def apply_chat_template(
        self, conversation: Sequence[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool
    ) -> Any:
        """Messages -> prompt text."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFormat:
    """How a problem becomes a prompt."""

    mode: Literal["chat", "plain", "raw"] = "plain"
    system: str | None = None
    """The system message of chat mode; None leaves the choice to the model's template."""
    template: str = "{problem}\n"
    """The user's message in chat mode, the whole prompt otherwise. Other braces are kept as they are."""

    def __post_init__(self) -> None:
        if self.mode not in ("chat", "plain", "raw"):
            raise ConfigError("a prompt's mode is 'chat', 'plain' or 'raw'", got=self.mode)
        if SLOT not in self.template:
            raise ConfigError(f"a prompt's template needs {SLOT}", got=self.template)
        if self.system is not None and self.mode != "chat":
            raise ConfigError(
                f"{self.mode} prompts have no system message", got=self.system, mend="write it into the template"
            )

    def filled(self, problem: Problem) -> str:
        """The template with the text of `problem` in it; `ModelError` for a problem with images."""
        if any(part.kind != "text" for part in problem.parts):
            raise ModelError(f"problem {problem.id!r} has parts that this policy cannot read", got="an image")
        return self.template.replace(SLOT, problem.text)

    def text(self, tokenizer: Tokenizer, problem: Problem) -> str:
        """The prompt of `problem`. `ModelError` for a problem with images, or a tokenizer without a chat template."""
        filled = self.filled(problem)
        if self.mode != "chat":
            return filled
        if not tokenizer.chat_template:
            raise ModelError("this model's tokenizer has no chat template", mend="use PromptFormat(mode='plain')")
        messages = [{"role": "user", "content": filled}]
        if self.system is not None:
            messages.insert(0, {"role": "system", "content": self.system})
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    def encode(self, tokenizer: Tokenizer, problem: Problem) -> tuple[int, ...]:
        """The prompt's ids. Special tokens that open a text are kept, an end-of-text token is not."""
        text = self.text(tokenizer, problem)
        ids = tokenizer.encode(text, add_special_tokens=self.mode == "plain")
        while ids and ids[-1] == tokenizer.eos_token_id and self.mode == "plain":
            ids.pop()
        return tuple(ids)


def chat_or_plain(tokenizer: Tokenizer) -> PromptFormat:
    """The format for a model nobody described: its chat template, or plain continuation where it has none."""
    return PromptFormat(mode="chat", template=SLOT) if tokenizer.chat_template else PromptFormat()


def encode_prefix(tokenizer: Tokenizer, prefix: str) -> tuple[int, ...]:
    """The ids of a solution's first part as a continuation; none for the empty prefix."""
    if not prefix:
        return ()
    anchor = tokenizer.encode(ANCHOR, add_special_tokens=False)
    behind = tokenizer.encode(ANCHOR + prefix, add_special_tokens=False)
    known = anchor != tokenizer.encode(ANCHOR + ANCHOR, add_special_tokens=False)  # else it swallows the word behind it
    if known and 0 < len(anchor) < len(behind) and behind[: len(anchor)] == anchor:
        return tuple(behind[len(anchor) :])
    return tuple(tokenizer.encode(prefix, add_special_tokens=False))
