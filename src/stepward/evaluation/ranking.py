"""One scorer's ranking of steps in three views, because published AUROCs are of any of them.

    pooled               over all labelled steps: easy problems against hard ones count as well
    per solution         inside each solution that holds both classes, then averaged: difficulty is taken out
    up to first error    pooled over the steps up to and with each solution's first error, where the hard call is made

Beside AUROC stands the average precision of wrong steps; its chance level is the share of errors, another in each view.
Intervals are over problems. Degenerate case: a view without both classes is None, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stepward.errors import LabelError
from stepward.evaluation.label_quality import share_over_problems
from stepward.evaluation.steps import Judged, flatten
from stepward.metrics.bootstrap import ClusteredSteps, Interval, bootstrap_auroc
from stepward.metrics.ranking import auroc, average_precision
from stepward.metrics.step_intervals import bootstrap_average_precision


@dataclass(frozen=True, slots=True, kw_only=True)
class RankView:
    """Ranking figures of one view."""

    name: str
    steps: int
    solutions: int
    """Those that add to the figures."""
    wrong_share: float | None
    """None where the view holds no step."""
    auroc: Interval | None
    average_precision: Interval | None
    reason: str = ""
    """Why the figures are None."""


def rank_views(judged: Sequence[Judged], *, seed: int) -> tuple[RankView, ...]:
    """Pooled, per solution, up to first error. `LabelError` where no step is labelled."""
    solutions = [(j.problem_id, flatten([j])) for j in judged]
    labelled = [(problem, steps) for problem, steps in solutions if steps.problem_S]
    if not labelled:
        raise LabelError("no labelled step to judge", mend="label the traces, or check which labels were read")
    return (
        _pooled("pooled", flatten(judged), len(labelled), seed),
        _per_solution(labelled, seed),
        _pooled("up to first error", flatten(judged, to_first_error=True), len(labelled), seed),
    )


def _pooled(name: str, steps: ClusteredSteps, solutions: int, seed: int) -> RankView:
    both = _both(steps)
    return RankView(
        name=name,
        steps=len(steps.problem_S),
        solutions=solutions,
        wrong_share=float(1 - np.mean(np.asarray(steps.good_S))),
        auroc=bootstrap_auroc(steps, seed=seed) if both else None,
        average_precision=bootstrap_average_precision(steps, seed=seed) if both else None,
        reason="" if both else "steps of one class",
    )


def _per_solution(labelled: Sequence[tuple[str, ClusteredSteps]], seed: int) -> RankView:
    """Means over the solutions with both classes; those without are what `solutions` lacks."""
    ranked = [(problem, steps) for problem, steps in labelled if _both(steps)]
    good = [bool(g) for _, steps in ranked for g in np.asarray(steps.good_S)]
    return RankView(
        name="per solution",
        steps=len(good),
        solutions=len(ranked),
        wrong_share=1 - sum(good) / len(good) if good else None,
        auroc=_mean(auroc, ranked, seed),
        average_precision=_mean(average_precision, ranked, seed),
        reason="" if ranked else "no solution holds right and wrong steps",
    )


def _mean(
    metric: Callable[[ArrayLike, ArrayLike], float], ranked: Sequence[tuple[str, ClusteredSteps]], seed: int
) -> Interval | None:
    if not ranked:
        return None
    return share_over_problems(((p, metric(steps.scores_S, steps.good_S), 1) for p, steps in ranked), seed)


def _both(steps: ClusteredSteps) -> bool:
    return len(np.unique(np.asarray(steps.good_S))) == 2
