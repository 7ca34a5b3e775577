"""From labelled traces to examples: ids, read positions, and at some of them a target, a weight and counts.

The trainer knows nothing of labels. Here is decided, explicitly, which view of a label is learned (hard or soft), what
a neutral rating means, what an unlabelled step does (nothing), whether steps after the first error count, and what a
label weighs. What is left out and what was decided is counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Literal, TypeAlias

from stepward.errors import LabelError
from stepward.reward_models.encoding.codec import Encoded, StepCodec
from stepward.reward_models.formats.record import PRMFormat
from stepward.training.intake import Intake, Pair
from stepward.training.ratings import AS_READ, Neutral, check_neutral, rated
from stepward.training.weights import Weigher
from stepward.types import Json, LabeledTrace, StepLabel, Target, content_key

__all__ = ["Example", "ExampleSet", "Intake", "OutcomeExamples", "Pair", "Slot", "StepExamples", "TwoHeadExamples"]

Drafts: TypeAlias = "list[tuple[Pair, list[Slot]]]"
Reason: TypeAlias = "Callable[[LabeledTrace, Sequence[Slot]], str | None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One thing to learn at one read position."""

    step: int
    """Index into the read positions."""
    target: float
    """In [0, 1]."""
    weight: float = 1.0
    trials: int = 0
    """n of the label's k of n; 0 where the label holds no counts."""
    output: int = 0
    """Which output of the head learns it."""
    offset: float = 0.0
    """Added to the logit before the loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One trace as the trainer sees it: a read position without a slot teaches nothing.

    Raises `LabelError` where a slot names a step that is not read, or its numbers are out of range.
    """

    encoded: Encoded
    slots: tuple[Slot, ...]
    group: str
    """Hash of the problem's text: examples of one group stay on one side of a split."""
    trace_id: str

    def __post_init__(self) -> None:
        for slot in self.slots:
            if not 0 <= slot.step < len(self.encoded.read_positions):
                raise LabelError(
                    f"trace {self.trace_id} is read at {len(self.encoded.read_positions)} steps; it has more labels",
                    got=f"a label at step {slot.step}",
                    mend="cut the text into steps as it was when it was labelled",
                )
            if not (0.0 <= slot.target <= 1.0 and 0.0 <= slot.weight < math.inf and slot.trials >= 0):
                raise LabelError(f"a slot of trace {self.trace_id} is out of range", got=slot)

    @property
    def key(self) -> str:
        """Hash of everything that training sees of this example."""
        encoded = self.encoded
        read: list[Json] = [encoded.ids, encoded.spans, encoded.read_positions]
        return content_key(self.group, read, [astuple(slot) for slot in self.slots])


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleSet:
    """Examples, what their targets mean, and what was left out and why."""

    examples: tuple[Example, ...]
    format: PRMFormat
    """How they were encoded."""
    target: Target
    """What the first output of the head learns."""
    excluded: Mapping[str, int]
    """Traces left out, by reason."""
    second: Target | None = None
    """What the second output learns, where there is one."""
    reads: Literal["steps", "tokens"] = "steps"
    """What the read positions are."""
    notes: Mapping[str, int] = field(default_factory=dict)
    """How often each choice was made: neutral ratings, steps after an error, repeats."""

    @property
    def outputs(self) -> int:
        """Outputs that a head needs."""
        return 1 if self.second is None else 2

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
    """drop: steps after the first step whose label is not good are not learned."""
    neutral: Neutral = AS_READ
    """What the rating 0 of a trace that keeps its ratings (PRM800K) means; see `ratings.py`."""
    target: Target | None = None
    """What labels must mean; None takes whatever they all mean."""
    weighers: tuple[Weigher, ...] = ()
    """What a label weighs: the product of what each says."""
    intake: Intake = Intake()

    def __post_init__(self) -> None:
        check_neutral(self.neutral)

    def build(self, codec: StepCodec, pairs: Sequence[Pair]) -> ExampleSet:
        """One example per trace with a label. Raises `LabelError` where targets are mixed or there is no example."""
        notes: Counter[str] = Counter()
        kept, excluded = _sorted_out(self.drafts(self.intake.single(pairs, notes), notes), self._reason)
        target = self.meaning(labeled for (_, labeled), _ in kept)
        examples = _encoded(codec, kept, self.intake, excluded)
        return ExampleSet(examples=examples, format=codec.format, target=target, excluded=excluded, notes=notes)

    def drafts(self, pairs: Iterable[Pair], notes: Counter[str]) -> Drafts:
        """Each pair, its labels as they were decided, and its slots; choices are counted in `notes`."""
        found = [(problem, rated(labeled, self.neutral, notes)) for problem, labeled in pairs]
        return [((problem, labeled), self._slots(labeled, notes)) for problem, labeled in found]

    def meaning(self, labeled: Iterable[LabeledTrace]) -> Target:
        """The one target of all labels; `LabelError` where there are several, none, or another than was asked for."""
        targets = sorted({own.target for own in labeled if own.target is not None})
        if len(targets) > 1:
            raise LabelError(
                "labels of different targets cannot train one head", got=targets, mend="convert them explicitly"
            )
        if not targets:
            raise LabelError("no trace can be trained on", got="no labels", mend="label some first")
        if targets == ["progress"]:
            raise LabelError("progress labels lie in [-1, 1] and are no probability", mend="train on values instead")
        if self.target not in (None, targets[0]):
            raise LabelError(f"labels must mean {self.target}", got=targets[0], mend="convert them explicitly")
        return targets[0]

    def _reason(self, labeled: LabeledTrace, slots: Sequence[Slot]) -> str | None:
        if not len(labeled.trace):
            return "no steps"
        if labeled.target is None:
            return "no labels"
        return None if slots else "no label of a weight above 0"

    def _slots(self, labeled: LabeledTrace, notes: Counter[str]) -> list[Slot]:
        slots = []
        weights = [weigher.weights(labeled) for weigher in self.weighers]
        for step, label in enumerate(labeled.labels):
            if label is None:
                continue
            weight = math.prod(own[step] for own in weights)
            if weight > 0:
                slots.append(Slot(step=step, target=self._value(label), weight=weight, trials=label.trials or 0))
            else:
                notes["labels of weight 0 left out"] += 1
            if self.after_error == "drop" and not label.good:
                notes["labels after the first error left out"] += sum(x is not None for x in labeled.labels[step + 1 :])
                break
        return slots

    def _value(self, label: StepLabel) -> float:
        return label.value if self.view == "soft" else float(label.good)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeExamples:
    """Examples of an outcome reward model: the verdict's outcome. Undecided traces are left out, never wrong."""

    at: Literal["last", "every", "token"] = "last"
    """Targets at the last step end alone, at every step end, or at every token of the solution (Cobbe et al., arXiv
    2110.14168). Scores are read at step ends in any case: a readout that pools a step's tokens does not fit token."""
    intake: Intake = Intake()

    def build(self, codec: StepCodec, pairs: Sequence[Pair]) -> ExampleSet:
        """One example per trace with a decided verdict. Raises `LabelError` where there is none."""
        notes: Counter[str] = Counter()
        kept, excluded = _sorted_out(self.drafts(self.intake.single(pairs, notes)), self._reason)
        examples = _encoded(codec, kept, self.intake, excluded)
        made = ExampleSet(examples=examples, format=codec.format, target="value", excluded=excluded, notes=notes)
        if self.at != "token":
            return made
        return replace(made, examples=tuple(_at_every_token(example) for example in examples), reads="tokens")

    def drafts(self, pairs: Iterable[Pair]) -> Drafts:
        """Each pair and its slots: none where the verdict is not decided."""
        return [(pair, self._slots(pair[1])) for pair in pairs]

    def _slots(self, labeled: LabeledTrace) -> list[Slot]:
        if labeled.verdict is None or labeled.verdict.correct is None:
            return []
        count = len(labeled.trace)
        steps = range(count) if self.at == "every" else range(count - 1, count)
        return [Slot(step=step, target=float(labeled.verdict.correct)) for step in steps if step >= 0]

    def _reason(self, labeled: LabeledTrace, slots: Sequence[Slot]) -> str | None:
        if not len(labeled.trace):
            return "no steps"
        if labeled.verdict is None:
            return "no verdict"
        return None if slots else "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoHeadExamples:
    """Examples of a model that says two things of a step, such as whether it holds and how likely success is.

    Output 0 learns what `first` makes of the labels; output 1 what `second` makes of the same traces: of their verdicts
    (`OutcomeExamples`, "every") or of a second labelling. (BiRM, arXiv 2503.04618.)
    """

    first: StepExamples = StepExamples()
    second: StepExamples | OutcomeExamples = OutcomeExamples(at="every")
    intake: Intake = Intake()
    """Of both; theirs is not asked."""

    def build(self, codec: StepCodec, pairs: Sequence[Pair], other: Sequence[Pair] = ()) -> ExampleSet:
        """One example per trace that teaches either output. `other` is the second labelling of the same traces.

        Raises `LabelError` where one output has nothing to learn, or targets are mixed.
        """
        if isinstance(self.second, OutcomeExamples) and self.second.at == "token":
            raise LabelError("two heads are read at step ends", got="token", mend='use OutcomeExamples(at="every")')
        notes: Counter[str] = Counter()
        drafts = self.first.drafts(self.intake.single(pairs, notes), notes)
        target = self.first.meaning(labeled for (_, labeled), _ in drafts)
        second, extra = self._second([pair for pair, _ in drafts], other, notes)
        both = [(pair, [*slots, *extra.get(_identity(pair), [])]) for pair, slots in drafts]
        kept, excluded = _sorted_out(both, _nothing)
        examples = _encoded(codec, kept, self.intake, excluded)
        if not any(slot.output for example in examples for slot in example.slots):
            raise LabelError("nothing teaches the second output", got=excluded, mend="verify, or label a second time")
        return ExampleSet(
            examples=examples, format=codec.format, target=target, second=second, excluded=excluded, notes=notes
        )

    def _second(
        self, pairs: Sequence[Pair], other: Sequence[Pair], notes: Counter[str]
    ) -> tuple[Target, dict[str, list[Slot]]]:
        """What output 1 means, and its slots by trace."""
        if isinstance(self.second, OutcomeExamples):
            target: Target = "value"
            drafts = self.second.drafts(pairs)
        else:
            drafts = self.second.drafts(self.intake.single(other, notes), notes)
            target = self.second.meaning(labeled for (_, labeled), _ in drafts)
        return target, {_identity(pair): [replace(slot, output=1) for slot in slots] for pair, slots in drafts}


def _sorted_out(drafts: Drafts, reason: Reason) -> tuple[Drafts, Counter[str]]:
    """The drafts without a reason to leave them out, and how many had which reason."""
    reasons = [(draft, reason(draft[0][1], draft[1])) for draft in drafts]
    kept = [draft for draft, why in reasons if why is None]
    excluded = Counter(why for _, why in reasons if why is not None)
    if not kept:
        raise _nothing_left(excluded)
    return kept, excluded


def _encoded(codec: StepCodec, drafts: Drafts, intake: Intake, excluded: Counter[str]) -> tuple[Example, ...]:
    """One example per draft that the model can read; the others are counted in `excluded`."""
    encoded = intake.encode(codec, [pair for pair, _ in drafts], excluded)
    examples = tuple(
        Example(encoded=item, slots=tuple(slots), group=content_key(problem.text), trace_id=labeled.trace.id)
        for ((problem, labeled), slots), item in zip(drafts, encoded, strict=True)
        if item is not None
    )
    if not examples:
        raise _nothing_left(excluded)
    return examples


def _nothing_left(excluded: Counter[str]) -> LabelError:
    found = dict(excluded) or "no traces"
    return LabelError("no trace can be trained on", got=found, mend="label or verify some first")


def _at_every_token(example: Example) -> Example:
    """The example's only slot at every token from the first step to the last read position."""
    encoded, (slot,) = example.encoded, example.slots
    places = range(encoded.spans[0][0], encoded.read_positions[-1] + 1)
    reads = replace(encoded, spans=tuple((at, at + 1) for at in places), read_positions=tuple(places))
    return replace(example, encoded=reads, slots=tuple(replace(slot, step=step) for step in range(len(places))))


def _nothing(labeled: LabeledTrace, slots: Sequence[Slot]) -> str | None:
    if not len(labeled.trace):
        return "no steps"
    return None if slots else "neither labels nor verdict"


def _identity(pair: Pair) -> str:
    """Equal for equal traces of equal problems."""
    return content_key(pair[0].text, pair[1].trace.text, [step.end for step in pair[1].trace.steps])
