"""How each domain of the world speaks: the same arithmetic as coins, prices, ages, distances, durations.

A scorer trained on one domain and tested on another meets new words around the same relations, which is
what makes cross-domain transfer measurable. `{n}` names the quantity, `{u}` its unit, `{a}` and `{b}`
the quantities it depends on, `{k}` a number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple


class Conversion(NamedTuple):
    """One of `small` unit makes `factor` to the `large`: a step that changes the unit."""

    large: str
    small: str
    factor: int


@dataclass(frozen=True, kw_only=True)
class Domain:
    """Names, units and sentences of one domain."""

    name: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    """Units that problems count in; another of them makes a distractor."""
    given: str
    more: str
    fewer: str
    times: str
    half: str
    together: str
    question: str
    statement: str
    """How a step states a quantity; `{v}` is the worked expression."""
    conversion: Conversion | None = None

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches a step that states a quantity: groups n, left, op, right, result, u."""
        work = r"(?P<left>[0-9]{1,12}) (?P<op>[-+*/]) (?P<right>[0-9]{1,12}) = (?P<result>[0-9]{1,12})"
        text = re.escape(self.statement)
        text = text.replace(r"\{n\}", r"(?P<n>[A-Za-z ]+?)", 1).replace(r"\{v\}", work, 1)
        return re.compile(text.replace(r"\{u\}", r"(?P<u>[A-Za-z]+)", 1))


PEOPLE = (
    "Ann", "Ben", "Cid", "Dee", "Eli", "Fay", "Gus", "Hal",
    "Ida", "Jon", "Kim", "Lea", "Max", "Nia", "Oda", "Pia",
)  # fmt: skip
GOODS = (
    "bag", "book", "lamp", "pen", "hat", "ring", "drum", "kite",
    "vase", "coat", "cup", "rug", "toy", "fan", "map", "bed",
)  # fmt: skip
TOWNS = (
    "Alta", "Bern", "Cork", "Dole", "Elva", "Faro", "Gent", "Hull",
    "Iasi", "Jena", "Kiel", "Linz", "Metz", "Nice", "Oslo", "Pisa",
)  # fmt: skip
EVENTS = (
    "fair", "camp", "trip", "race", "show", "class", "game", "hike",
    "tour", "sale", "play", "feast", "trial", "voyage", "strike", "visit",
)  # fmt: skip

DOMAINS: dict[str, Domain] = {
    domain.name: domain
    for domain in (
        Domain(
            name="collections",
            names=PEOPLE,
            units=("coins", "cards", "shells", "apples"),
            given="{n} has {v} {u}.",
            more="{n} has {k} more {u} than {a}.",
            fewer="{n} has {k} fewer {u} than {a}.",
            times="{n} has {k} times as many {u} as {a}.",
            half="{n} has half as many {u} as {a}.",
            together="{n} has as many {u} as {a} and {b} together.",
            question="How many {u} does {n} have?",
            statement="{n} has {v} {u}.",
        ),
        Domain(
            name="prices",
            names=GOODS,
            units=("dollars", "euros"),
            given="The {n} costs {v} {u}.",
            more="The {n} costs {k} {u} more than the {a}.",
            fewer="The {n} costs {k} {u} less than the {a}.",
            times="In {u}, the {n} costs {k} times as much as the {a}.",
            half="In {u}, the {n} costs half as much as the {a}.",
            together="In {u}, the {n} costs as much as the {a} and the {b} together.",
            question="How many {u} does the {n} cost?",
            statement="The {n} costs {v} {u}.",
        ),
        Domain(
            name="ages",
            names=PEOPLE,
            units=("years", "months"),
            given="{n} is {v} {u} old.",
            more="{n} is {k} {u} older than {a}.",
            fewer="{n} is {k} {u} younger than {a}.",
            times="In {u}, {n} is {k} times as old as {a}.",
            half="In {u}, {n} is half as old as {a}.",
            together="In {u}, {n} is as old as {a} and {b} together.",
            question="How many {u} old is {n}?",
            statement="{n} is {v} {u} old.",
        ),
        Domain(
            name="distances",
            names=TOWNS,
            units=("miles", "leagues"),
            given="The road to {n} is {v} {u} long.",
            more="The road to {n} is {k} {u} longer than the road to {a}.",
            fewer="The road to {n} is {k} {u} shorter than the road to {a}.",
            times="In {u}, the road to {n} is {k} times as long as the road to {a}.",
            half="In {u}, the road to {n} is half as long as the road to {a}.",
            together="In {u}, the road to {n} is as long as the roads to {a} and {b} together.",
            question="How many {u} long is the road to {n}?",
            statement="The road to {n} is {v} {u} long.",
            conversion=Conversion("leagues", "miles", 3),
        ),
        Domain(
            name="durations",
            names=EVENTS,
            units=("days", "weeks"),
            given="The {n} lasts {v} {u}.",
            more="The {n} lasts {k} {u} more than the {a}.",
            fewer="The {n} lasts {k} {u} less than the {a}.",
            times="In {u}, the {n} lasts {k} times as long as the {a}.",
            half="In {u}, the {n} lasts half as long as the {a}.",
            together="In {u}, the {n} lasts as long as the {a} and the {b} together.",
            question="How many {u} does the {n} last?",
            statement="The {n} lasts {v} {u}.",
            conversion=Conversion("weeks", "days", 7),
        ),
    )
}
