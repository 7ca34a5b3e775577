"""How noisy labels are, by class: T[i, j] = Pr[label j | truth i], i and j good (1) or bad (0).

    false_bad  = T[1, 0], a good step that is labelled bad         (k + 1/2) / (n + 1)
    false_good = T[0, 1], a bad step that is labelled good

Three ways to know it:

    noise_matrix      on a slice that people or a checker labelled too: counts, half an error added to each class
    rollout_noise     from what rollouts are: with a prior Beta(a, b) of the success rate of right prefixes, any-of-K
calls
                      one bad with chance E[(1 - p)^K] = B(a, b + K) / B(a, b); a prefix without a way out is called
good
                      by guessing among m options with chance 1 - (1 - 1/m)^K, and by recovering with what is not known
    confident_joint   without truth, from probabilities of a model that did not see the labels: a step counts as truly j
                      where its probability of j is at least the mean over steps labelled j (confident learning). The
                      rates are those of the counted steps; the share of good steps follows from all labels and T

Use: `NoiseMatrix.objective()` is the training objective `noisy` with these rates (forward correction, Patrini et al.,
arXiv 1609.03683); `relabel.posterior.PosteriorTruth` turns single labels into probabilities.

Intervals are over problems, and never narrower than Wilson's, which a few problems that all agree would be. Degenerate
cases: a class that does not occur in the truth is refused; rates that sum to 1 or more say that labels mean nothing,
and `objective` refuses them. Paper of the joint: Northcutt et al., arXiv 1911.00068.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stepward.errors import ConfigError, LabelError
from stepward.metrics.binomial import CountPosterior, any_of
from stepward.metrics.bootstrap import Interval, bootstrap_share, wilson
from stepward.metrics.checks import both_classes, probabilities
from stepward.relabel.hard import hard_calls
from stepward.types import Json, LabeledTrace, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseMatrix:
    """Both error rates of labels, and the share of good steps."""

    false_bad: Interval
    """Share of good steps that are labelled bad."""
    false_good: Interval
    """Share of bad steps that are labelled good."""
    good_share: float
    """Before labels are seen; NaN where it is not known."""
    steps: int = 0
    problems: int = 0
    unlabelled: int = 0
    """Steps that one side leaves open."""

    @property
    def matrix(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """T, bad first."""
        fb, fg = self.false_bad.value, self.false_good.value
        return (1 - fg, fg), (fb, 1 - fb)

    def objective(self) -> dict[str, Json]:
        """Settings of the objective `noisy`. `LabelError` where the labels say nothing, or the opposite."""
        rates = self.false_bad.value, self.false_good.value
        if not sum(rates) < 1:
            raise LabelError("labels as noisy as this say nothing, or the opposite", got=rates)
        return {"use": "noisy", "false_bad": rates[0], "false_good": rates[1]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a label says of one step, and what is true of it."""

    said: bool
    true: bool


def noise_matrix(rows: Sequence[tuple[Problem, LabeledTrace, LabeledTrace]], *, seed: int) -> NoiseMatrix:
    """From problem, labels and truth of each trace, both in their hard view. `LabelError` on different traces."""
    found: dict[str, list[Call]] = defaultdict(list)
    steps = 0
    for problem, said, true in rows:
        if said.trace.id != true.trace.id:
            raise LabelError("labels and truth must be of the same traces", got=(said.trace.id, true.trace.id))
        steps += len(said.labels)
        both = zip(hard_calls(problem, said), hard_calls(problem, true), strict=True)
        found[problem.id] += [Call(said=a, true=b) for a, b in both if a is not None and b is not None]
    calls = [call for own in found.values() for call in own]
    return NoiseMatrix(
        false_bad=_rate(found, truth=True, seed=seed),
        false_good=_rate(found, truth=False, seed=seed),
        good_share=sum(call.true for call in calls) / len(calls),
        steps=len(calls),
        problems=sum(bool(own) for own in found.values()),
        unlabelled=steps - len(calls),
    )


def rollout_noise(
    alive: CountPosterior, trials: int, *, options: int | None = None, recovers: float = 0.0
) -> NoiseMatrix:
    """Of any-of-`trials` labels, from how often right prefixes succeed: `metrics.binomial.fit_prior` fits `alive`.

    `recovers` is the success rate of a wrong prefix (a completer mends errors); guessing among `options` is its least.
    """
    if trials < 1 or (options is not None and options < 2):
        raise ConfigError("trials must be at least 1, options at least 2", got=(trials, options))
    missed = math.exp(alive.log_marginal(0, trials))
    found = any_of(max(recovers, 1.0 / options if options else 0.0), trials)
    exact = [Interval(value=value, low=value, high=value) for value in (missed, found)]
    return NoiseMatrix(false_bad=exact[0], false_good=exact[1], good_share=math.nan)


def confident_joint(
    probs_S: ArrayLike, labelled_good_S: ArrayLike, problem_S: Sequence[str], *, seed: int
) -> NoiseMatrix:
    """From probabilities of being good, hard labels and problems of S steps. `LabelError` on one class."""
    probs, good = both_classes(probabilities(probs_S, labelled_good_S), "a confident joint")
    if len(problem_S) != len(probs):
        raise LabelError(f"{len(probs)} steps need as many problems", got=len(problem_S))
    looks_good = probs >= probs[good].mean()
    looks_bad = (1 - probs) >= (1 - probs[~good]).mean()
    truth = np.where(looks_good & looks_bad, probs >= 0.5, looks_good)
    found: dict[str, list[Call]] = defaultdict(list)
    for at in np.flatnonzero(looks_good | looks_bad).tolist():
        found[problem_S[at]].append(Call(said=bool(good[at]), true=bool(truth[at])))
    steps = sum(map(len, found.values()))
    missed, passed = _rate(found, truth=True, seed=seed), _rate(found, truth=False, seed=seed)
    share = (float(good.mean()) - passed.value) / max(1e-9, 1 - missed.value - passed.value)
    return NoiseMatrix(
        false_bad=missed,
        false_good=passed,
        good_share=min(1.0, max(0.0, share)),
        steps=steps,
        problems=len(found),
        unlabelled=len(probs) - steps,
    )


def _rate(found: Mapping[str, Sequence[Call]], *, truth: bool, seed: int) -> Interval:
    """Share of steps of one true class whose label says the other."""
    own = [[call.said for call in calls if call.true is truth] for calls in found.values()]
    wrong, sizes = [sum(said is not truth for said in row) for row in own], [len(row) for row in own]
    k, n = sum(wrong), sum(sizes)
    if n == 0:
        raise LabelError(
            "noise rates need good and bad steps in the truth", got=f"no {'good' if truth else 'bad'} step"
        )
    drawn, least = bootstrap_share(wrong, sizes, seed=seed), wilson(k, n)
    return Interval(value=(k + 0.5) / (n + 1), low=min(drawn.low, least.low), high=max(drawn.high, least.high))
