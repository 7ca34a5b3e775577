"""What becomes of the labels behind the first wrong step.

    drop    they are left out, for ordinary chains of thought: models trained on them learn what nobody defined
    zero    they are 0, for a model that must say "something was wrong before" at every later step
    keep    they stay

For long thinking that goes back on itself most of a trace stands behind some error; see `propagation.py` for that.

`zero` says "no error up to here", the target prefix: validity labels become prefix labels, by name. A value 0 says that
no completion can end right, which holds for rollouts that assume it (GenPRM's relative labels); its counts go, they
were counted. Progress labels have no such zero and are refused.

Degenerate case: the first *labelled* bad step counts; whether an unlabelled step before it was wrong is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stepward.errors import ConfigError, LabelError
from stepward.relabel.hard import hard_calls
from stepward.types import LabeledTrace, Origin, Problem, StepLabel, Target

ORIGIN = Origin(maker="relabeler:after_error", revision="1", settings={"how": "zero"})


@dataclass(frozen=True, kw_only=True)
class AfterError:
    """Drops, zeroes or keeps the labels behind the first bad one."""

    how: Literal["drop", "zero", "keep"] = "drop"

    def __post_init__(self) -> None:
        if self.how not in ("drop", "zero", "keep"):
            raise ConfigError('how must be "drop", "zero" or "keep"', got=self.how)

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """The same traces. `LabelError` for progress labels under zero, and for any-of-K on multiple choice."""
        return list(labeled) if self.how == "keep" else [self._one(problem, each) for each in labeled]

    def _one(self, problem: Problem, labeled: LabeledTrace) -> LabeledTrace:
        target: Target | None = labeled.target
        if target is None:
            return labeled
        calls = hard_calls(problem, labeled)
        end = calls.index(False) + 1 if False in calls else len(calls)
        rest = len(calls) - end
        if self.how == "drop":
            return replace(labeled, labels=(*labeled.labels[:end], *(None,) * rest))
        if target == "progress":
            raise LabelError("progress labels have no zero that means wrong", mend='take after_error how: "drop"')
        meant: Target = "prefix" if target == "validity" else target
        zero = StepLabel(target=meant, value=0.0, source="converted", origin=ORIGIN, note="behind the first error")
        start = tuple(label and replace(label, target=meant) for label in labeled.labels[:end])
        return replace(labeled, labels=(*start, *(zero,) * rest))
