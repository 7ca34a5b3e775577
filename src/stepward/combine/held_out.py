"""What a fitted combination is worth: every trace's number by a fit that saw nothing of its problem."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from stepward.calibrate.disjoint import problem_folds
from stepward.combine.signals import Combination, Signals
from stepward.metrics.checks import Floats


def held_out(
    fit: Callable[[Sequence[Signals], ArrayLike], Combination],
    traces_N: Sequence[Signals],
    correct_N: ArrayLike,
    problem_N: Sequence[Hashable],
    *,
    folds: int = 5,
    seed: int = 0,
) -> Floats:
    """Every trace's number by a combination that saw nothing of its problem, [N]; one call of `combine` a fold."""
    good = np.asarray(correct_N, dtype=bool)
    fold_N = np.array(problem_folds(problem_N, folds=folds, seed=seed))
    out_N = np.zeros(len(good))
    for fold in range(folds):
        own = np.flatnonzero(fold_N == fold).tolist()
        rest = np.flatnonzero(fold_N != fold).tolist()
        fitted = fit([traces_N[index] for index in rest], good[rest])
        out_N[own] = fitted.combine([traces_N[index] for index in own])
    return out_N
