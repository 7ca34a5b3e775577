"""A PRM format is data: how problem and steps become token ids, where scores are read, and what they mean.

Public reward models differ in template, step marker, read position, score and polarity, and a small drift in any of
them moves scores by points. So each family is one record of this class, shared by training and scoring.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from stepward.errors import ConfigError
from stepward.types import Convention, Json, Target

Read = Literal["marker", "before"]
Polarity = Literal["good", "bad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PRMFormat:
    """How one family of reward models reads a solution. Raises `ConfigError` where a field is out of range."""

    name: str
    prompt: str = "{problem}\n"
    """What stands before the first step; `{problem}` is replaced by the problem's text."""
    chat: bool = False
    """The prompt is one user message of the tokenizer's chat template; the steps are the assistant's reply."""
    system: str = ""
    """System message, for chat alone; none where empty."""
    marker: str = "<|step_end|>"
    """Stands after every step, as one token id: never joined with text before it is tokenised."""
    added: bool = True
    """The marker is added to the tokenizer as a special token; otherwise the tokenizer must hold it as one token."""
    marker_like: str = "\n"
    """An added marker starts with the embedding of this token (mean of all where it is not one token), so that a
    frozen backbone already reads it as the end of a line."""
    read: Read = "marker"
    """Scores are read at the marker, or at the last token before it."""
    strip: bool = True
    """White space around a step is cut before it is tokenised, so scores do not depend on the separator."""
    convention: Convention = "probability"
    target: Target = "prefix"
    """What the model was trained to say."""
    polarity: Polarity = "good"
    """What a high output means."""
    aggregation: str = "product"
    """How its authors turn step scores into one number."""

    def __post_init__(self) -> None:
        if "{problem}" not in self.prompt:
            raise ConfigError(
                f"the prompt of format {self.name!r} must hold '{{problem}}'", got=self.prompt, mend="add it"
            )
        if not self.marker:
            raise ConfigError(f"format {self.name!r} needs a step marker", got=self.marker, mend="name a token")
        if self.system and not self.chat:
            raise ConfigError(f"format {self.name!r} has a system message without chat", mend="set chat: true")

    def score(self, logit: float) -> float:
        """The score, in this format's convention, of a raw output (a logit)."""
        good = logit if self.polarity == "good" else -logit
        if self.convention == "probability":
            return 0.5 * (1.0 + math.tanh(0.5 * good))
        return math.tanh(0.5 * good) if self.convention == "margin" else good

    def to_json(self) -> dict[str, Json]:
        """Plain data that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> PRMFormat:
        """The format that `record` describes; `ConfigError` for fields that no format has."""
        unknown = sorted(set(record) - {field.name for field in fields(cls)})
        if unknown:
            raise ConfigError("a format has fields that are not known", got=unknown, mend="remove or correct them")
        return cls(**record)
