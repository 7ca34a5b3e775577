"""The nouns: what Stepward's parts hand to each other.

Frozen records over the standard library. Indexes of steps are 0-based; offsets are characters of
the trace's text; tokens are counted by the tokenizer of the model that made or read them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal, TypeAlias

from stepward.errors import LabelError, ScoreError, TraceError

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

AnswerKind = Literal["math", "choice", "exact"]
StepKind = Literal["thought", "action", "observation", "answer"]
Finish = Literal["stop", "length", "error"]
Target = Literal["validity", "prefix", "value", "progress"]
Source = Literal["human", "rollout", "outcome", "checker", "judge", "consensus", "tree", "scorer", "converted"]
Convention = Literal["probability", "logit", "log_ratio", "margin"]
Sees = Literal["prefix", "trace"]
Outcome = Literal["equal", "different", "unparsable", "undecided"]


def content_key(*parts: Json) -> str:
    """Twenty-four hex digits that depend on the content of `parts` alone, never on position or time."""
    canonical = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who or what made a record, and with which settings."""

    maker: str
    """Room and name, such as "policy:smollm2", "labeler:rollout", "human:prm800k"."""
    revision: str = ""
    """Content hash or commit of the model or code that made it."""
    settings: Mapping[str, Json] = field(default_factory=dict)
    seed: int | None = None


UNKNOWN = Origin(maker="unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What something cost. Adds up; discarded work is part of every total."""

    policy_tokens: int = 0
    """Tokens that a policy wrote."""
    prompt_tokens: int = 0
    """Tokens that a policy read and computed; a prefix shared by n samples counts once."""
    scorer_tokens: int = 0
    """Tokens that scorers read or wrote."""
    discarded_tokens: int = 0
    """The part of `policy_tokens` that ended in no returned trace."""
    policy_calls: int = 0
    scorer_calls: int = 0
    verifier_calls: int = 0
    flops: float = 0.0
    """Estimated as 2 x parameters x tokens for a forward pass, unless an engine knows better."""
    seconds: float = 0.0
    """Time inside engines, summed over calls: not the wall time of concurrent work."""

    def __add__(self, other: Spend) -> Spend:
        return Spend(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    def __sub__(self, other: Spend) -> Spend:
        return Spend(**{f.name: getattr(self, f.name) - getattr(other, f.name) for f in fields(self)})

    @property
    def tokens(self) -> int:
        """Every token that any model read or wrote."""
        return self.policy_tokens + self.prompt_tokens + self.scorer_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a problem or a step that is not plain text, such as an image."""

    kind: Literal["text", "image"]
    text: str = ""
    path: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is to be solved."""

    id: str
    text: str
    answer: str | None = None
    """The reference answer; None where it is not known."""
    answer_kind: AnswerKind = "math"
    domain: str = ""
    meta: Mapping[str, Json] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One segment of a trace: characters `start` to `end` of its text."""

    start: int
    end: int
    kind: StepKind = "thought"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One whole attempt at a problem. Its steps partition its text: joined they give it back exactly.

    Raises `TraceError` where the spans leave a gap, overlap, are empty or do not reach the end.
    """

    problem_id: str
    text: str
    steps: tuple[Step, ...]
    answer: str | None = None
    """The answer as the trace states it; None where it states none."""
    finish: Finish = "stop"
    segmenter: str = ""
    """Name and version of what cut the text, such as "lines@1"."""
    origin: Origin = UNKNOWN
    spend: Spend = Spend()
    meta: Mapping[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        at = 0
        for index, step in enumerate(self.steps):
            if step.start != at or step.end <= step.start:
                raise TraceError(
                    f"step {index} of a trace of problem {self.problem_id!r} must start at {at} and hold "
                    "at least one character",
                    got=(step.start, step.end),
                    mend="cut the text with a segmenter: its spans partition it",
                )
            at = step.end
        if at != len(self.text):
            raise TraceError(
                f"the steps of a trace of problem {self.problem_id!r} end at {at}, its text at {len(self.text)}",
                mend="cut the text with a segmenter: its spans partition it",
            )

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def id(self) -> str:
        """Hash of problem, text and spans: two equal attempts have one id."""
        return content_key(self.problem_id, self.text, [[s.start, s.end] for s in self.steps])

    @property
    def step_texts(self) -> tuple[str, ...]:
        """The text of each step, separators included."""
        return tuple(self.text[s.start : s.end] for s in self.steps)

    def prefix(self, count: int) -> str:
        """The text of the first `count` steps."""
        return self.text[: self.steps[count - 1].end] if count else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLabel:
    """What a labeler says of one step, and what that means.

    `target` is one of: validity (what the step asserts holds, given what stands before it), prefix
    (no error up to and with this step), value (chance that a completion from here ends right),
    progress (value gained by this step). Labels of different targets do not compare.
    """

    target: Target
    value: float
    """In [0, 1]; in [-1, 1] for progress."""
    source: Source
    successes: int | None = None
    """k of n: completions that ended right; for a judge, votes that call the step right."""
    trials: int | None = None
    """n: completions whose outcome was decided, or votes cast. Undecided ones and abstentions are not among them."""
    origin: Origin = UNKNOWN
    note: str = ""

    def __post_init__(self) -> None:
        low = -1.0 if self.target == "progress" else 0.0
        if not (math.isfinite(self.value) and low <= self.value <= 1.0):
            raise LabelError(f"a {self.target} label must lie in [{low:g}, 1]", got=self.value)
        if (self.successes is None) != (self.trials is None):
            raise LabelError("successes and trials go together", got=(self.successes, self.trials))
        if self.successes is not None and not 0 <= self.successes <= (self.trials or -1):
            raise LabelError("counts must satisfy 0 <= k <= n, n > 0", got=(self.successes, self.trials))

    @property
    def good(self) -> bool:
        """The hard view: any success for a value, >= 0 for progress, >= 1/2 otherwise."""
        if self.target == "value":
            return self.value > 0.0 if self.successes is None else self.successes > 0
        return self.value >= (0.0 if self.target == "progress" else 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a verifier says of an answer."""

    outcome: Outcome
    answer: str | None = None
    """The answer as it was read from the text."""
    reason: str = ""

    @property
    def correct(self) -> bool | None:
        """True, False, or None where it could not be decided: undecided is never wrong."""
        return None if self.outcome == "undecided" else self.outcome == "equal"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabeledTrace:
    """A trace with one label, or None for unlabelled, per step. All labels share one target."""

    trace: Trace
    labels: tuple[StepLabel | None, ...]
    verdict: Verdict | None = None
    spend: Spend = Spend()
    meta: Mapping[str, Json] = field(default_factory=dict)
    """What the labeler says of the trace as a whole: undecided and failed completions, abstentions, why it stopped."""

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.trace):
            raise LabelError(
                f"trace {self.trace.id} has {len(self.trace)} steps and needs one label or None for each",
                got=len(self.labels),
            )
        targets = sorted({label.target for label in self.labels if label is not None})
        if len(targets) > 1:
            raise LabelError("labels of one trace must share a target", got=targets, mend="convert them explicitly")

    @property
    def target(self) -> Target | None:
        """What the labels mean; None where no step is labelled."""
        return next((label.target for label in self.labels if label is not None), None)

    @property
    def first_error(self) -> int | None:
        """Index of the first step whose label is not good; None where there is none.

        Raises `LabelError` where an unlabelled step stands before the first error.
        """
        for index, label in enumerate(self.labels):
            if label is None:
                raise LabelError(f"step {index} of trace {self.trace.id} is unlabelled: its first error is unknown")
            if not label.good:
                return index
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepScores:
    """One number per step, and whose. Build it with `StepScores.of`, which checks the count."""

    values: tuple[float, ...]
    convention: Convention = "probability"
    target: Target = "prefix"
    """What the scorer was trained to say."""
    sees: Sees = "prefix"
    """What a step's score depends on: the steps up to it, or the whole trace (a bidirectional reader)."""
    scorer: Origin = UNKNOWN
    spend: Spend = Spend()

    def __post_init__(self) -> None:
        for index, value in enumerate(self.values):
            if not math.isfinite(value):
                raise ScoreError(f"score of step {index} by {self.scorer.maker} is not a finite number", got=value)
            if self.convention == "probability" and not 0.0 <= value <= 1.0:
                raise ScoreError(f"score of step {index} by {self.scorer.maker} is no probability", got=value)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def zero(self) -> float | None:
        """What says neither right nor wrong: 1/2 of a probability, 0 of a margin; None where scores only rank."""
        return {"probability": 0.5, "margin": 0.0}.get(self.convention)

    def check_online(self) -> StepScores:
        """These scores, if they hold for an unfinished trace; `ScoreError` where later steps would change them."""
        if self.sees == "trace":
            raise ScoreError(
                f"scores by {self.scorer.maker} depend on the steps that follow, so they say nothing of a prefix",
                got=self.sees,
                mend="take a causal model, or an encoder trained on prefixes",
            )
        return self

    def check(self, trace: Trace) -> StepScores:
        """These scores, if there is exactly one for each step of `trace`; `ScoreError` otherwise."""
        if len(self.values) != len(trace):
            raise ScoreError(
                f"trace {trace.id} has {len(trace)} steps and needs one score for each",
                got=len(self.values),
                mend="nothing was cut to fit: mend the scorer or the segmentation",
            )
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceScore:
    """One number for a whole trace, and whose."""

    value: float
    scorer: Origin = UNKNOWN
    spend: Spend = Spend()

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ScoreError(f"trace score by {self.scorer.maker} is not a finite number", got=self.value)


@dataclass(frozen=True, slots=True)
class StepReward:
    """A reward on a span of steps: the first `end - start` steps from `start`. Used by RL alone."""

    start: int
    end: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a policy is asked to write."""

    temperature: float = 1.0
    """0 is greedy."""
    top_p: float = 1.0
    top_k: int = 0
    """0 keeps every token."""
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    """Writing ends after any of these strings, which stays part of the text."""
    seed: int = 0
    """With problem, prefix and draw index it fixes a sample, whatever it was batched with."""

    def __post_init__(self) -> None:
        if self.temperature < 0 or not 0 < self.top_p <= 1 or self.top_k < 0 or self.max_tokens < 1:
            raise ValueError(f"sampling needs temperature >= 0, 0 < top_p <= 1, top_k >= 0, max_tokens >= 1: {self}")
        if "" in self.stop:
            raise ValueError("an empty stop string would end every sample at once")


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRequest:
    """`n` continuations of `prefix`, a cut of a solution to `problem`, numbered from `first_draw`."""

    problem: Problem
    prefix: str = ""
    n: int = 1
    sampling: Sampling = Sampling()
    first_draw: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a policy wrote after a prefix. A failed one says so: never empty text that means failure."""

    text: str
    finish: Finish = "stop"
    """stop: ended by itself or at a stop string; length: cut at max_tokens; error: see `error`."""
    ended: bool = False
    """The policy ended the solution (end-of-sequence), as against a stop string."""
    logprobs: tuple[float, ...] = ()
    """Natural log-probability of each written token, at temperature 1 before filters."""
    spend: Spend = Spend()
    error: str = ""
