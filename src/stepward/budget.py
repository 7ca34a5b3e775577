"""What work costs (`Meter` adds it up) and what it may cost (`Budget` limits it).

Spend is metered where a policy, scorer or verifier is called, so work whose result is thrown away is
counted too. A budget is checked before a call: it is exceeded by at most the call that was under way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from stepward.errors import ConfigError
from stepward.types import Spend


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Upper limits on a `Spend`; None is no limit."""

    policy_tokens: int | None = None
    scorer_tokens: int | None = None
    flops: float | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("policy_tokens", "scorer_tokens", "flops", "seconds"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise ConfigError(f"budget.{name} must be above 0", got=limit, mend="leave it out for no limit")

    def left(self, spent: Spend) -> float:
        """The smallest remaining share over all limits, in [0, 1]; 1 where nothing is limited."""
        shares = [1.0]
        for name in ("policy_tokens", "scorer_tokens", "flops", "seconds"):
            limit = getattr(self, name)
            if limit is not None:
                shares.append(1.0 - getattr(spent, name) / limit)
        return max(0.0, min(shares))

    def ended(self, spent: Spend) -> bool:
        """Whether `spent` has reached a limit."""
        return self.left(spent) <= 0.0


@dataclass(slots=True)
class Meter:
    """Adds up what was spent, by who spent it. `on_change` sees every addition."""

    by_name: dict[str, Spend] = field(default_factory=dict)
    on_change: Callable[[Spend], None] | None = None

    def add(self, name: str, spend: Spend) -> None:
        """Count `spend` under `name`."""
        self.by_name[name] = self.by_name.get(name, Spend()) + spend
        if self.on_change is not None:
            self.on_change(self.total)

    @property
    def total(self) -> Spend:
        """Everything counted so far."""
        return sum(self.by_name.values(), Spend())
