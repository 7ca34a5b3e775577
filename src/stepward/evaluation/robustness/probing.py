"""Puts attempts through a suite of perturbations, and says how often each one did not apply, and why."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stepward.evaluation.robustness.contract import Attempt, Inapplicable, Perturbation, Perturbed
from stepward.types import Trace

LENDERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One attempt under one perturbation."""

    key: str
    """The attempt's key."""
    attempt: Attempt
    perturbed: Perturbed

    @property
    def base(self) -> Trace:
        """What the perturbed trace is compared with."""
        return self.perturbed.base or self.attempt.trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """What one perturbation made of the attempts."""

    name: str
    made: tuple[Probe, ...]
    inapplicable: Mapping[str, int]
    """Attempts by the reason for which it does not apply."""


def probe(attempts: Mapping[str, Attempt], suite: Mapping[str, Perturbation]) -> tuple[Probes, ...]:
    """Every attempt under every perturbation of `suite`, in its order. They borrow from `lenders` of themselves."""
    others = lenders(list(attempts.values()))
    return tuple(_probed(name, perturbation, attempts, others) for name, perturbation in suite.items())


def lenders(attempts: Sequence[Attempt]) -> list[Attempt]:
    """One right attempt a problem, of up to `LENDERS` problems that are spread evenly."""
    right: dict[str, Attempt] = {}
    for each in attempts:
        if each.sound:
            right.setdefault(each.problem.id, each)
    return list(right.values())[:: max(1, math.ceil(len(right) / LENDERS))]


def _probed(
    name: str, perturbation: Perturbation, attempts: Mapping[str, Attempt], others: Sequence[Attempt]
) -> Probes:
    made, reasons = [], Counter[str]()
    for key, attempt in attempts.items():
        outcome = perturbation.perturb(attempt, others)
        if isinstance(outcome, Inapplicable):
            reasons[outcome.reason] += 1
        else:
            made.append(Probe(key=key, attempt=attempt, perturbed=outcome))
    return Probes(name=name, made=tuple(made), inapplicable=dict(reasons))
