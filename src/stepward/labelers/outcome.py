"""Outcome labels: what the verdict on a whole trace says, and no more.

The trace gets its verdict, which is all that an outcome reward model (ORM) trains on. With `spread`
every step also gets it as a value label with one trial, the crude control for any process label: a
right step of a wrong trace is labelled wrong. An undecided verdict labels nothing.

The spread labels are FreePRM's pseudo labels; what that method adds, a third class that takes up their noise, is a
matter of training.

Source: Cobbe et al., arXiv 2110.14168; Lightman et al., arXiv 2305.20050; FreePRM, arXiv 2506.03570.
"""

from __future__ import annotations

from dataclasses import dataclass

from stepward.protocols import Resources
from stepward.types import LabeledTrace, Origin, Problem, Spend, StepLabel, Trace, Verdict


@dataclass(frozen=True, kw_only=True)
class OutcomeLabeler:
    """Puts the verdict on the trace, and with `spread` on each of its steps. Needs a verifier."""

    spread: bool = False

    async def label(self, problem: Problem, trace: Trace, resources: Resources) -> LabeledTrace:
        """`trace` with its verdict; step labels are None unless spread."""
        verdict = await resources.need_verifier().verify(problem, trace.text)
        label = outcome_label(verdict) if self.spread else None
        spend = Spend(verifier_calls=1)
        return LabeledTrace(trace=trace, labels=(label,) * len(trace), verdict=verdict, spend=spend)


def outcome_label(verdict: Verdict) -> StepLabel | None:
    """A value label with one trial; None where the verdict is undecided."""
    if verdict.correct is None:
        return None
    won = int(verdict.correct)
    origin = Origin(maker="labeler:outcome", revision="1")
    return StepLabel(target="value", value=float(won), source="outcome", successes=won, trials=1, origin=origin)
