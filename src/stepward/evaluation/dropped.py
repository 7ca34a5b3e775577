"""What a chain of relabelers did to the labels, step by step: a filter is only as good as what it leaves out.

A filter meant to remove noise may remove the rare class instead, the hard problems, the long traces, or late steps. So
each relabeler's account says how many labels and traces stood before and behind it, how many of the dropped were good
and bad, and of each position, length and difficulty which share it dropped. Difficulty is the share of the problem's
traces whose verdict is right.

A label is dropped where it becomes None, added where one appears, changed where value or target differ. Degenerate
case: a problem without a decided verdict is of unknown difficulty.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from stepward.errors import LabelError
from stepward.types import LabeledTrace, StepLabel

POSITIONS = ((0, 0), (1, 1), (2, 3), (4, 7), (8, 15), (16, math.inf))
LENGTHS = ((1, 2), (3, 4), (5, 8), (9, 16), (17, math.inf))
DIFFICULTIES = ("never right", "up to 1/4", "up to 1/2", "up to 3/4", "over 3/4", "always right", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Labels of one kind before a relabeler, and how many of them it dropped."""

    name: str
    before: int
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RelabelAccount:
    """What one relabeler did."""

    name: str
    labels_before: int
    labels_after: int
    traces_before: int
    """Traces with a label."""
    traces_after: int
    good: Share
    bad: Share
    added: int
    changed: int
    flipped: int
    """Among the changed: labels whose hard view is another one."""
    by_position: tuple[Share, ...]
    by_length: tuple[Share, ...]
    by_difficulty: tuple[Share, ...]


@dataclass(eq=False, kw_only=True)
class RelabelCounter:
    """Counts what one relabeler does, problem by problem."""

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    before: Counter[tuple[str, str]] = field(default_factory=Counter)
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, before: Sequence[LabeledTrace], after: Sequence[LabeledTrace]) -> None:
        """Count the traces of one problem. `LabelError` where they are not the same traces in the same order."""
        if [each.trace.id for each in before] != [each.trace.id for each in after]:
            raise LabelError(f"relabeler {self.name} must give the same traces in the same order", got=len(after))
        difficulty = difficulty_of(before)
        for old, new in zip(before, after, strict=True):
            self.counts["traces before"] += old.target is not None
            self.counts["traces after"] += new.target is not None
            for step, (one, two) in enumerate(zip(old.labels, new.labels, strict=True)):
                kinds = [("position", span(step, POSITIONS)), ("length", span(len(old.trace), LENGTHS))]
                self._step(one, two, [*kinds, ("difficulty", difficulty)])

    def _step(self, one: StepLabel | None, two: StepLabel | None, kinds: Sequence[tuple[str, str]]) -> None:
        if one is None:
            self.counts["added"] += two is not None
            return
        kinds = [*kinds, ("sign", "good" if one.good else "bad")]
        self.before.update(kinds)
        if two is None:
            self.dropped.update(kinds)
        elif (one.value, one.target) != (two.value, two.target):
            self.counts["changed"] += 1
            self.counts["flipped"] += one.good != two.good

    def account(self) -> RelabelAccount:
        """Everything counted so far."""
        good, bad = (self._share("sign", name) for name in ("good", "bad"))
        before, gone = good.before + bad.before, good.dropped + bad.dropped
        return RelabelAccount(
            name=self.name,
            labels_before=before,
            labels_after=before - gone + self.counts["added"],
            traces_before=self.counts["traces before"],
            traces_after=self.counts["traces after"],
            good=good,
            bad=bad,
            added=self.counts["added"],
            changed=self.counts["changed"],
            flipped=self.counts["flipped"],
            by_position=self._shares("position", [span(low, POSITIONS) for low, _ in POSITIONS]),
            by_length=self._shares("length", [span(low, LENGTHS) for low, _ in LENGTHS]),
            by_difficulty=self._shares("difficulty", DIFFICULTIES),
        )

    def _shares(self, kind: str, names: Sequence[str]) -> tuple[Share, ...]:
        return tuple(share for share in (self._share(kind, name) for name in names) if share.before)

    def _share(self, kind: str, name: str) -> Share:
        return Share(name=name, before=self.before[kind, name], dropped=self.dropped[kind, name])


def difficulty_of(labeled: Sequence[LabeledTrace]) -> str:
    """How often the traces of one problem are right, as one of `DIFFICULTIES`."""
    verdicts = [each.verdict.correct for each in labeled if each.verdict is not None]
    decided = [verdict for verdict in verdicts if verdict is not None]
    if not decided:
        return DIFFICULTIES[-1]
    share = sum(decided) / len(decided)
    return DIFFICULTIES[0 if share == 0 else 5 if share == 1 else min(4, math.ceil(share * 4))]


def span(value: int, spans: Sequence[tuple[float, float]]) -> str:
    """The name of the range that holds `value`, such as "4-7" or "16+"."""
    low, high = next((low, high) for low, high in spans if low <= value <= high)
    return f"{low:g}" if low == high else f"{low:g}-{high:g}" if math.isfinite(high) else f"{low:g}+"
