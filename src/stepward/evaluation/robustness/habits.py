"""Habits of a scorer that no single perturbation shows, read off the scores of unperturbed attempts.

Outcome drift: the share of solutions whose lowest score is at the last step, strictly. A scorer that judges steps
finds the first fault where it is; one that is an outcome model in disguise waits for the answer. `chance` is what a
scorer without any preference would have, the mean of 1 / steps. Published: about 0.18 for Qwen2.5-Math-PRM, 0.42 to
0.55 for scorers trained on rollouts or implicitly (arXiv 2501.07301). A low share in right solutions says little; all
attempts count.

Bias: Spearman's correlation of a trace's aggregate with a trait that is no merit, separately for right and wrong
attempts, so that it is not the correctness that speaks. `within` is the correlation, over the attempts at one problem
and correctness, of the deviations from their means: the problem's difficulty is taken out as well. Traits of length are
the numbers of steps and of characters; of style, the share of characters that are markup (LaTeX, markdown) and the
share of words that assure ("clearly", "correct"). A trait that does not vary has no correlation: NaN.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stepward.evaluation.label_quality import share_over_problems
from stepward.evaluation.robustness.contract import Attempt
from stepward.evaluation.robustness.figures import rank_correlation
from stepward.evaluation.robustness.measured import NOISE
from stepward.metrics.bootstrap import Interval
from stepward.metrics.checks import Floats
from stepward.reduce import reduce_scores
from stepward.types import StepScores, Trace

Scored = tuple[Attempt, StepScores]
Trait = Literal["steps", "characters", "markup", "assurance"]
ALL_TRAITS: tuple[Trait, ...] = ("steps", "characters", "markup", "assurance")
MARKUP = re.compile(r"[$\\{}^_*#`]")
ASSURANCE = re.compile(
    r"\b(?:clearly|obviously|indeed|certainly|of course|correct(?:ly)?|right|true|verif(?:y|ied)"
    r"|(?:double-)?check(?:ed)?|sure|valid|exactly|great|perfect)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeDrift:
    """How often the last step is the worst."""

    traces: int
    """Those of at least two steps."""
    last_is_lowest: Interval
    chance: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Bias:
    """How an aggregate goes with a trait where correctness is the same."""

    how: str
    right: bool
    trait: Trait
    traces: int
    correlation: Interval
    within: Interval


def outcome_drift(scored: Iterable[Scored], *, seed: int) -> OutcomeDrift:
    """The diagnostic over every attempt of at least two steps; NaN where there is none."""
    rows = [(attempt.problem.id, scores.values) for attempt, scores in scored if len(scores) > 1]
    lowest = ((problem, values[-1] < min(values[:-1]), 1) for problem, values in rows)
    return OutcomeDrift(
        traces=len(rows),
        last_is_lowest=share_over_problems(lowest, seed),
        chance=share_over_problems(((problem, 1 / len(values), 1) for problem, values in rows), seed),
    )


def biases(
    scored: Sequence[Scored], hows: Sequence[str], traits: Sequence[Trait] = ALL_TRAITS, *, seed: int
) -> tuple[Bias, ...]:
    """One row for each aggregate, correctness that occurs, and trait. Undecided attempts are left out."""
    found = []
    for right in (True, False):
        rows = [(attempt, scores) for attempt, scores in scored if attempt.sound is right and len(scores)]
        for how in hows if rows else ():
            for trait in traits:
                points = [(a.problem.id, reduce_scores(s, how), TRAITS[trait](a.trace)) for a, s in rows]
                found.append(
                    Bias(
                        how=how,
                        right=right,
                        trait=trait,
                        traces=len(points),
                        correlation=rank_correlation(points, seed=seed),
                        within=rank_correlation(_deviations(points), seed=seed),
                    )
                )
    return tuple(found)


def markup_share(trace: Trace) -> float:
    """Share of characters that LaTeX and markdown are written with; 0 for an empty text."""
    return len(MARKUP.findall(trace.text)) / max(1, len(trace.text))


def assurance_share(trace: Trace) -> float:
    """Share of words that claim what they do not show; 0 for an empty text."""
    return len(ASSURANCE.findall(trace.text)) / max(1, len(trace.text.split()))


TRAITS: Mapping[Trait, Callable[[Trace], float]] = {
    "steps": len,
    "characters": lambda trace: len(trace.text),
    "markup": markup_share,
    "assurance": assurance_share,
}


def _deviations(points: Iterable[tuple[str, float, float]]) -> list[tuple[str, float, float]]:
    """Each problem's points less their mean; a problem with one point says nothing."""
    groups: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for problem, one, other in points:
        groups[problem].append((one, other))
    return [
        (problem, float(one), float(other))
        for problem, group in groups.items()
        if len(group) > 1
        for one, other in _centred(np.asarray(group))
    ]


def _centred(group_N2: Floats) -> Floats:
    """Deviations from the mean; those that are rounding of equal numbers are 0."""
    away_N2 = group_N2 - group_N2.mean(axis=0)
    return np.where(np.abs(away_N2) <= NOISE * np.abs(group_N2).max(axis=0), 0.0, away_N2)
