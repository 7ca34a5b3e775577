"""Which of two steps that follow one prefix is the better one: pairs of siblings for preference training.

Only siblings are paired: steps after different prefixes differ in more than themselves. A step that several traces
share counts once, with the mean of its values and the sum of its counts. Of two siblings a pair is made if all of this
holds:

    clear     their values differ by more than `margin`; a tie is never a pair
    sure      where both have rollout counts, Pr[theta_1 > theta_2 | counts] >= `sure` under Jeffreys' priors
    alike     the longer has at most `length_ratio` times the characters of the shorter: else length is what is learned
    right     with `right_prefix`, no step before them is labelled bad (Step-DPO: the pair at the first error)

`take` says which pairs of a place stay: "extremes", the one of the largest margin; "two", the two best against the two
worst (rStar-Math); "all". Of one problem the `most` pairs of the largest margin stay, so that no problem outweighs the
rest. Everything else is counted, by reason.

Degenerate cases: labels without counts are judged by their values alone, and said to be; traces without siblings make
no pair. Papers: Step-DPO, arXiv 2406.18629; rStar-Math, arXiv 2501.04519.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from typing import Literal

import numpy as np

from stepward.errors import ConfigError, LabelError
from stepward.metrics.binomial import JEFFREYS
from stepward.types import LabeledTrace, Problem, StepLabel

GRID = 1024
"""Quantiles of one posterior at which the other is asked; the error of `surely_better` is below 1e-3."""


@dataclass(slots=True, kw_only=True)
class Sibling:
    """One step after a place, and every label that it got."""

    text: str
    """As it stands where it was first seen."""
    labels: list[StepLabel] = field(default_factory=list)

    def hear(self, label: StepLabel) -> None:
        """Take in what one trace's label says."""
        if label.trials is None or label not in self.labels:
            self.labels.append(label)

    @property
    def value(self) -> float:
        """Mean over the labels."""
        return math.fsum(label.value for label in self.labels) / len(self.labels)

    @property
    def counts(self) -> tuple[int, int] | None:
        """Sum of the rollout counts; None where a label has none."""
        if any(label.trials is None for label in self.labels):
            return None
        return sum(label.successes or 0 for label in self.labels), sum(label.trials or 0 for label in self.labels)


@dataclass(slots=True, kw_only=True)
class Place:
    """A prefix of solutions to one problem, and the steps that follow it."""

    problem: Problem
    prefix: tuple[str, ...]
    right: bool = True
    """Whether no step of the prefix is labelled bad."""
    siblings: dict[str, Sibling] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two siblings, the better one first."""

    problem: Problem
    prefix: tuple[str, ...]
    chosen: Sibling
    rejected: Sibling

    @property
    def margin(self) -> float:
        """Difference of their values."""
        return self.chosen.value - self.rejected.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """The pairs, and how many were not made, by reason."""

    pairs: tuple[Pair, ...]
    left_out: Mapping[str, int]
    uncounted: int
    """Pairs whose order no counts prove: their values alone say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiblingPairs:
    """The rule by which siblings become pairs."""

    take: Literal["extremes", "two", "all"] = "extremes"
    margin: float = 0.0
    sure: float = 0.95
    """Posterior probability; 0 asks for none."""
    length_ratio: float = 0.0
    """Longest over shortest step, in characters; 0 asks for none, 1.5 is strict."""
    most: int = 0
    """Pairs of one problem; 0 keeps all."""
    right_prefix: bool = False

    def __post_init__(self) -> None:
        if self.take not in ("extremes", "two", "all") or not 0 <= self.margin < 2 or not 0 <= self.sure < 1:
            raise ConfigError(
                'take must be "extremes", "two" or "all", margin within [0, 2), sure within [0, 1)',
                got=(self.take, self.margin, self.sure),
            )
        if self.most < 0 or (self.length_ratio != 0 and self.length_ratio < 1):
            raise ConfigError(
                "length_ratio must be 0 or at least 1, most at least 0", got=(self.length_ratio, self.most)
            )

    def choose(self, items: Iterable[tuple[Problem, LabeledTrace]]) -> Pairing:
        """The pairs of all `items` together. `LabelError` where labels of one problem differ in target."""
        left_out: Counter[str] = Counter()
        by_problem: dict[str, list[Pair]] = {}
        judged = 0
        for place in places(items):
            judged += sum(bool(each.labels) for each in place.siblings.values())
            by_problem.setdefault(place.problem.id, []).extend(self._of(place, left_out))
        kept = [pair for pairs in by_problem.values() for pair in self._capped(pairs, left_out)]
        paired = {id(each) for pair in kept for each in (pair.chosen, pair.rejected)}
        left_out["labelled steps in no pair"] = judged - len(paired)
        return Pairing(
            pairs=tuple(kept),
            left_out={why: count for why, count in sorted(left_out.items()) if count},
            uncounted=sum(pair.chosen.counts is None or pair.rejected.counts is None for pair in kept),
        )

    def _of(self, place: Place, left_out: Counter[str]) -> list[Pair]:
        judged = sorted((each for each in place.siblings.values() if each.labels), key=lambda each: -each.value)
        pairs = [
            Pair(problem=place.problem, prefix=place.prefix, chosen=good, rejected=bad)
            for good, bad in combinations(judged, 2)
        ]
        if self.right_prefix and not place.right:
            left_out["pairs behind a wrong step"] += len(pairs)
            return []
        fit = sorted((pair for pair in pairs if self._fits(pair, left_out)), key=lambda pair: -pair.margin)
        kept = self._taken(fit, judged)
        left_out["pairs beside the ones taken of their place"] += len(fit) - len(kept)
        return kept

    def _taken(self, fit: Sequence[Pair], judged: Sequence[Sibling]) -> list[Pair]:
        if self.take == "all":
            return list(fit)
        if self.take == "extremes":
            return list(fit[:1])
        best, worst = {id(each) for each in judged[:2]}, {id(each) for each in judged[-2:]}
        return [pair for pair in fit if id(pair.chosen) in best and id(pair.rejected) in worst]

    def _fits(self, pair: Pair, left_out: Counter[str]) -> bool:
        reason = self._reason(pair)
        if reason:
            left_out[reason] += 1
        return not reason

    def _reason(self, pair: Pair) -> str:
        """Why `pair` is not one; nothing where it is."""
        good, bad = pair.chosen, pair.rejected
        if pair.margin == 0:
            return "ties"
        if pair.margin <= self.margin:
            return "pairs within the margin"
        if self.sure and good.counts and bad.counts and surely_better(good.counts, bad.counts) < self.sure:
            return "pairs of unsure order"
        sizes = sorted((len(good.text), len(bad.text)))
        if self.length_ratio and sizes[1] > self.length_ratio * sizes[0]:
            return "pairs of unlike length"
        return ""

    def _capped(self, pairs: Sequence[Pair], left_out: Counter[str]) -> list[Pair]:
        if not self.most or len(pairs) <= self.most:
            return list(pairs)
        left_out["pairs over the cap of their problem"] += len(pairs) - self.most
        kept = {id(pair) for pair in sorted(pairs, key=lambda pair: -pair.margin)[: self.most]}
        return [pair for pair in pairs if id(pair) in kept]


@lru_cache(maxsize=2**16)
def surely_better(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Pr[theta_1 > theta_2] for two k of n under Jeffreys' priors, to 1e-3.

    It is the mean of the second's distribution function over quantiles of the first.
    """
    from scipy.special import betainc, betaincinv

    (k1, n1), (k2, n2) = first, second
    places = (np.arange(GRID) + 0.5) / GRID
    quantiles = betaincinv(JEFFREYS.a + k1, JEFFREYS.b + n1 - k1, places)
    return float(np.mean(betainc(JEFFREYS.a + k2, JEFFREYS.b + n2 - k2, quantiles)))


def places(items: Iterable[tuple[Problem, LabeledTrace]]) -> list[Place]:
    """Every prefix of `items`, in order of first sight. Steps agree where their texts do, white space around aside."""
    found: dict[tuple[str, tuple[str, ...]], Place] = {}
    targets: dict[str, str] = {}
    for problem, labeled in items:
        target = labeled.target
        if target is not None and targets.setdefault(problem.id, target) != target:
            raise LabelError(
                f"the labels of problem {problem.id!r} have different targets",
                got=[targets[problem.id], target],
                mend="pair each kind by itself: values of different meaning do not compare",
            )
        texts = tuple(text.strip() for text in labeled.trace.step_texts)
        right = True
        for index, (text, label) in enumerate(zip(texts, labeled.labels, strict=True)):
            place = found.setdefault((problem.id, texts[:index]), Place(problem=problem, prefix=texts[:index]))
            place.right = place.right and right
            sibling = place.siblings.setdefault(text, Sibling(text=text))
            if label is not None:
                sibling.hear(label)
                right = right and label.good
    return list(found.values())
