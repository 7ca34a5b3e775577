"""Which expert a problem belongs to.

    by name     the problem's own domain
    by words    tf-idf of its text, then one logistic regression a domain; learned, so no list of keywords is needed

A router says a domain and how sure it is; below `sure` it says "", and the shared model is used: a wrong expert is
worse than none. Words that were never seen count for nothing: a text without known words is unsure by construction.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

import numpy as np

from stepward.codec import named_from_json, named_to_json
from stepward.errors import ConfigError, LabelError
from stepward.metrics.checks import Floats
from stepward.types import Json, Problem

WORD = re.compile(r"[a-z]{2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a problem goes; the empty domain is the shared model."""

    domain: str
    chance: float


@runtime_checkable
class Router(Protocol):
    """Who names the domain of a problem."""

    def route(self, problem: Problem) -> Route:
        """The domain, or "" where the router is not sure."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ByName:
    """The domain that the problem states, if it is one of `domains`."""

    domains: tuple[str, ...]

    def route(self, problem: Problem) -> Route:
        """Always sure."""
        return Route(domain=problem.domain if problem.domain in self.domains else "", chance=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByWords:
    """tf-idf, length 1, through a softmax of linear scores. Fitted by `fit_by_words`."""

    domains: tuple[str, ...]
    words: tuple[str, ...]
    idf: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    """By domain, one per word."""
    shifts: tuple[float, ...]
    sure: float = 0.5

    def __post_init__(self) -> None:
        sizes = {len(self.words), len(self.idf), *map(len, self.weights)}
        if len(sizes) != 1 or {len(self.weights), len(self.shifts)} != {len(self.domains)}:
            raise ConfigError("every domain needs a shift and a weight for every word", got=sorted(sizes))
        if not 0 <= self.sure <= 1:
            raise ConfigError("sure must lie in [0, 1]", got=self.sure)

    def route(self, problem: Problem) -> Route:
        """The likeliest domain, or "" below `sure`."""
        row = _tf_idf(problem.text, {word: index for index, word in enumerate(self.words)}, np.array(self.idf))
        if not row.any():
            return Route(domain="", chance=1 / len(self.domains))
        scores = np.array(self.weights) @ row + np.array(self.shifts)
        chances = np.exp(scores - scores.max())
        return _surest(self.domains, chances / chances.sum(), self.sure)


def fit_by_words(problems: Sequence[Problem], *, fewest: int = 2, most_words: int = 5000, sure: float = 0.5) -> ByWords:
    """Learned from problems that name their domain. `LabelError` for fewer than two domains.

    A word must stand in at least `fewest` problems; of more than `most_words` the commonest are taken.
    """
    from sklearn.linear_model import LogisticRegression

    domains = sorted({problem.domain for problem in problems if problem.domain})
    known = [problem for problem in problems if problem.domain]
    if len(domains) < 2:
        raise LabelError("a router needs problems of at least two domains", got=domains)
    found = Counter(word for problem in known for word in sorted(set(_words(problem.text))))
    words = tuple(sorted(word for word, count in found.most_common(most_words) if count >= fewest))
    if not words:
        raise LabelError("no word stands in enough problems", got=len(found), mend="lower fewest")
    idf = np.array([math.log((1 + len(known)) / (1 + found[word])) + 1 for word in words])
    place = {word: index for index, word in enumerate(words)}
    rows = np.array([_tf_idf(problem.text, place, idf) for problem in known])
    model = LogisticRegression(C=10.0, max_iter=1000).fit(rows, [problem.domain for problem in known])
    weights, shifts = model.coef_, model.intercept_
    if len(domains) == 2:  # scikit-learn keeps one row for two classes
        weights, shifts = np.vstack([-weights / 2, weights / 2]), np.r_[-shifts / 2, shifts / 2]
    return ByWords(
        domains=tuple(domains),
        words=words,
        idf=tuple(idf.tolist()),
        weights=tuple(tuple(row) for row in weights.tolist()),
        shifts=tuple(shifts.tolist()),
        sure=sure,
    )


ROUTERS: Mapping[str, type] = {"by_name": ByName, "by_words": ByWords}


def router_to_json(router: Router) -> dict[str, Json]:
    """A record that `router_from_json` reads back."""
    return named_to_json("router", ROUTERS, router)


def router_from_json(record: Mapping[str, Json]) -> Router:
    """The router that `router_to_json` wrote; `ConfigError` or `DataError` for anything else."""
    return cast(Router, named_from_json("router", ROUTERS, record))


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())


def _tf_idf(text: str, place: Mapping[str, int], idf_V: Floats) -> Floats:
    counts = np.zeros(len(idf_V))
    for word in _words(text):
        if word in place:
            counts[place[word]] += 1
    return _length_one(counts * idf_V)


def _length_one(row: Floats) -> Floats:
    length = float(np.linalg.norm(row))
    return row / length if length else row


def _surest(domains: Sequence[str], chances: Floats, sure: float) -> Route:
    best = int(chances.argmax())
    chance = float(chances[best])
    return Route(domain=domains[best] if chance >= sure else "", chance=chance)
