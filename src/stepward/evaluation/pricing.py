"""What a judgement costs, and its price at rates that the user gives. Nothing is assumed: no rate, no price.

    price = sum over the given rates of  rate x what was used
            tokens written, read and scored by the million; engine seconds by the hour

Whoever pays for tokens gives token rates, whoever rents machines gives hourly ones; both add up where both are given.
Degenerate cases: what nobody metered (scores that came with a file) has no cost, which is not a cost of 0; token rates
that leave out a kind of token which was used give a price that is too low, and `unpriced` names that kind.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from stepward.errors import ConfigError
from stepward.types import Spend

MILLION, HOUR = 1e6, 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Prices in `currency`; None where the user gave none."""

    written: float | None = None
    """Per million tokens that a policy writes."""
    read: float | None = None
    """Per million prompt tokens that a policy reads."""
    scored: float | None = None
    """Per million tokens that a scorer reads or writes."""
    gpu_hour: float | None = None
    """Per hour of engine time on GPUs: the price of all the GPUs that the engine holds."""
    cpu_hour: float | None = None
    """Per hour of engine time of the machine around them, or of a machine without any."""
    currency: str = ""

    def __post_init__(self) -> None:
        for name, rate in self.given.items():
            if not (math.isfinite(rate) and rate >= 0):
                raise ConfigError(f"the rate {name} must be a finite number of at least 0", got=rate)

    @property
    def given(self) -> dict[str, float]:
        """The rates that there are."""
        found = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "currency"}
        return {name: rate for name, rate in found.items() if rate is not None}

    def __str__(self) -> str:
        unit = f" {self.currency}" if self.currency else ""
        words = {"written": "per million tokens written", "read": "per million prompt tokens read"}
        words |= {"scored": "per million tokens scored", "gpu_hour": "per GPU hour", "cpu_hour": "per CPU hour"}
        return ", ".join(f"{rate:g}{unit} {words[name]}" for name, rate in self.given.items()) or "no rates given"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCost:
    """Mean cost of one trace, one problem or whatever a table counts."""

    written: float = 0.0
    read: float = 0.0
    passes: float = 0.0
    """Calls of a scorer."""
    scored: float = 0.0
    flops: float = 0.0
    seconds: float = 0.0
    whole: bool = True
    """False where a part of the work was not metered: there is then no price."""

    @classmethod
    def of(cls, spend: Spend, units: int) -> UnitCost:
        """`spend` shared out over `units`; nothing for no units."""
        share = 1 / units if units else 0.0
        return cls(
            written=spend.policy_tokens * share,
            read=spend.prompt_tokens * share,
            passes=spend.scorer_calls * share,
            scored=spend.scorer_tokens * share,
            flops=spend.flops * share,
            seconds=spend.seconds * share,
        )

    def __add__(self, other: UnitCost) -> UnitCost:
        sums = {name: getattr(self, name) + getattr(other, name) for name in AMOUNTS}
        return UnitCost(**sums, whole=self.whole and other.whole)

    def times(self, count: float) -> UnitCost:
        """The cost of `count` of them."""
        return UnitCost(**{name: getattr(self, name) * count for name in AMOUNTS}, whole=self.whole)

    @property
    def metered(self) -> bool:
        """Whether anything was counted."""
        return any(getattr(self, name) for name in AMOUNTS)


AMOUNTS = tuple(field.name for field in fields(UnitCost) if field.name != "whole")


def price(cost: UnitCost, rates: Rates) -> float | None:
    """What `cost` comes to; None without rates, or where nothing or not everything was metered."""
    if not (rates.given and cost.metered and cost.whole):
        return None
    given = rates.given
    tokens = {"written": cost.written, "read": cost.read, "scored": cost.scored}
    by_token = sum(given.get(kind, 0.0) * count for kind, count in tokens.items()) / MILLION
    return by_token + (given.get("gpu_hour", 0.0) + given.get("cpu_hour", 0.0)) * cost.seconds / HOUR


def unpriced(cost: UnitCost, rates: Rates) -> tuple[str, ...]:
    """Kinds of tokens that were used and that no rate prices; none where hours are paid."""
    if not rates.given or {"gpu_hour", "cpu_hour"} & set(rates.given):
        return ()
    return tuple(kind for kind in ("written", "read", "scored") if getattr(cost, kind) and kind not in rates.given)
