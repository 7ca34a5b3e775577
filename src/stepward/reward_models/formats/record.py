"""A PRM format is data: how problem and steps become token ids, where scores are read, and what they mean.

Public reward models differ in template, step marker, read position, output and polarity, and a small drift in any of
them moves scores by points. So each family is one record of this class, shared by training and scoring.

Every discriminative family comes down to one logit per step. With z the outputs at a read position:
    head          our own head file                                       (a scalar)
    tokens        z[good token] - z[bad token]                            softmax over two token ids
    token         z[good token] - logsumexp of all others                 full-vocabulary probability
    classes       logsumexp z[good classes] - logsumexp z[the others]     softmax over labels
    scalar        the scalar
    mean_logits   mean of z over the vocabulary
    log_ratio     coefficient x cumulative log-ratio of two models
The convention then says what is made of the logit: its sigmoid, tanh(logit / 2) = P(good) - P(bad), or itself.

`{bos}`, `{eos}` and `{pad}` in a prompt or a marker stand for what the checkpoint's tokenizer calls so.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from stepward import codec
from stepward.errors import ConfigError, DataError
from stepward.reduce import reducer
from stepward.types import Convention, Json, Target

Layout = Literal["plain", "chat", "turns"]
Assembly = Literal["ids", "text"]
Place = Literal["assistant", "user"]
Opening = Literal["auto", "tokenizer", "bos", "none"]
Inside = Literal["refuse", "keep"]
LineBreaks = Literal["keep", "space"]
Read = Literal["marker", "before", "prefix"]
Output = Literal["head", "tokens", "token", "classes", "scalar", "mean_logits", "log_ratio"]
AnswerPiece = Literal["last", "first"]
Polarity = Literal["good", "bad"]
Overflow = Literal["error", "window"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PRMFormat:
    """How one family of reward models reads a solution. Raises `ConfigError` where fields do not fit each other."""

    name: str
    summary: str = ""
    """One line for people: the family and its makers."""
    source: str = ""
    """Where the facts stand: paper, repository file or model card."""
    notes: tuple[str, ...] = ()
    """What a user should know: traps, and where published codes disagree."""
    checkpoints: tuple[str, ...] = ()
    """Names of published checkpoints, with * for any text; used to recognise one."""
    architectures: tuple[str, ...] = ()
    """`architectures` of config.json that belong to this family alone."""
    model_types: tuple[str, ...] = ()
    """`model_type` of the published checkpoints' config.json: which families a nameless folder may belong to."""
    reference: str = ""
    """For log_ratio: the published name of the reference model."""
    images: bool = False
    """The family was trained with an image before the text. Only problems without one are read."""

    layout: Layout = "plain"
    """plain: text without a chat template; chat: one user and one assistant message; turns: a user turn a step."""
    assembly: Assembly = "ids"
    """ids: each part is tokenised alone and ids are joined; text: strings are joined and tokenised once. They differ
    wherever a tokenizer merges across a boundary."""
    opening: Opening = "auto"
    """What stands before everything. auto: what the tokenizer itself puts before a plain text, nothing before a chat,
    whose template brings it; tokenizer: before a chat too; bos: its bos token if it has one, added by it or not."""
    system: str = ""
    """System message, for chat and turns; none where empty."""
    prompt: str = "{problem}\n"
    """What stands before the first step; `{problem}` is the problem's text. For turns: the first user turn, which also
    holds `{step}`."""
    step: str = "{step}"
    """How a step is written; `{number}` counts from 1 and replaces a "Step 1:" that the step brings. For turns: every
    user turn after the first."""
    steps_in: Place = "assistant"
    """Which message of a chat holds the steps."""
    generation_prompt: bool = False
    """The chat ends with the opening of an assistant turn; steps in the assistant's message stand after it."""
    answer: str = ""
    """For turns: what stands in each assistant turn while scoring."""
    passes: tuple[str, ...] = ()
    """For a model that is asked several times a step: what each pass asks of the newest step, `{step}`. Every marker
    in it is read; `{0}`, `{1}` ... are the answers found at the markers of earlier passes."""

    marker: str = "<|step_end|>"
    """Stands after every step. For assembly ids it is tokenised alone."""
    marker_ids: tuple[int, ...] = ()
    """Ids that the marker must have with the published tokenizer; checked where given."""
    one_token: bool = True
    """A tokenizer that splits the marker is refused; False: any number of tokens, the last counts."""
    between: str = ""
    """Stands between a marker and the next step."""
    keep_marker: bool = True
    """False: the marker only forces a boundary and is taken out of the ids again."""
    added: bool = True
    """The marker is added to the tokenizer as a special token; otherwise the tokenizer must hold it."""
    marker_like: str = "\n"
    """An added marker starts with the embedding of this token (mean of all where it is not one token), so that a
    frozen backbone already reads it as the end of a line."""
    strip: bool = True
    """White space around a step is cut before it is tokenised, so scores do not depend on the separator."""
    line_breaks: LineBreaks = "keep"
    """space: a line break inside the problem or a step is written as one space."""
    inside: Inside = "refuse"
    """What becomes of a marker inside the problem or a step. keep: it stays and is not read."""

    read: Read = "marker"
    """Scores are read at the last id of the marker, or at the token before it (for turns: before the answer). prefix:
    where the dialogue of the first steps, encoded by itself, ends."""
    shift: int = 0
    """Added to every read position, where the published code reads beside the mark."""
    output: Output = "head"
    """How the outputs at a read position become one logit; see above."""
    answers: tuple[str, ...] = ()
    """For tokens and token: text of the good token, then of the bad one."""
    answer_piece: AnswerPiece = "last"
    """Which id of an answer counts, where its text has several."""
    answer_ids: tuple[int, ...] = ()
    """Ids that the answers must have with the published tokenizer; checked where given."""
    classes: tuple[int, ...] = ()
    """For classes: the indexes that mean good."""
    head_keys: tuple[str, ...] = ()
    """Where a checkpoint keeps its head: prefixes of weight names, tried in order."""
    coefficient: float = 1.0
    """For log_ratio: what the cumulative log-ratio is multiplied by."""

    convention: Convention = "probability"
    target: Target = "prefix"
    """What the model was trained to say."""
    polarity: Polarity = "good"
    """What a high logit means."""
    aggregation: str = "product"
    """How its authors turn step scores into one number."""
    threshold: float | None = None
    """Below it the authors call a step wrong; None where they name none."""
    context: int | None = None
    """Tokens it was trained on, where that is less than the model can read: the size of a window."""
    overflow: Overflow = "error"
    """error: refuse what is too long; window: each step is read behind the problem and as many of the steps before it
    as fit, and what was left out is told."""

    def __post_init__(self) -> None:
        for wrong, says, got, mend in self._faults():
            if wrong:
                raise ConfigError(f"format {self.name!r} {says}", got=got, mend=mend)
        try:
            reducer(self.aggregation)
        except ConfigError as error:
            raise ConfigError(f"format {self.name!r}: {error.what}", got=error.got, mend=error.mend) from None

    def _faults(self) -> tuple[tuple[bool, str, object, str], ...]:
        """Whether a rule is broken, what it says, what was got, how to mend it."""
        turns, prefix = self.layout == "turns", self.read == "prefix"
        needed = {"tokens": 2, "token": 1}.get(self.output, 0)
        low, high = {"probability": (0.0, 1.0), "margin": (-1.0, 1.0)}.get(self.convention, (-math.inf, math.inf))
        return (
            ("{problem}" not in self.prompt, "needs a prompt that holds '{problem}'", self.prompt, "add it"),
            ("{step}" not in self.step, "needs a step that holds '{step}'", self.step, "add it"),
            (turns and "{step}" not in self.prompt, "has turns: its prompt holds '{step}' too", self.prompt, "add it"),
            (turns and not self.answer, "has turns and needs an answer to stand in them", self.answer, "such as '+'"),
            (turns and self.read == "marker", "has turns, which are read before the answer", self.read, "read: before"),
            (not turns and not prefix and not self.marker, "needs a step marker", self.marker, "name a token"),
            (self.system != "" and not self.chat, "has a system message without chat", self.layout, "layout: chat"),
            (not self.keep_marker and self.read == "marker", "reads at a marker it takes out", self.read, "before"),
            (prefix and not self.chat, "reads prefixes of a chat", self.layout, "layout: chat"),
            (bool(needed) and len(self.answers) != needed, f"needs {needed} answers", self.answers, "good, then bad"),
            (self.output == "classes" and not self.classes, "needs the good classes", self.classes, "classes: [1]"),
            (self.threshold is not None and not low <= self.threshold <= high, "has a threshold that no score can "
             f"have: it is a {self.convention}", self.threshold, f"{low:g} to {high:g}"),
            ((self.convention == "log_ratio") > (self.output == "log_ratio"), "calls a score of one model a log-ratio",
             self.output, "output: log_ratio"),
        )  # fmt: skip

    @property
    def chat(self) -> bool:
        """Whether the tokenizer's chat template is used."""
        return self.layout != "plain"

    @property
    def prefix_stable(self) -> bool:
        """Whether the ids of a prefix are a prefix of the ids, for a trace that fits.

        Text that is joined first is stable too: its markers are checked to be tokens that end where the marker ends,
        and a tokenizer that merges pairs finds the same tokens before such a boundary whatever follows.
        """
        return not self.passes and self.read != "prefix"

    def score(self, logit: float) -> float:
        """The score, in this format's convention, of a raw output (a logit)."""
        good = logit if self.polarity == "good" else -logit
        if self.convention == "probability":
            return 0.5 * (1.0 + math.tanh(0.5 * good))
        return math.tanh(0.5 * good) if self.convention == "margin" else good

    def to_json(self) -> dict[str, Json]:
        """Every field as plain data, defaults included, that `from_json` reads back."""
        plain: dict[str, Json] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> PRMFormat:
        """The format that `record` describes; `ConfigError` for a field that no format has or of the wrong type."""
        try:
            return codec.from_json(cls, {name: list(v) if isinstance(v, tuple) else v for name, v in record.items()})
        except DataError as error:
            raise ConfigError(f"this is no format: {error.what}", got=error.got, mend=error.mend) from error
