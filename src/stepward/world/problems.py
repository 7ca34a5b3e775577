"""Draws word problems with known truth.

A problem is a small graph of quantities. Some are given; each other one follows from earlier ones by
one relation (more, fewer, times, half, together, or a change of unit). One quantity is asked for, and
every derived quantity on its path needs exactly one step; distractors are quantities that no needed
step reads, in the same unit or in another. The graph stands in `Problem.meta["world"]`, so a checker
needs nothing but the problem.

No published generator was found that gives checkable steps: reasoning-gym and GSM-Symbolic style
templates give a question and a final answer.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal, cast

from stepward.errors import ConfigError
from stepward.types import Json, Problem, content_key
from stepward.world.domains import DOMAINS, Domain

How = Literal["given", "more", "fewer", "times", "half", "together", "convert"]
OPERATOR: dict[str, str] = {"more": "+", "fewer": "-", "times": "*", "half": "/", "together": "+", "convert": "*"}
CONVERSION_RATE = 0.3
"""Share of problems of a domain with a conversion whose last step changes the unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One number of the world: what it is called, how it follows from others, and its true value."""

    name: str
    unit: str
    how: How
    of: tuple[int, ...] = ()
    """Indexes of the quantities it depends on."""
    k: int = 0
    """The number in its relation; 2 for half, the factor for a change of unit."""
    value: int = 0

    def operands(self, known: Mapping[int, int]) -> tuple[int, int]:
        """Left and right number of its step, given the values known of other quantities."""
        left = known[self.of[0]]
        return (left, known[self.of[1]]) if self.how == "together" else (left, self.k)


@dataclass(frozen=True, slots=True)
class Graph:
    """The truth behind a problem."""

    domain: str
    quantities: tuple[Quantity, ...]
    asked: int

    @classmethod
    def of(cls, problem: Problem) -> Graph:
        """The graph of a problem that `World` drew; `ConfigError` for any other problem."""
        found = problem.meta.get("world")
        if not isinstance(found, Mapping):
            raise ConfigError(f"problem {problem.id!r} was not drawn by the world: its meta has no 'world'")
        rows = cast("list[dict[str, object]]", found["quantities"])
        quantities = tuple(Quantity(**{**row, "of": tuple(row["of"])}) for row in rows)  # type: ignore[arg-type]
        return cls(cast("str", found["domain"]), quantities, cast("int", found["asked"]))


@dataclass(frozen=True, kw_only=True)
class World:
    """A family of problems: how many steps, which domains, how large the numbers are.

    `draw(count, seed)` gives the same problems for the same settings and seed, each text once.
    """

    domains: tuple[str, ...] = tuple(DOMAINS)
    min_steps: int = 2
    """Steps of the reference solution, the answer's own line included."""
    max_steps: int = 6
    max_value: int = 99
    max_distractors: int = 2

    def __post_init__(self) -> None:
        unknown = sorted(set(self.domains) - set(DOMAINS))
        if unknown or not self.domains:
            raise ConfigError("world.domains names no known domain", got=unknown, mend=f"known: {', '.join(DOMAINS)}")
        if not 2 <= self.min_steps <= self.max_steps <= 12:
            raise ConfigError("steps must satisfy 2 <= min <= max <= 12", got=(self.min_steps, self.max_steps))
        if self.max_value < 20 or not 0 <= self.max_distractors <= 4:
            raise ConfigError("max_value must be at least 20 and distractors 0 to 4", got=self)

    def draw(self, count: int, seed: int) -> list[Problem]:
        """`count` different problems."""
        rng = random.Random(content_key("world", asdict(self), seed))
        drawn: dict[str, Problem] = {}
        while len(drawn) < count:
            problem = self._one(rng)
            drawn.setdefault(problem.text, problem)
        return list(drawn.values())

    def _one(self, rng: random.Random) -> Problem:
        domain = DOMAINS[rng.choice(self.domains)]
        derived = rng.randint(self.min_steps, self.max_steps) - 1
        quantities = _Draft(rng, domain, self.max_value).grow(derived, rng.randint(0, self.max_distractors))
        asked = max(i for i, q in enumerate(quantities) if q.how != "given")
        graph: dict[str, Json] = {
            "domain": domain.name,
            "asked": asked,
            "quantities": [{**asdict(q), "of": list(q.of)} for q in quantities],
        }
        text = " ".join([*_sentences(domain, quantities, rng), domain.question.format(**_names(quantities[asked]))])
        return Problem(
            id=f"world-{content_key(text)[:12]}",
            text=text,
            answer=str(quantities[asked].value),
            domain=domain.name,
            meta={"world": graph, "steps": derived + 1},
        )


class _Draft:
    """Grows one graph: a first given quantity, then a chain in which each quantity reads the one before."""

    def __init__(self, rng: random.Random, domain: Domain, max_value: int) -> None:
        self.rng, self.domain, self.max_value = rng, domain, max_value
        self.names = iter(rng.sample(domain.names, len(domain.names)))
        change = domain.conversion
        self.converts = change is not None and rng.random() < CONVERSION_RATE
        self.unit = change.large if change and self.converts else rng.choice(domain.units)
        self.quantities: list[Quantity] = []

    def grow(self, derived: int, distractors: int) -> list[Quantity]:
        last = self._given(self.unit)
        for index in range(derived):
            last = self._convert(last) if self.converts and index == derived - 1 else self._derive(last)
        for _ in range(distractors):
            self._given(self.rng.choice(self.domain.units))
        return self.quantities

    def _add(self, quantity: Quantity) -> int:
        self.quantities.append(quantity)
        return len(self.quantities) - 1

    def _given(self, unit: str) -> int:
        high = self.max_value // 7 if self.converts else self.max_value * 2 // 5
        return self._add(Quantity(name=next(self.names), unit=unit, how="given", value=self.rng.randint(3, high)))

    def _limit(self) -> int:
        change = self.domain.conversion
        return self.max_value // change.factor if change and self.converts else self.max_value

    def _derive(self, last: int) -> int:
        how, of, k, value = self.rng.choice(list(self._options(last)))
        return self._add(Quantity(name=next(self.names), unit=self.unit, how=how, of=of, k=k, value=value))

    def _options(self, last: int) -> Iterator[tuple[How, tuple[int, ...], int, int]]:
        """Every kind of relation to quantity `last` whose value stays in range."""
        base, limit, rng = self.quantities[last].value, self._limit(), self.rng
        if base + 2 <= limit:
            k = rng.randint(2, limit - base)
            yield "more", (last,), k, base + k
        if base > 4:
            k = rng.randint(2, base - 2)
            yield "fewer", (last,), k, base - k
        if base * 2 <= limit:
            k = rng.randint(2, min(5, limit // base))
            yield "times", (last,), k, base * k
        if base % 2 == 0 and base > 4:
            yield "half", (last,), 2, base // 2
        others = [i for i, q in enumerate(self.quantities[:last]) if base + q.value <= limit]
        if others:
            other = rng.choice(others)
            yield "together", (last, other), 0, base + self.quantities[other].value

    def _convert(self, last: int) -> int:
        change = self.domain.conversion
        assert change is not None, "only a domain with a conversion converts"
        source = self.quantities[last]
        return self._add(
            Quantity(
                name=source.name,
                unit=change.small,
                how="convert",
                of=(last,),
                k=change.factor,
                value=source.value * change.factor,
            )
        )


def _names(quantity: Quantity) -> dict[str, object]:
    return {"n": quantity.name, "u": quantity.unit, "k": quantity.k}


def _sentences(domain: Domain, quantities: list[Quantity], rng: random.Random) -> list[str]:
    """One sentence per quantity, a distractor at any place; a change of unit is asked for, never told."""
    needed: list[str] = []
    extra: list[str] = []
    for index, quantity in enumerate(quantities):
        if quantity.how == "convert":
            continue
        of = [quantities[i].name for i in quantity.of]
        words = {**_names(quantity), "v": quantity.value, "a": of[0] if of else "", "b": of[1] if len(of) > 1 else ""}
        told = getattr(domain, quantity.how).format(**words)
        (extra if quantity.how == "given" and index > 0 else needed).append(told)
    for told in extra:
        needed.insert(rng.randint(0, len(needed)), told)
    return needed
