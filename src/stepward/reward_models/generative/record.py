r"""A judge's format is data: what it is shown, what it writes, and where its verdicts are read.

A judge is a language model that is shown a problem and (part of) a solution, writes a critique, and states verdicts.
Every family comes down to these choices:

    scope     what one critique judges: the whole trace, each prefix of it, or each step after the ones before it
    phases    what is forced and what is written freely, each stretch up to a stop string
    read      choice   the chance of each verdict's text behind a closing phrase
              labels   verdicts stated in the critique, each read as the chance of the verdicts' texts at its place
              index    the number of the first wrong step in the last \boxed{...}
              json     one record per step in an answer that is JSON, held to a schema where the server can

With w(v) in [0, 1] what verdict text v is worth and p(v) its chance, one vote for a step is sum w p / sum p. Texts hold
slots in braces, filled in one pass, so braces in a problem or a step stay as they are:

    {problem}     the problem's text                        {step} {number}   the step in question, and its number
    {steps}       the steps shown, each written as `step`   {count} {next}    how many are shown; the number behind
    {previous}    the steps before the one in question      {meta:KEY}        `problem.meta[KEY]`, a text
    {reference}   the reference answer, and the reference solution where one is known: for labels alone
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from stepward import codec
from stepward.errors import ConfigError, DataError
from stepward.types import Json, Sampling, Target

Scope: TypeAlias = Literal["trace", "prefix", "step"]
Read: TypeAlias = Literal["choice", "labels", "index", "json"]
Voting: TypeAlias = Literal["mean", "majority"]

SLOT = re.compile(r"\{(problem|steps|previous|step|number|count|next|reference|meta:[\w.-]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One stretch of a critique: a forced opening, then free writing."""

    name: str = "critique"
    opening: str = ""
    stop: tuple[str, ...] = ()
    """Writing ends behind any of these; slots are filled."""
    keep_stop: bool = True
    """Whether the stop string stays in the critique."""
    ending: str = ""
    """What is forced where writing ended without a stop string."""
    max_tokens: int = 2048
    code_stop: str = ""
    """Closes a block of Python that is run; none is run where empty."""
    code_output: str = "[Code Output]\n\n```\n{output}\n```\n"
    """How what the code printed is shown to the judge."""
    code_rounds: int = 3
    """Blocks that are run at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeFormat:
    """How one family of judges is asked and read. Raises `ConfigError` where fields do not fit each other."""

    name: str
    prompt: str
    """The user's message; for a dialogue the first one."""
    verdicts: Mapping[str, float] = field(default_factory=dict)
    """Text of each verdict as it stands behind the closing phrase (or the label), a leading space included, and what
    it is worth: 1 is good, 0 is bad. Several spellings of one verdict add up. An index needs none."""
    summary: str = ""
    source: str = ""
    checkpoints: tuple[str, ...] = ()

    scope: Scope = "trace"
    dialogue: bool = False
    """One user turn a step; the judge's earlier answers stay in the dialogue."""
    turn: str = "{step}"
    """For a dialogue: every user turn after the first."""
    system: str = ""
    step: str = "{step}"
    """How one of `{steps}` and `{previous}` is written; `{number}` is its own number."""
    between: str = "\n\n"
    first_number: int = 1
    erase: str = ""
    """A regular expression; what it matches is taken out of every step, such as numbering that is written anew."""
    no_previous: str = ""
    """What stands for `{previous}` before the first step."""
    reserved: tuple[str, ...] = ()
    """Texts that mark steps: a problem or step that holds one is refused, since it could pose as another step."""
    most_steps: int | None = None

    phases: tuple[Phase, ...] = (Phase(),)
    rethink: tuple[str, ...] = ()
    """Phrases that make the judge go on thinking, one for each further round."""
    closing: str = ""
    """For choice: what is forced before the verdict."""
    line: str = ""
    """For choice over a whole trace: what is forced before each step's verdict, behind `closing`."""
    ending: str = ""
    """For a dialogue: what stands behind the verdict in the judge's answer."""

    read: Read = "choice"
    after: tuple[str, ...] = ()
    """For labels: they are read behind the last of these texts; the whole critique where there are none."""
    heading: str = ""
    """For labels: a regular expression whose group is the number of the step (or item) that is spoken of."""
    label: str = ""
    """For labels: a regular expression whose group is a verdict."""
    decision_temperature: float = 1.0
    target: Target = "prefix"
    votes: int = 1
    voting: Voting = "mean"
    """mean: the mean of what the votes are worth; majority: the share of votes worth at least 1/2."""
    sampling: Sampling = Sampling(temperature=0.6, top_p=0.95)
    """Stop strings and token limits stand with the phases."""

    def __post_init__(self) -> None:
        for sane, rule, got in self._rules():
            if not sane:
                raise ConfigError(f"judge {self.name!r}: {rule}", got=got)
        for pattern in (self.erase, self.heading, self.label):
            _compiled(self.name, pattern)

    def _rules(self) -> tuple[tuple[bool, str, object], ...]:
        worths = list(self.verdicts.values())
        before = self.line or self.closing or (self.phases[-1].ending if self.phases else "")
        labels, table = self.read == "labels", self.read == "choice" and self.scope == "trace"
        return (
            ("{problem}" in self.prompt, "the prompt must hold {problem}", self.prompt),
            (len(set(worths)) > 1 or self.read == "index", "verdicts must differ in worth", dict(self.verdicts)),
            (all(0 <= worth <= 1 for worth in worths), "a verdict is worth 0 to 1", dict(self.verdicts)),
            (all(text.strip() for text in self.verdicts), "a verdict needs a text", list(self.verdicts)),
            (
                self.read != "choice" or not before.endswith(" "),
                "a space before a verdict belongs to the verdict's text: tokenizers join it to the word",
                before,
            ),
            (not table or bool(self.line), "choice over a trace needs a line for each step's verdict", self.line),
            (
                self.read not in ("index", "json") or self.scope == "trace",
                "an index, or JSON, is read from a whole trace",
                self.scope,
            ),
            (not self.dialogue or self.scope == "step", "a dialogue judges step by step", self.scope),
            (not labels or "(" in self.label, "label must be a regular expression with a group", self.label),
            (self.read == "choice" or bool(self.phases), "there is nothing to read without a phase", self.phases),
            (self.votes >= 1, "votes must be at least 1", self.votes),
            (self.decision_temperature > 0, "the decision temperature lies above 0", self.decision_temperature),
        )

    @property
    def sees_reference(self) -> bool:
        """Whether the judge is shown the reference answer."""
        shown = [self.prompt, self.system, self.turn, self.closing, self.line, *(each.opening for each in self.phases)]
        return any(slot in text for text in shown for slot in ("{reference}", "{meta:reference_solution}"))

    def to_json(self) -> dict[str, Json]:
        """Plain data that `from_json` reads back; fields at their default are left out."""
        return dict(codec.to_json(self))  # type: ignore[arg-type]

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> JudgeFormat:
        """The format that `record` describes; `ConfigError` for what is none."""
        try:
            return codec.from_json(cls, dict(record))
        except DataError as error:
            raise ConfigError(f"no judge's format: {error.what}", got=error.got, mend=error.mend) from error


def _compiled(name: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"judge {name!r}: not a regular expression: {error}", got=pattern) from error
