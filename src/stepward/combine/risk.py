"""Thresholds that keep a promise: accept a trace where its score is at least tau, and bound the wrong ones accepted.

For a problem, accepting below means: its trace scores >= tau and is wrong, L(tau) in [0, 1], never rising in tau.

    conformal    tau = min{ t : n/(n+1) mean L(t) + 1/(n+1) <= alpha }       promises E[L(tau)] <= alpha: of all
                 problems, at most a share alpha gets a wrong answer (Angelopoulos et al., arXiv 2208.02814)
    clopper      from each of J thresholds downwards, while the exact binomial test of P(wrong | accepted) > alpha
                 passes at level delta / J; tau = the lowest that passed. Promises, with probability 1 - delta over
                 the calibration problems, that of accepted answers at most a share alpha is wrong (learn then test,
                 fixed sequences from several starts, arXiv 2110.01052)

The two promises differ: the first may be kept by answering rarely, the second is about the answers given. Both want
*exchangeable problems*, new ones drawn like these, and scores fitted on other problems. The traces of one problem are
not exchangeable with those of another, so problems are the units: conformal takes the mean of a problem's losses, which
is bounded and does not rise either; clopper needs one trace a problem, drawn at random where there are several.

Clopper's thresholds follow the calibration scores, never their labels; it is exact for thresholds fixed beforehand.

Degenerate cases: alpha < 1/(n+1) can promise nothing and accepts nothing (`tau` None). A scorer whose best scores are
wrong makes clopper accept nothing; conformal then still accepts a few wrong answers, as many as it was allowed.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from stepward.combine.log_linear import problem_codes
from stepward.errors import ConfigError
from stepward.metrics.checks import Flags, Floats, scored

Promise = Literal["conformal", "clopper"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A threshold and what it was promised on."""

    tau: float | None
    """Accept scores of at least this; None accepts nothing."""
    promise: Promise
    alpha: float
    problems: int
    accepted: float
    """Share of the calibration problems accepted; of their traces, where a problem has several."""
    risk: float
    """What the promise is about, on the calibration problems: mean loss, or the share wrong among the accepted."""

    def accepts(self, score: float) -> bool:
        """Whether a trace of this score passes."""
        return self.tau is not None and score >= self.tau


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskControl:
    """What is promised."""

    alpha: float
    """The share of wrong ones that is tolerated."""
    promise: Promise = "conformal"
    delta: float = 0.1
    """Chance that a clopper threshold breaks its promise."""
    grid: int = 100
    """Thresholds that clopper may try, at quantiles of the scores."""
    starts: int = 4
    """J: where its walks begin, evenly along them; a single one ends at once where a few of the best are wrong."""
    seed: int = 0
    """Which trace of a problem clopper draws."""

    def __post_init__(self) -> None:
        if not (0 < self.alpha < 1 and 0 < self.delta < 1):
            raise ConfigError("alpha and delta must lie between 0 and 1", got=(self.alpha, self.delta))
        if self.promise not in get_args(Promise) or not 1 <= self.starts <= self.grid:
            raise ConfigError("a promise is conformal or clopper, with 1 <= starts <= grid", got=self)

    def fit(self, scores_N: ArrayLike, correct_N: ArrayLike, problem_N: Sequence[Hashable]) -> Threshold:
        """The threshold for N traces of calibration problems. `ScoreError` for scores that are not finite."""
        scores, good = scored(scores_N, correct_N)
        problems = problem_codes(problem_N, len(scores)).astype(np.intp)
        if self.promise == "conformal":
            return self._conformal(scores, good, problems)
        kept = _one_per_problem(problems, self.seed)
        return self._clopper(scores[kept], good[kept])

    def _conformal(self, scores: Floats, good: Flags, problem: np.ndarray) -> Threshold:
        count = int(problem.max()) + 1
        share_N = (1.0 / np.bincount(problem))[problem] / count
        order = np.argsort(-scores, kind="stable")
        wrong_N = np.cumsum(np.where(good, 0.0, share_N)[order])
        last_N = np.r_[scores[order][1:] != scores[order][:-1], True]
        candidates = scores[order][last_N]
        bound_K = (count * wrong_N[last_N] + 1.0) / (count + 1.0)
        # L never rises in tau, so the bounds rise along falling thresholds: those that hold come first
        holds = np.flatnonzero(bound_K <= self.alpha + 1e-12)
        tau = float(candidates[holds[-1]]) if len(holds) else None
        taken = scores >= tau if tau is not None else np.zeros(len(scores), dtype=bool)
        return Threshold(
            tau=tau,
            promise="conformal",
            alpha=self.alpha,
            problems=count,
            accepted=float(share_N[taken].sum()),
            risk=float(share_N[taken & ~good].sum()),
        )

    def _clopper(self, scores: Floats, good: Flags) -> Threshold:
        from scipy.stats import binom

        levels_G = np.quantile(scores, np.linspace(1, 0, self.grid + 1)[1:], method="higher")
        taken_G = np.array([int((scores >= level).sum()) for level in levels_G])
        wrong_G = np.array([int((~good[scores >= level]).sum()) for level in levels_G])
        passes_G = binom.cdf(wrong_G, taken_G, self.alpha) <= self.delta / self.starts
        reached = [last for start in range(self.starts) if (last := _walk(passes_G, start * self.grid // self.starts))]
        last = max(reached, default=0)
        return Threshold(
            tau=float(levels_G[last - 1]) if last else None,
            promise="clopper",
            alpha=self.alpha,
            problems=len(scores),
            accepted=float(taken_G[last - 1] / len(scores)) if last else 0.0,
            risk=float(wrong_G[last - 1] / taken_G[last - 1]) if last else 0.0,
        )


def _walk(passes_G: Flags, start: int) -> int:
    """How many thresholds from the top lie above the end of an unbroken walk from `start`; 0 where it fails at once."""
    stops = np.flatnonzero(~passes_G[start:])
    end = start + int(stops[0]) if len(stops) else len(passes_G)
    return end if end > start else 0


def _one_per_problem(problem_N: np.ndarray, seed: int) -> np.ndarray:
    """Indexes of one trace a problem, drawn at random, in order of problem."""
    shuffled = np.random.default_rng(seed).permutation(len(problem_N))
    _, first = np.unique(problem_N[shuffled], return_index=True)
    return np.asarray(shuffled[first])
