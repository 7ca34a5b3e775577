"""Values of prefixes as relabelers read them, and labels made of them.

    V_k    the value label of step k: what a completion of the prefix that ends with it is worth
    V_-1   the value of the empty prefix, from `LabeledTrace.meta["root"]`

A label made of values drops their counts: k of n says something of the value, nothing of what was made of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from stepward.errors import LabelError
from stepward.types import Json, LabeledTrace, Origin, StepLabel, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """The value before a step and behind it; None where it is not known."""

    before: float | None
    after: float | None


def values(labeled: LabeledTrace) -> list[float | None]:
    """The value behind each step, None where it is unlabelled. `LabelError` for labels that are no values."""
    if labeled.target not in ("value", None):
        raise LabelError(
            f"trace {labeled.trace.id} must have value labels",
            got=labeled.target,
            mend="relabel what a rollout labeler or a tree made",
        )
    return [None if label is None else label.value for label in labeled.labels]


def moves(labeled: LabeledTrace) -> list[Move]:
    """What each step did to the value. `LabelError` where nothing says what the empty prefix is worth."""
    after = values(labeled)
    before = [root_value(labeled), *after[:-1]] if after else []
    return [Move(before=a, after=b) for a, b in zip(before, after, strict=True)]


def root_value(labeled: LabeledTrace) -> float | None:
    """The value of the empty prefix, None where no completion of it was decided. `LabelError` without counts."""
    counts = labeled.meta.get("root")
    if not isinstance(counts, Mapping):
        raise LabelError(
            f"trace {labeled.trace.id} does not say what the empty prefix is worth",
            mend="label with `root: true`, which counts completions of the problem itself",
        )
    successes, trials = counts.get("successes"), counts.get("trials")
    if not (isinstance(successes, int) and isinstance(trials, int) and 0 <= successes <= trials):
        raise LabelError("counts of the empty prefix must satisfy 0 <= k <= n", got=dict(counts))
    return successes / trials if trials else None


def taken_from(label: StepLabel | None) -> dict[str, Json]:
    """What the origin of a label made of another says of that one; nothing where there is none."""
    return {} if label is None else {"of": label.origin.maker, "with": dict(label.origin.settings)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Remake:
    """What labels become: who says so, with which settings, and what they mean."""

    name: str
    target: Target
    settings: Mapping[str, Json]

    def apply(self, labeled: LabeledTrace, made: Iterable[float | None]) -> LabeledTrace:
        """`labeled` with the values `made`, None where there is none or where nothing was labelled."""
        labels = [self._label(old, value) for old, value in zip(labeled.labels, made, strict=True)]
        return replace(labeled, labels=tuple(labels))

    def _label(self, old: StepLabel | None, value: float | None) -> StepLabel | None:
        if old is None or value is None:
            return None
        origin = Origin(
            maker=f"relabeler:{self.name}",
            revision="1",
            settings={**self.settings, **taken_from(old)},
            seed=old.origin.seed,
        )
        return StepLabel(target=self.target, value=value, source=old.source, origin=origin, note=old.note)
