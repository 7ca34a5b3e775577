"""Searches for the words that raise a number most, seeing nothing of what computes it but the numbers.

A suffix is `length` words. The search begins with the given starts and with blind draws; then, place by place, it
tries other words there in each of the `beam` best suffixes, and goes on with the best of all that it has tried. It
ends with its budget, or where every place in turn has no untried word left. No suffix is tried twice.

Greedy coordinate search is the black-box half of GCG (arXiv 2307.15043), which draws its candidates by gradient. It
stops at local maxima, so it bounds a scorer from one side: what it finds is there, what it does not find may be.
With `proposals` of the whole budget every try is a blind draw: random search at the same price, to compare with.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol, TypeAlias

from stepward.errors import ConfigError

Suffix: TypeAlias = tuple[str, ...]
REPEATS = 50
"""Blind draws in a row that were drawn before, after which a stock of words counts as used up."""


class Objective(Protocol):
    """What is to be raised."""

    @property
    def price(self) -> int:
        """Calls of the scorer that one suffix costs."""
        ...

    def __call__(self, suffixes: Sequence[Suffix]) -> list[float | None]:
        """A number for each suffix, the higher the better for the attacker; None for one that is refused."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The best number after so many calls of the scorer."""

    calls: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search ended with."""

    suffix: Suffix | None
    """None where nothing was tried, or all of it refused."""
    value: float | None
    calls: int
    """Of the scorer: suffixes tried times the price of one."""
    refused: int
    """Suffixes that were."""
    course: tuple[Best, ...] = ()
    """Each improvement, in order."""


@dataclass(frozen=True, kw_only=True)
class SuffixSearch:
    """Greedy coordinate search over words."""

    budget: int = 256
    """Calls of the scorer: never more, and fewer only where the rest buys no further suffix or none is left to try."""
    length: int = 8
    beam: int = 1
    proposals: int = 16
    """Suffixes tried in one round, and blind draws before the first."""

    def __post_init__(self) -> None:
        if not 1 <= self.length <= 200:
            raise ConfigError("a suffix has between 1 and 200 words", got=self.length)
        if min(self.budget, self.beam, self.proposals) < 1:
            got = (self.budget, self.beam, self.proposals)
            raise ConfigError("budget, beam and proposals must be at least 1", got=got)

    def run(
        self, objective: Objective, words: Sequence[str], rng: random.Random, starts: Sequence[Suffix] = ()
    ) -> Found:
        """The best suffix that the budget buys: of `starts`, then of blind draws of `words`, then of their changes."""
        tries = _Tries(left=self.budget // objective.price, objective=objective)
        tries.over(list(dict.fromkeys(starts)))
        tries.over(list(islice(self._blind(tries, words, rng), self.proposals)))
        place = idle = 0
        while tries.left and words and idle < self.length:
            new = self._changes(tries, rng.sample(words, len(words)), place) if tries.best(1) else None
            tried = tries.over(list(islice(new or self._blind(tries, words, rng), self.proposals)))
            idle = 0 if tried else idle + 1
            place = (place + 1) % self.length
        return tries.found()

    def _blind(self, tries: _Tries, words: Sequence[str], rng: random.Random) -> Iterator[Suffix]:
        """Suffixes drawn at random, each once."""
        drawn, repeats = set(tries.values), 0
        while words and repeats < REPEATS:
            suffix = tuple(rng.choices(words, k=self.length))
            repeats = repeats + 1 if suffix in drawn else 0
            if not repeats:
                drawn.add(suffix)
                yield suffix

    def _changes(self, tries: _Tries, words: Sequence[str], place: int) -> Iterator[Suffix]:
        """Untried suffixes with another word at `place`, each of the best in turn."""
        best, seen = tries.best(self.beam), set(tries.values)
        for word in words:
            for suffix in best:
                changed = (*suffix[:place], word, *suffix[place + 1 :])
                if changed not in seen:
                    seen.add(changed)
                    yield changed


@dataclass(kw_only=True)
class _Tries:
    """What was tried, and how many more tries can be paid for."""

    left: int
    objective: Objective
    values: dict[Suffix, float | None] = field(default_factory=dict)
    course: list[Best] = field(default_factory=list)

    def over(self, suffixes: Sequence[Suffix]) -> bool:
        """Try as many of them as can be paid for; whether any was."""
        paid = list(suffixes[: self.left])
        for suffix, value in zip(paid, self.objective(paid) if paid else [], strict=True):
            self.values[suffix] = value
            if value is not None and (not self.course or value > self.course[-1].value):
                self.course.append(Best(calls=len(self.values) * self.objective.price, value=value))
        self.left -= len(paid)
        return bool(paid)

    def best(self, count: int) -> list[Suffix]:
        """Those with the highest numbers; of equal ones the earlier."""
        taken = [(value, suffix) for suffix, value in self.values.items() if value is not None]
        return [suffix for _, suffix in sorted(taken, key=lambda each: -each[0])[:count]]

    def found(self) -> Found:
        best = next(iter(self.best(1)), None)
        return Found(
            suffix=best,
            value=None if best is None else self.values[best],
            calls=len(self.values) * self.objective.price,
            refused=sum(value is None for value in self.values.values()),
            course=tuple(self.course),
        )
