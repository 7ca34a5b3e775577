"""A scorer's calls at a threshold against the labels, as if it were one more labeler.

A step is called wrong where its score lies below the threshold, right elsewhere; scores that are no probabilities are
put through the logistic first, as for failures. Beside the counts stands what agreement of two people would be measured
by (`agreement`): rate, kappa, AC1 and alpha, over steps and over first errors. The labels come first, so rows by
location are of where *they* see the first error.

Degenerate cases: None where no labelled step is shared, and for rollout counts of multiple choice, which have no
hard view (`relabel.hard`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stepward.errors import LabelError
from stepward.evaluation.agreement import agreement
from stepward.evaluation.evaluated import Decisions
from stepward.evaluation.steps import Judged, shades
from stepward.metrics.confusion import Confusion
from stepward.types import LabeledTrace, Problem, StepLabel


def decide(
    judged: Sequence[Judged], problems: Mapping[str, Problem], *, threshold: float, seed: int
) -> Decisions | None:
    """Counts and agreement; None where the calls cannot be compared with the labels."""
    pairs = [(problems[each.problem_id], each.labeled, called(each, threshold)) for each in judged]
    try:
        found = agreement(pairs, seed=seed)
    except LabelError:
        return None
    calls = [
        (not said.good, not true.good)
        for _, labeled, own in pairs
        for true, said in zip(labeled.labels, own.labels, strict=True)
        if true is not None and said is not None
    ]
    confusion = Confusion.of([said for said, _ in calls], [true for _, true in calls])
    return Decisions(confusion=confusion, agreement=found)


def called(judged: Judged, threshold: float) -> LabeledTrace:
    """The scorer's calls as labels of the same trace."""
    calls = (
        StepLabel(target="prefix", value=float(shade >= threshold), source="scorer") for shade in shades(judged.scores)
    )
    return replace(judged.labeled, labels=tuple(calls))
