"""Several scorers on the same labelled traces, domain by domain: experts never stand without the single model.

For each domain: AUROC, ECE and Brier of every scorer with intervals over problems, and the paired difference of AUROC
from the first scorer, the baseline. A domain whose steps are of one class has no AUROC; it is listed with the reason,
never left out in silence. Many domains, many comparisons: an interval that just clears 0 in one of ten is what chance
gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stepward.errors import LabelError
from stepward.evaluation.steps import Judged, auroc_gain, flatten
from stepward.metrics.bootstrap import Interval, bootstrap_auroc
from stepward.metrics.step_intervals import bootstrap_brier, bootstrap_ece

ALL = "all"
"""The row over every domain together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainQuality:
    """One scorer on one domain."""

    domain: str
    scorer: str
    problems: int
    steps: int
    auroc: Interval | None
    """None where the steps are of one class."""
    ece: Interval
    brier: Interval
    gain: Interval | None = None
    """AUROC less the baseline's, paired over problems; None for the baseline itself."""


def judge_domains(
    judged: Mapping[str, Sequence[Judged]], domain_of: Mapping[str, str], *, seed: int
) -> tuple[DomainQuality, ...]:
    """A row per domain and scorer, then those of `ALL`; the first of `judged` is the baseline.

    `domain_of` names the domain of each problem id. Every scorer must have judged the same traces, in one order.
    Raises `LabelError` where they have not, or a problem has no domain.
    """
    first = next(iter(judged), None)
    if first is None or not judged[first]:
        raise LabelError("there is nothing to judge")
    order = [j.labeled.trace.id for j in judged[first]]
    for name, rows in judged.items():
        if [j.labeled.trace.id for j in rows] != order:
            raise LabelError(f"{name!r} judged other traces than {first!r}, or in another order")
    unknown = sorted({j.problem_id for j in judged[first]} - set(domain_of))
    if unknown:
        raise LabelError("problems without a domain", got=unknown[:3])
    domains = sorted({domain_of[j.problem_id] for j in judged[first]})
    found = []
    for domain in (*domains, ALL):
        own = {name: [j for j in rows if domain in (ALL, domain_of[j.problem_id])] for name, rows in judged.items()}
        found += [_quality(domain, name, own, seed) for name in own]
    return tuple(found)


def _quality(domain: str, name: str, judged: Mapping[str, Sequence[Judged]], seed: int) -> DomainQuality:
    rows, baseline = judged[name], next(iter(judged))
    steps = flatten(rows)
    if not steps.problem_S:
        raise LabelError("a domain has no labelled step", got=domain)
    both = len(np.unique(np.asarray(steps.good_S))) == 2
    return DomainQuality(
        domain=domain,
        scorer=name,
        problems=len(set(steps.problem_S)),
        steps=len(steps.problem_S),
        auroc=bootstrap_auroc(steps, seed=seed) if both else None,
        ece=bootstrap_ece(steps, seed=seed),
        brier=bootstrap_brier(steps, seed=seed),
        gain=auroc_gain(rows, judged[baseline], seed=seed) if both and name != baseline else None,
    )
