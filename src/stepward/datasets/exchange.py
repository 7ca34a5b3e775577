r"""What the writers of public formats share, and the account of what a format cannot hold.

A public format holds a problem's text, steps, and a sign or a number for each: everything else that an example says
is lost, so each writer gives back a `Written` that counts it. What a format cannot leave open is cut: a solution
ends before its first unlabelled step (`unlabelled="cut"`, counted) or the writer refuses (`unlabelled="refuse"`).
Our own JSON lines (`native_write.py`) hold all but scores.

Degenerate cases: a blank problem or step is refused, since readers refuse it too; an example whose first step is
unlabelled is left out and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Literal, Protocol, TypeAlias, get_args

from stepward.datasets.lines import Source
from stepward.datasets.reading import Example
from stepward.datasets.rows import Extra
from stepward.datasets.writing import write_objects
from stepward.errors import ConfigError, LabelError, TraceError
from stepward.types import UNKNOWN, Json, LabeledTrace, Problem, StepLabel, Target, Trace
from stepward.types import Source as LabelSource

Values: TypeAlias = Literal["hard", "soft"]
"""hard: `label.good` alone; soft: numbers."""
Unlabelled: TypeAlias = Literal["cut", "refuse"]

SOFT = "labels made hard"
COUNTS = "rollout counts"
DOMAINS = "domains"
SPACE = "steps whose white space changes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a writer wrote, and what the format could not hold."""

    rows: int
    examples_left_out: int = 0
    """Examples whose first step is unlabelled, or that the format has no row for."""
    steps_left_out: int = 0
    """Unlabelled steps and those after them."""
    lost: Mapping[str, int] = field(default_factory=dict)
    """What the written examples say and the file does not, by name."""

    def __str__(self) -> str:
        parts = [f"{self.rows} rows"]
        parts += [f"{self.examples_left_out} examples left out"] if self.examples_left_out else []
        parts += [f"{self.steps_left_out} steps left out"] if self.steps_left_out else []
        lost = ", ".join(f"{count} {what}" for what, count in self.lost.items())
        return "; ".join(parts + ([f"not in the file: {lost}"] if lost else []))


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledRows:
    """A reader of rows that do not say what their labels mean, nor what stands between steps: it must be told."""

    target: Target
    source: LabelSource
    separator: str = "\n"
    extra: Extra = "refuse"

    def __post_init__(self) -> None:
        if self.target not in get_args(Target) or self.source not in get_args(LabelSource):
            raise ConfigError("target or source is not a word of StepLabel", got=(self.target, self.source))


class Writer(Protocol):
    """Who turns examples into a file of one format."""

    def write(self, path: Source, examples: Iterable[Example]) -> Written:
        """Write `examples` to `path` and say what did not fit; `LabelError` or `TraceError` on what cannot be."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The labelled start of an example: as many labels as texts."""

    texts: tuple[str, ...]
    """Steps without the white space that the format puts back."""
    labels: tuple[StepLabel, ...]

    def signs(self) -> list[str]:
        """+ for each good step, - for the others."""
        return ["+" if label.good else "-" for label in self.labels]

    def numbers(self) -> list[float]:
        """The values."""
        return [label.value for label in self.labels]


@dataclass(slots=True, kw_only=True)
class Account:
    """Counts while one file is written."""

    kept: frozenset[str] = frozenset()
    """Names of what the format holds beyond problem, steps and hard labels."""
    unlabelled: Unlabelled = "cut"
    examples: int = 0
    steps: int = 0
    lost: Counter[str] = field(default_factory=Counter)

    def start(self, example: Example, *, separator: str | None = None, strip: bool = False) -> Start | None:
        """The labelled start of `example`, counted; None where its first step is unlabelled.

        Without `strip` only `separator` is taken off the end of each step but the last; None takes what they share.
        """
        labeled = example.labeled
        labels = tuple(label for label in takewhile(lambda label: label is not None, labeled.labels) if label)
        left = len(labeled.labels) - len(labels)
        if left and self.unlabelled == "refuse":
            raise LabelError(
                f"step {len(labels)} of trace {labeled.trace.id} has no label", mend='unlabelled="cut" ends before it'
            )
        self.steps += left
        if not labels:
            self.examples += 1
            return None
        texts = bare_steps(labeled.trace, separator=separator, strip=strip)[: len(labels)]
        self.count(example, texts, cut=left > 0)
        return Start(texts=texts, labels=labels)

    def stripped(self, problem: Problem) -> str:
        """The problem's text without white space around it, counted where that changes it."""
        text = problem.text.strip()
        self.lost["problems whose white space changes"] += text != problem.text
        return text

    def write(
        self, path: Source, examples: Iterable[Example], row: Callable[[Example], Mapping[str, Json] | None]
    ) -> Written:
        """Write the row of each example that has one; what was lost comes in a fixed order."""
        rows = write_objects(path, (made for example in examples if (made := row(example)) is not None))
        lost = {name: int(count) for name, count in sorted(self.lost.items()) if count}
        return Written(rows=rows, examples_left_out=self.examples, steps_left_out=self.steps, lost=lost)

    def count(self, example: Example, texts: tuple[str, ...], *, cut: bool = False) -> None:
        """Count what is lost of `example`, of which the steps `texts` are written; `cut` where more would follow."""
        if not example.problem.text.strip():
            raise TraceError(f"problem {example.problem.id!r} is blank", mend="leave it out: nothing can be judged")
        self.lost.update({name: n for name, n in contents(example, len(texts)).items() if name not in self.kept})
        whole = example.labeled.trace.step_texts
        back = [text + "\n" for text in texts[:-1]] + [texts[-1] + ("\n" if cut else "")]
        self.lost[SPACE] += sum(a != b for a, b in zip(back, whole, strict=False))


def contents(example: Example, steps: int) -> Counter[str]:
    """How often `example` says something beyond its problem's text, its first `steps` steps and their hard labels."""
    problem, labeled, trace = example.problem, example.labeled, example.labeled.trace
    labels = [label for label in labeled.labels[:steps] if label is not None]
    return Counter(
        {
            "problem ids": 1,
            "reference answers": problem.answer is not None,
            DOMAINS: problem.domain != "",
            "meta and images of problems": bool(problem.meta or problem.parts),
            "stated answers": trace.answer is not None,
            "origins and meta of traces": bool(trace.meta) or trace.origin != UNKNOWN,
            "traces that did not end by themselves": trace.finish != "stop",
            "verdicts": labeled.verdict is not None,
            "scorers": len(example.scores),
            "kinds of steps": sum(step.kind != "thought" for step in trace.steps[:steps]),
            "targets, sources and origins of labels": len(labels),
            SOFT: sum(label.value not in (0.0, 1.0) for label in labels),
            COUNTS: sum(label.trials is not None for label in labels),
            "notes on labels": sum(label.note != "" for label in labels),
        }
    )


def bare_steps(trace: Trace, *, separator: str | None = None, strip: bool = False) -> tuple[str, ...]:
    """The steps of `trace` without `separator`, or without white space around them; `TraceError` for a blank one."""
    texts = trace.step_texts
    if separator is None:
        separator = _shared_end(texts[:-1])
    bare = tuple(text.strip() if strip else text.removesuffix(separator) for text in texts[:-1])
    bare += tuple(text.strip() if strip else text for text in texts[-1:])
    for index, text in enumerate(bare):
        if not text.strip():
            raise TraceError(
                f"step {index} of trace {trace.id} is blank", mend="join it to a neighbour, or leave it out"
            )
    return bare


def check_words(values: str, unlabelled: str) -> None:
    """`ConfigError` unless both are among a writer's words."""
    if values not in get_args(Values) or unlabelled not in get_args(Unlabelled):
        raise ConfigError('values must be "hard" or "soft", unlabelled "cut" or "refuse"', got=(values, unlabelled))


def refuse_marker(labeled: LabeledTrace, what: str, texts: Iterable[str], marker: str) -> None:
    """`LabelError` where one of `texts` holds `marker`: read again, it would be taken for a step's end."""
    for index, text in enumerate(texts):
        if marker in text:
            raise LabelError(
                f"{what} {index} of trace {labeled.trace.id} holds the marker {marker!r}",
                mend="write with another marker, or take it out of the text",
            )


def _shared_end(texts: tuple[str, ...]) -> str:
    """The white space that all of `texts` end in."""
    ends = [text[len(text.rstrip()) :] for text in texts]
    shared = min(ends, key=len, default="")
    while not all(end.endswith(shared) for end in ends):
        shared = shared[1:]
    return shared
