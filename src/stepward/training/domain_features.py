"""Which traces of a domain are read, and what a frozen backbone says of their steps.

A cap takes whole problems, in an order that depends on their texts alone: a larger cap keeps what a smaller one took. A
trace that is longer than the window is read in parts: each step behind the problem and as many steps before it as fit.
A trace with a step that does not fit even alone is left out and counted; nothing is cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from stepward.datasets.splits import normal_text
from stepward.errors import ConfigError, ModelError
from stepward.reward_models.backbone import Backbone, Precision, open_codec
from stepward.reward_models.encoding.codec import Encoded, StepCodec
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.readout import Readout
from stepward.training.examples import Example, StepExamples
from stepward.training.features import FeatureStore
from stepward.training.intake import ENDLESS, Intake, Pair
from stepward.training.watch import Progress
from stepward.types import content_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """How much of a domain is read."""

    tokens: int | None = None
    """Whole problems until so many tokens are reached; None takes all."""
    per_problem: int | None = None
    """At most so many traces of a problem, by hash of the trace."""
    longest: int | None = None
    """Leave out traces of more tokens, problem included. In parts a trace of many short steps takes far more than its
    own tokens: nearly a window for each step beyond the first window."""

    def __post_init__(self) -> None:
        given = [cap for cap in (self.tokens, self.per_problem, self.longest) if cap is not None]
        if given and min(given) < 1:
            raise ConfigError("caps must be at least 1", got=given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Labelled traces of a domain, the passes that read them, and what was left out."""

    pairs: tuple[Pair, ...] = ()
    passes: tuple[tuple[Encoded, ...], ...] = ()
    """Of each trace: one, or one for each of its windows."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Traces, by reason."""

    @property
    def tokens(self) -> int:
        """That reading them takes, what windows read twice included."""
        return sum(len(one) for own in self.passes for one in own)

    @property
    def windowed(self) -> int:
        """Traces that are read in parts."""
        return sum(len(own) > 1 for own in self.passes)


@dataclass(frozen=True, eq=False, kw_only=True)
class DomainPart:
    """Labelled traces of one domain on one side, with the features of their steps."""

    pairs: tuple[Pair, ...]
    examples: tuple[Example, ...]
    states: Tensor
    """[R, width]: one row a step, in order."""

    def where(self, keep: Sequence[int]) -> DomainPart:
        """The traces at the places of `keep`."""
        rows = torch.split(self.states, [len(each.encoded.read_positions) for each in self.examples])
        return DomainPart(
            pairs=tuple(self.pairs[index] for index in keep),
            examples=tuple(self.examples[index] for index in keep),
            states=torch.cat([self.states[:0], *(rows[index] for index in keep)]),
        )


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How steps are read. Results do not depend on `features`, where they are kept."""

    folder: Path
    """Of the backbone."""
    features: Path
    readout: Readout
    precision: Precision = "float32"
    window: int | None = None
    """Tokens above which a trace is read in parts; None for all that the backbone holds."""
    pass_tokens: int = 4096

    def codec(self) -> StepCodec:
        """Encodes what the backbone reads."""
        return open_codec(self.folder, replace(STEPWARD_DEFAULT, overflow="window", context=self.window))

    def choose(self, codec: StepCodec, pairs: Sequence[Pair], take: Take) -> Chosen:
        """What is read of `pairs`. Traces without a label, and repeats of a trace, are left out and counted."""
        left: Counter[str] = Counter()
        single = Intake(repeats="merge").single(pairs, left)
        labelled = [(problem, labeled) for problem, labeled in single if any(labeled.labels)]
        left["no label"] += len(single) - len(labelled)
        kept: list[tuple[Pair, tuple[Encoded, ...]]] = []
        tokens, dealt = 0, 0
        for own in _by_problem(labelled):
            if take.tokens is not None and tokens >= take.tokens:
                break
            dealt += len(own)
            asked = own[: take.per_problem]
            left["over the cap of a problem"] += len(own) - len(asked)
            for pair in asked:
                passes = _passes(codec, pair, take.longest, left)
                kept += [(pair, passes)] if passes else []
                tokens += sum(map(len, passes))
        left["over the cap of tokens"] += len(labelled) - dealt
        return Chosen(
            pairs=tuple(pair for pair, _ in kept),
            passes=tuple(passes for _, passes in kept),
            left_out={reason: count for reason, count in left.items() if count},
        )

    def open(self) -> Backbone:
        """The backbone without the layers that are not read."""
        backbone = Backbone.open(self.folder, STEPWARD_DEFAULT, precision=self.precision)
        self.readout.check(backbone.layers)
        backbone.drop_above(self.readout.deepest(backbone.layers))
        return backbone

    def read(self, backbone: Backbone, chosen: Chosen, progress: Progress | None = None) -> DomainPart:
        """The features of every step, computed where they are not kept. `LabelError` for targets that are mixed."""
        endless = replace(backbone.codec, context=ENDLESS)
        examples = StepExamples().build(endless, chosen.pairs).examples
        store = FeatureStore(folder=self.features, batch_tokens=self.pass_tokens)
        flat = [one for own in chosen.passes for one in own]
        states = store.read(backbone, self.readout, flat, progress=progress)
        return DomainPart(pairs=chosen.pairs, examples=examples, states=states)


def _by_problem(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Problems by hash of their text; the traces of each by their hash."""
    found: dict[str, list[Pair]] = {}
    for pair in pairs:
        found.setdefault(normal_text(pair[0].text), []).append(pair)
    return [sorted(found[text], key=lambda pair: pair[1].trace.id) for text in sorted(found, key=content_key)]


def _passes(codec: StepCodec, pair: Pair, longest: int | None, left: Counter[str]) -> tuple[Encoded, ...]:
    """None where the trace is left out, which is counted. Raises as the codec does for what is no matter of length."""
    whole = replace(codec, context=ENDLESS, format=replace(codec.format, overflow="error"))
    if len(whole.encode(pair[0], pair[1].trace)) > (longest or ENDLESS):
        left[f"over {longest} tokens"] += 1
        return ()
    try:
        windows = codec.encode_windows([(pair[0], pair[1].trace)])[0]
    except ModelError:
        left[f"a step that does not fit into {codec.window} tokens"] += 1
        return ()
    return tuple(window.encoded for window in windows)
