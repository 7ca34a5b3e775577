"""How well scores put good steps above bad ones.

AUROC is the chance that a good step scores above a bad one, ties counting half (Mann-Whitney):
    AUROC = (R_good - n_good (n_good + 1) / 2) / (n_good n_bad),   R_good = sum of the mid-ranks of good steps.
AUPRC is average precision with the *error* as the positive class, because errors are rare and are what one looks for;
its chance level is the share of errors. Steps are flagged from the lowest score up, tied ones together:
    AP = sum_t (recall_t - recall_{t-1}) precision_t.

Three views: pooled over all steps; per solution and then averaged, which removes the difficulty of the problem; and
cut after the first error, since what a step is worth after an error is a matter of protocol.

Degenerate case: with one class nothing is ranked, and `LabelError` says how many of each there were. A solution with
one class has neither number of its own; `per_solution_*` counts such solutions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stepward.errors import LabelError
from stepward.metrics.checks import Flags, Floats, Scored, both_classes, same_count, scored


def auroc(scores_S: ArrayLike, good_S: ArrayLike) -> float:
    """Chance that a good step scores above a bad one, ties half. `LabelError` on one class."""
    scores, good = both_classes(scored(scores_S, good_S), "AUROC")
    n_good = int(good.sum())
    wins = _mid_ranks(scores)[good].sum() - n_good * (n_good + 1) / 2
    return float(wins / (n_good * (len(good) - n_good)))


def average_precision(scores_S: ArrayLike, good_S: ArrayLike) -> float:
    """Area under precision-recall with the error (`good` = 0) as the positive class. `LabelError` on one class."""
    scores, good = both_classes(scored(scores_S, good_S), "average precision")
    _, tie_S = np.unique(scores, return_inverse=True)
    flagged_K = np.cumsum(np.bincount(tie_S))
    errors_K = np.bincount(tie_S, weights=~good)
    precision_K = np.cumsum(errors_K) / flagged_K
    return float((errors_K * precision_K).sum() / errors_K.sum())


def pool(scores_NS: Sequence[ArrayLike], good_NS: Sequence[ArrayLike]) -> Scored:
    """The steps of N solutions in one row. Raises `LabelError` where a solution's counts differ."""
    same_count(scores_NS, good_NS, "solutions with scores and with labels")
    pairs = [scored(s, g) for s, g in zip(scores_NS, good_NS, strict=True) if np.size(s) or np.size(g)]
    if not pairs:
        raise LabelError("there is no step to rank")
    return Scored(np.concatenate([p.scores_S for p in pairs]), np.concatenate([p.good_S for p in pairs]))


@dataclass(frozen=True, slots=True, kw_only=True)
class PerSolution:
    """A mean over the solutions on which a metric is defined."""

    value: float
    defined: int
    """Solutions with both classes, which the mean is over."""
    undefined: int
    """Solutions with one class or no step."""


def per_solution_auroc(scores_NS: Sequence[ArrayLike], good_NS: Sequence[ArrayLike]) -> PerSolution:
    """AUROC inside each solution, averaged. `LabelError` where no solution holds both classes."""
    return _per_solution("AUROC", auroc, scores_NS, good_NS)


def per_solution_average_precision(scores_NS: Sequence[ArrayLike], good_NS: Sequence[ArrayLike]) -> PerSolution:
    """Average precision of errors inside each solution, averaged likewise. Its chance level differs by solution."""
    return _per_solution("average precision", average_precision, scores_NS, good_NS)


def up_to_first_error(scores_NS: Sequence[ArrayLike], good_NS: Sequence[ArrayLike]) -> list[Scored]:
    """Each solution cut after its first bad step; whole where it has none. Solutions without steps are left out."""
    same_count(scores_NS, good_NS, "solutions with scores and with labels")
    pairs = [scored(s, g) for s, g in zip(scores_NS, good_NS, strict=True) if np.size(s) or np.size(g)]
    return [Scored(s[: _kept(g)], g[: _kept(g)]) for s, g in pairs]


def pooled_auroc(scores_NS: Sequence[ArrayLike], good_NS: Sequence[ArrayLike]) -> float:
    """`auroc` over the steps of all solutions."""
    return auroc(*pool(scores_NS, good_NS))


def truncated_auroc(scores_NS: Sequence[ArrayLike], good_NS: Sequence[ArrayLike]) -> float:
    """`auroc` over the steps up to and with each solution's first error."""
    cut = up_to_first_error(scores_NS, good_NS)
    return pooled_auroc([pair.scores_S for pair in cut], [pair.good_S for pair in cut])


def pooled_average_precision(scores_NS: Sequence[ArrayLike], good_NS: Sequence[ArrayLike]) -> float:
    """`average_precision` over the steps of all solutions."""
    return average_precision(*pool(scores_NS, good_NS))


def truncated_average_precision(scores_NS: Sequence[ArrayLike], good_NS: Sequence[ArrayLike]) -> float:
    """`average_precision` over the steps up to and with each solution's first error."""
    cut = up_to_first_error(scores_NS, good_NS)
    return pooled_average_precision([pair.scores_S for pair in cut], [pair.good_S for pair in cut])


def _per_solution(
    name: str,
    metric: Callable[[ArrayLike, ArrayLike], float],
    scores_NS: Sequence[ArrayLike],
    good_NS: Sequence[ArrayLike],
) -> PerSolution:
    same_count(scores_NS, good_NS, "solutions with scores and with labels")
    rows = [(s, np.asarray(g)) for s, g in zip(scores_NS, good_NS, strict=True)]
    values = [metric(s, g) for s, g in rows if len(g) and len(set(g.tolist())) > 1]
    if not values:
        raise LabelError(
            f"{name} per solution is undefined: none holds good and bad steps", got=f"{len(rows)} solutions"
        )
    return PerSolution(value=float(np.mean(values)), defined=len(values), undefined=len(rows) - len(values))


def _kept(good_S: Flags) -> int:
    return len(good_S) if good_S.all() else int(good_S.argmin()) + 1


def _mid_ranks(scores_S: Floats) -> Floats:
    _, tie_S, count_K = np.unique(scores_S, return_inverse=True, return_counts=True)
    middle_K = np.cumsum(count_K) - (count_K - 1) / 2
    return np.asarray(middle_K[tie_S], dtype=np.float64)
