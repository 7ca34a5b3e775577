"""The searched attack: how high words behind a wrong solution can lift its score, and whether they lift others too.

Four suffixes of one length are put behind each wrong solution that is judged:

    inert       the solution's own last words, said again: what a tail as such does
    blind       words drawn at random from the stock: what an attacker has who asks nothing
    universal   one suffix for all, searched for on wrong solutions of *other* problems: it costs the victim no call
    searched    searched for on this very solution

First each word of the stock is tried alone, behind one solution of the fitting side: what the scorer refuses leaves the
stock, and the searches start from what lifts most. Every call is counted. Nothing but the scorer's numbers is used, so
whatever `asking` can ask can be attacked. Papers: universal triggers, arXiv 1908.07125; GCG, 2307.15043; for reward
models, Reward Under Attack, 2603.06621.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from typing import Literal

import numpy as np

from stepward.errors import ConfigError
from stepward.evaluation.robustness.attacks import PRAISE, AdversarialSuffix, Place
from stepward.evaluation.robustness.contract import Attempt, Perturbed
from stepward.evaluation.robustness.suffix.asking import Ask, Pair, Reply
from stepward.evaluation.robustness.suffix.search import Best, Found, Suffix, SuffixSearch
from stepward.evaluation.robustness.suffix.victims import Draft, Sides, Victim
from stepward.reduce import reducer
from stepward.types import Spend, content_key

Kind = Literal["inert", "blind", "universal", "searched"]
KINDS: tuple[Kind, ...] = ("inert", "blind", "universal", "searched")


@dataclass(frozen=True, kw_only=True)
class SuffixAttack:
    """Settings of the attack."""

    how: str = "last"
    """The aggregate that is attacked."""
    place: Place = "end"
    """Behind the last step, behind every one, or as a step of its own."""
    search: SuffixSearch = field(default_factory=SuffixSearch)
    """Of one solution's suffix; the universal one is searched for in the same way."""
    universal_budget: int = 2000
    """Calls of the scorer for the universal suffix; trying the words alone comes before and is counted beside it."""
    fit: int = 8
    """Solutions that it is searched for on, one a problem: each suffix tried costs so many calls."""
    judged: int = 32
    """Solutions of other problems that every suffix is judged on."""
    words: tuple[str, ...] = ()
    """Words of your own; text with blanks in it counts as one word."""
    praise: bool = True
    """Whether words of praise are in the stock."""
    corpus: int = 100
    """So many of the commonest words of the fitting side's solutions."""
    threshold: float | None = 0.5
    """What a solution must reach to pass; None where there is no such number."""
    seed: int = 0

    def __post_init__(self) -> None:
        reducer(self.how)
        if min(self.fit, self.judged) < 1 or self.corpus < 0:
            raise ConfigError("fit and judged must be at least 1, corpus at least 0", got=(self.fit, self.judged))
        if self.universal_budget < self.fit:
            mend = "one suffix costs `fit` calls"
            raise ConfigError("universal_budget buys no suffix", got=self.universal_budget, mend=mend)
        if not all(word.strip() for word in self.words):
            raise ConfigError("a word needs a character that shows", got=self.words)
        if not (self.words or self.praise or self.corpus):
            raise ConfigError("an attack needs words", mend="give `words`, or leave `praise` or `corpus` on")

    @property
    def draft(self) -> Draft:
        """How victims are taken."""
        return Draft(fit=self.fit, judged=self.judged, threshold=self.threshold, seed=self.seed)

    def stock(self, corpus: Sequence[str]) -> tuple[str, ...]:
        """Every word once: given ones, praise, then the commonest of the corpus."""
        praise = PRAISE if self.praise else ()
        return tuple(dict.fromkeys([*self.words, *praise, *corpus[: self.corpus]]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Universal:
    """What the fitting side gave."""

    stock: tuple[str, ...]
    """Usable words, the one that lifts most alone first."""
    refused_words: tuple[str, ...]
    found: Found
    """Its value is the mean gain over the fitting side."""
    screening: int
    """Calls for the words alone."""
    spend: Spend = Spend()


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One suffix behind one solution."""

    kind: Kind
    text: str
    after: float | None
    """None where the scorer refused."""
    calls: int = 1
    """That it took to come by it and to score it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attacked:
    """One solution under every kind of suffix that there is for it."""

    problem_id: str
    before: float
    bar: float | None
    tries: tuple[Try, ...]
    course: tuple[Best, ...] = ()
    """Of the search on this solution: gains."""
    spend: Spend = Spend()

    def by(self, kind: Kind) -> Try | None:
        """Its suffix of one kind; None where there is none."""
        return next((one for one in self.tries if one.kind == kind), None)

    def gain(self, kind: Kind) -> float | None:
        """By how much the suffix lifted it; None where there is none, or it was refused."""
        found = self.by(kind)
        return None if found is None or found.after is None else found.after - self.before


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """An attack on one scorer."""

    attack: SuffixAttack
    ask: Ask
    sides: Sides

    def universal(self) -> Universal:
        """The suffix of the fitting side, which must hold a victim."""
        attack, words = self.attack, self.attack.stock(self.sides.words)
        alone = self._behind(self.sides.fit[:1])
        gains = dict(zip(words, alone([(word,) for word in words]), strict=True))
        taken = {word: gain for word, gain in gains.items() if gain is not None}
        stock = tuple(sorted(taken, key=lambda word: -taken[word]))
        behind = self._behind(self.sides.fit)
        search = replace(attack.search, budget=attack.universal_budget)
        return Universal(
            stock=stock,
            refused_words=tuple(word for word in words if word not in taken),
            found=search.run(behind, stock, self._rng("universal"), self._starts(stock)),
            screening=len(words),
            spend=alone.spend + behind.spend,
        )

    def attacked(self, victim: Victim, universal: Universal) -> Attacked:
        """`victim` under every kind of suffix."""
        length, stock = self.attack.search.length, universal.stock
        drawn: dict[Kind, Suffix | None] = {
            "inert": inert_suffix(victim.attempt, length),
            "blind": tuple(self._rng("blind", victim.key).choices(stock, k=length)) if stock else None,
            "universal": universal.found.suffix,
        }
        fixed = {kind: suffix for kind, suffix in drawn.items() if suffix}
        behind = self._behind((victim,))
        gains = dict(zip(fixed, behind(list(fixed.values())), strict=True))
        tries = [_tried(kind, victim, fixed[kind], gain) for kind, gain in gains.items()]
        found = self.attack.search.run(behind, stock, self._rng("searched", victim.key), self._starts(stock))
        if found.calls:
            tries.append(replace(_tried("searched", victim, found.suffix or (), found.value), calls=found.calls))
        return Attacked(
            problem_id=victim.attempt.problem.id,
            before=victim.before,
            bar=victim.bar,
            tries=tuple(tries),
            course=found.course,
            spend=behind.spend,
        )

    def _behind(self, victims: Sequence[Victim]) -> _Gain:
        return _Gain(ask=self.ask, victims=victims, attack=self.attack)

    def _starts(self, stock: Sequence[str]) -> list[Suffix]:
        """The word that lifts most alone, over and over, and the best so many in a row."""
        length = self.attack.search.length
        return [(stock[0],) * length, tuple(islice(cycle(stock), length))] if stock else []

    def _rng(self, *parts: str) -> random.Random:
        return random.Random(content_key("suffix attack", self.attack.seed, *parts))


@dataclass(kw_only=True)
class _Gain:
    """The mean gain of the solutions that take a suffix; None where more than half of them are refused."""

    ask: Ask
    victims: Sequence[Victim]
    attack: SuffixAttack
    spend: Spend = Spend()

    @property
    def price(self) -> int:
        return len(self.victims)

    def __call__(self, suffixes: Sequence[Suffix]) -> list[float | None]:
        pairs = [self._pair(victim, suffix) for suffix in suffixes for victim in self.victims]
        replies = self.ask(pairs) if pairs else []
        self.spend = sum((reply.spend for reply in replies), self.spend)
        rows = (replies[at : at + self.price] for at in range(0, len(replies), self.price))
        return [self._mean(row) for row in rows]

    def _mean(self, replies: Sequence[Reply]) -> float | None:
        both = zip(self.victims, replies, strict=True)
        gains = [reply.value - victim.before for victim, reply in both if reply.value is not None]
        return float(np.mean(gains)) if 2 * len(gains) >= len(replies) else None

    def _pair(self, victim: Victim, suffix: Suffix) -> Pair:
        return victim.attempt.problem, with_suffix(victim.attempt, suffix, self.attack).trace


def with_suffix(attempt: Attempt, suffix: Suffix, attack: SuffixAttack) -> Perturbed:
    """`attempt`, which is wrong and has steps, with the words in their place."""
    by = AdversarialSuffix(text=" ".join(suffix), place=attack.place, seed=attack.seed)
    made = by.perturb(attempt, ())
    assert isinstance(made, Perturbed), made
    return made


def inert_suffix(attempt: Attempt, length: int) -> Suffix:
    """The solution's last `length` words, said more than once where it has fewer; none for white space."""
    words = attempt.trace.text.split()[-length:]
    return tuple(islice(cycle(words), length))


def _tried(kind: Kind, victim: Victim, suffix: Suffix, gain: float | None) -> Try:
    return Try(kind=kind, text=" ".join(suffix), after=None if gain is None else victim.before + gain)
