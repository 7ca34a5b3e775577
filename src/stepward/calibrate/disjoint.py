"""What is fitted on scores must be fitted on problems that the scorer never learned from.

A problem is known by the hash of its text, `problem_key`, wherever its id came from. Scores on a model's own training
problems are better than its scores anywhere else, and a map fitted on them says so to everybody. For the same reason
what a fit is worth is told by `cross_fitted`: every score through a map that saw nothing of its problem.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stepward.calibrate.domains import calibrator_for
from stepward.calibrate.maps import Calibrator
from stepward.errors import ConfigError, LabelError
from stepward.metrics.checks import Flags, Floats, scored
from stepward.types import Problem, content_key


def problem_key(problem: Problem) -> str:
    """Hash of the problem's text: what training records of the problems it saw."""
    return content_key(problem.text)


def refuse_shared_problems(problems: Iterable[Problem], trained: Iterable[str], *, what: str = "the model") -> None:
    """Raise `ConfigError` where one of `problems` has a key among `trained`, the problems that taught `what`."""
    known = frozenset(trained)
    shared = sorted({problem.id for problem in problems if problem_key(problem) in known})
    if shared:
        raise ConfigError(
            f"{len(shared)} problems also taught {what}",
            got=shared[:3],
            mend="fit and judge on problems of their own",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledScores:
    """K scores with what is true of them, and whose problem and domain each one is of."""

    scores_K: Floats
    good_K: Flags
    problem_K: tuple[Hashable, ...]
    domain_K: tuple[str, ...]

    @classmethod
    def of(
        cls, scores_K: ArrayLike, good_K: ArrayLike, problem_K: Sequence[Hashable], domain_K: Sequence[str] = ()
    ) -> LabelledScores:
        """The rows, checked: finite scores, 0/1 labels, one problem each; no domains are the empty domain."""
        scores, good = scored(scores_K, good_K)
        domains = tuple(domain_K) or ("",) * len(scores)
        if len(problem_K) != len(scores) or len(domains) != len(scores):
            raise LabelError(f"{len(scores)} scores need as many problems and domains", got=len(problem_K))
        return cls(scores_K=scores, good_K=good, problem_K=tuple(problem_K), domain_K=domains)

    def where(self, chosen_K: Flags) -> LabelledScores:
        """The rows that a mask names."""
        kept = np.flatnonzero(chosen_K).tolist()
        return LabelledScores(
            scores_K=self.scores_K[chosen_K],
            good_K=self.good_K[chosen_K],
            problem_K=tuple(self.problem_K[index] for index in kept),
            domain_K=tuple(self.domain_K[index] for index in kept),
        )

    def through(self, calibrator: Calibrator) -> Floats:
        """The scores, calibrated each for its domain."""
        out_K = np.zeros(len(self.scores_K))
        for domain in sorted(set(self.domain_K)):
            own = np.array([each == domain for each in self.domain_K])
            out_K[own] = calibrator_for(calibrator, domain).transform(self.scores_K[own])
        return out_K


def cross_fitted(
    fit: Callable[[LabelledScores], Calibrator], rows: LabelledScores, *, folds: int = 5, seed: int = 0
) -> Floats:
    """Every score calibrated by a map that saw nothing of its problem. `LabelError` where a fold leaves one class."""
    fold_K = np.array(problem_folds(rows.problem_K, folds=folds, seed=seed))
    out_K = np.zeros(len(fold_K))
    for fold in range(folds):
        own = fold_K == fold
        out_K[own] = rows.where(own).through(fit(rows.where(~own)))
    return out_K


def problem_folds(problem_K: Sequence[Hashable], *, folds: int, seed: int) -> list[int]:
    """A fold in 0..folds-1 for each item; the items of one problem share theirs. Problems are dealt out evenly."""
    known = list(dict.fromkeys(problem_K))
    if not 2 <= folds <= len(known):
        raise LabelError("cross-fitting needs two folds or more, and a problem for each", got=(folds, len(known)))
    order = np.random.default_rng(seed).permutation(len(known)).tolist()
    fold_of = {known[index]: place % folds for place, index in enumerate(order)}
    return [fold_of[problem] for problem in problem_K]
