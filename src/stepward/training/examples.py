"""From labelled traces to examples: ids, read positions, and at each a target, a weight and counts.

The trainer knows nothing of labels. Here is decided, explicitly, which view of a label is learned (hard or soft), what
an unlabelled step does (weight 0), and whether steps after the first error count. What is left out is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stepward.errors import LabelError
from stepward.reward_models.encode import Encoded, StepCodec
from stepward.reward_models.formats.record import PRMFormat
from stepward.types import LabeledTrace, Problem, StepLabel, Target, content_key

Pair: TypeAlias = tuple[Problem, LabeledTrace]
Slot: TypeAlias = tuple[float, float, int]
"""Target, weight and trials of one read position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One trace as the trainer sees it; `targets`, `weights` and `trials` run along the read positions."""

    encoded: Encoded
    targets: tuple[float, ...]
    """In [0, 1]."""
    weights: tuple[float, ...]
    """0 masks a position."""
    trials: tuple[int, ...]
    """n of the label's k of n; 0 where the label holds no counts."""
    group: str
    """Hash of the problem's text: examples of one group stay on one side of a split."""
    trace_id: str

    @property
    def key(self) -> str:
        """Hash of everything that training sees of this example."""
        return content_key(list(self.encoded.ids), list(self.targets), list(self.weights), list(self.trials))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleSet:
    """Examples of one target, and what was left out and why."""

    examples: tuple[Example, ...]
    format: PRMFormat
    """How they were encoded."""
    target: Target
    excluded: Mapping[str, int]
    """Traces left out, by reason."""

    @property
    def key(self) -> str:
        """Hash of all examples in order."""
        return content_key([example.key for example in self.examples])


@dataclass(frozen=True, slots=True, kw_only=True)
class StepExamples:
    """Examples of a process reward model: one target per labelled step."""

    view: Literal["hard", "soft"] = "hard"
    """hard: `label.good` as 0 or 1; soft: `label.value`."""
    after_error: Literal["keep", "drop"] = "keep"
    """drop: steps after the first step whose label is not good get weight 0."""

    def build(self, codec: StepCodec, pairs: Sequence[Pair]) -> ExampleSet:
        """One example per trace with a label. Raises `LabelError` where targets are mixed or there is no example."""
        kept, excluded = _sorted_out(pairs, self._reason)
        targets = sorted({labeled.target for _, labeled in kept if labeled.target is not None})
        if len(targets) > 1:
            raise LabelError(
                "labels of different targets cannot train one head", got=targets, mend="convert them explicitly"
            )
        if targets == ["progress"]:
            raise LabelError("progress labels lie in [-1, 1] and are no probability", mend="train on values instead")
        slots = [self._slots(labeled.labels) for _, labeled in kept]
        examples = _examples(codec, kept, slots)
        return ExampleSet(examples=examples, format=codec.format, target=targets[0], excluded=excluded)

    def _reason(self, labeled: LabeledTrace) -> str | None:
        if not len(labeled.trace):
            return "no steps"
        return "no labels" if labeled.target is None else None

    def _slots(self, labels: Sequence[StepLabel | None]) -> list[Slot]:
        slots, wrong = [], False
        for label in labels:
            if label is None or (wrong and self.after_error == "drop"):
                slots.append((0.0, 0.0, 0))
            else:
                value = label.value if self.view == "soft" else float(label.good)
                slots.append((value, 1.0, label.trials or 0))
            wrong = wrong or (label is not None and not label.good)
        return slots


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeExamples:
    """Examples of an outcome reward model: the verdict's outcome. Undecided traces are left out, never wrong."""

    at: Literal["last", "every"] = "last"
    """Targets at the last step end alone, or at every step end."""

    def build(self, codec: StepCodec, pairs: Sequence[Pair]) -> ExampleSet:
        """One example per trace with a decided verdict. Raises `LabelError` where there is none."""
        kept, excluded = _sorted_out(pairs, self._reason)
        slots = []
        for _, labeled in kept:
            outcome = float(labeled.verdict is not None and bool(labeled.verdict.correct))
            before = 1.0 if self.at == "every" else 0.0
            slots.append([(outcome, before, 0)] * (len(labeled.trace) - 1) + [(outcome, 1.0, 0)])
        examples = _examples(codec, kept, slots)
        return ExampleSet(examples=examples, format=codec.format, target="value", excluded=excluded)

    def _reason(self, labeled: LabeledTrace) -> str | None:
        if not len(labeled.trace):
            return "no steps"
        if labeled.verdict is None:
            return "no verdict"
        return "undecided" if labeled.verdict.correct is None else None


def _sorted_out(
    pairs: Iterable[Pair], reason: Callable[[LabeledTrace], str | None]
) -> tuple[list[Pair], dict[str, int]]:
    """The pairs without a reason to leave them out, and how many had which reason."""
    reasons = [(pair, reason(pair[1])) for pair in pairs]
    kept = [pair for pair, why in reasons if why is None]
    excluded = dict(Counter(why for _, why in reasons if why is not None))
    if not kept:
        raise LabelError("no trace can be trained on", got=excluded or "no traces", mend="label or verify some first")
    return kept, excluded


def _examples(codec: StepCodec, pairs: Sequence[Pair], slots: Sequence[Sequence[Slot]]) -> tuple[Example, ...]:
    encoded = codec.encode_many([(problem, labeled.trace) for problem, labeled in pairs])
    return tuple(
        Example(
            encoded=item,
            targets=tuple(target for target, _, _ in own),
            weights=tuple(weight for _, weight, _ in own),
            trials=tuple(trials for _, _, trials in own),
            group=content_key(problem.text),
            trace_id=labeled.trace.id,
        )
        for (problem, labeled), item, own in zip(pairs, encoded, slots, strict=True)
    )
