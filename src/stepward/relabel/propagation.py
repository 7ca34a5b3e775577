"""Labels behind the first error for traces that may leave it: an error spreads to what builds on it, and ends there.

    propagation   a step that builds, over any number of steps, on a wrong one is bad
    cessation     a step that builds on no wrong one is good again, although an error stands before it

Which steps a step builds on stands in `meta` of the labelled trace (a judge may state it) or of the trace (PARC's
reader keeps it), under `premises`: a list of earlier indexes for each step, the question being -1. What is given is
validity, what each step asserts in itself. What comes out has the target prefix, read along premises instead of along
the text: no error in what leads to this step. Its first error is the trace's first error.

Degenerate cases: a trace without premises has nothing to spread along and is refused, or with `missing="drop"` left
without labels. A step that rests on an unlabelled one is unlabelled, unless it is bad anyway.
Papers: Beyond the First Error, arXiv 2505.14391; Premise-Augmented Reasoning Chains, arXiv 2502.02362.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stepward.errors import ConfigError, LabelError
from stepward.relabel.hard import hard_calls
from stepward.types import LabeledTrace, Origin, Problem, StepLabel


@dataclass(frozen=True, kw_only=True)
class Propagation:
    """Spreads errors along stated premises."""

    premises: str = "premises"
    """Key of the labelled trace's `meta`, or of the trace's."""
    missing: Literal["refuse", "drop"] = "refuse"

    def __post_init__(self) -> None:
        if self.missing not in ("refuse", "drop") or not self.premises:
            raise ConfigError('missing must be "refuse" or "drop", premises a key', got=(self.missing, self.premises))

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """The same traces. `LabelError` unless labels mean validity, and for premises that do not fit the trace."""
        return [self._one(problem, each) for each in labeled]

    def _one(self, problem: Problem, labeled: LabeledTrace) -> LabeledTrace:
        if labeled.target is None:
            return labeled
        if labeled.target != "validity":
            raise LabelError("errors spread from steps that are wrong in themselves", got=labeled.target)
        premises = self._premises(labeled)
        if premises is None:
            return replace(labeled, labels=(None,) * len(labeled.labels))
        spread: list[bool | None] = []
        for own, builds_on in zip(hard_calls(problem, labeled), premises, strict=True):
            spread.append(_both(own, [spread[step] for step in builds_on if step >= 0]))
        origin = Origin(maker="relabeler:propagation", revision="1", settings={"premises": self.premises})
        return replace(
            labeled,
            labels=tuple(
                None
                if call is None
                else StepLabel(
                    target="prefix",
                    value=float(call),
                    source="converted",
                    origin=origin,
                    note="" if call or (label and not label.good) else "builds on an error",
                )
                for call, label in zip(spread, labeled.labels, strict=True)
            ),
        )

    def _premises(self, labeled: LabeledTrace) -> list[list[int]] | None:
        """The earlier steps that each step builds on; None where the trace does not say."""
        trace = labeled.trace
        found = labeled.meta.get(self.premises, trace.meta.get(self.premises))
        if found is None and self.missing == "drop":
            return None
        rows = [_row(each) for each in found] if isinstance(found, list | tuple) else []
        fits = len(rows) == len(trace) and all(
            row is not None and all(-1 <= p < at for p in row) for at, row in enumerate(rows)
        )
        if not fits:
            raise LabelError(
                f"trace {trace.id} needs a list of earlier steps for each of its {len(trace)} steps",
                got=found,
                mend=f"put it into meta[{self.premises!r}], or leave such traces out: missing: drop",
            )
        return [row for row in rows if row is not None]


def _row(value: object) -> list[int] | None:
    if not isinstance(value, list | tuple) or not all(isinstance(item, int) for item in value):
        return None
    return list(value)


def _both(own: bool | None, before: Sequence[bool | None]) -> bool | None:
    """False where any is, else None where any is, else True."""
    calls = [own, *before]
    return False if False in calls else None if None in calls else True
