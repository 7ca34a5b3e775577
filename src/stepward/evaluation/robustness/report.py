"""One scorer's robustness: every perturbation, the deletion gap, outcome drift, biases of length and style."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stepward.evaluation.robustness.contract import Attempt
from stepward.evaluation.robustness.figures import (
    INERT,
    NECESSARY,
    DeletionGap,
    PerturbationFigures,
    deletion_gaps,
    figures,
)
from stepward.evaluation.robustness.habits import Bias, OutcomeDrift, biases, outcome_drift
from stepward.evaluation.robustness.measured import Measured
from stepward.evaluation.robustness.probing import Probe, Probes
from stepward.reduce import NEEDS_PROBABILITIES
from stepward.types import Convention, StepScores

PARTICULARS = re.compile(r"\b[0-9a-f]{24}\b|'[^']*'|\d+")
"""What a refusal says of one trace alone; without it equal reasons are equal."""
AGGREGATES = ("product", "geometric_mean", "min", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """What a scorer said of one trace, or why it would not take it."""

    scores: StepScores | None = None
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustnessReport:
    """What the suite shows of one scorer."""

    traces: int
    """Attempts that were scored, which the pools, the drift and the biases are of."""
    problems: int
    refused: int
    """Attempts that the scorer would not take even unperturbed: their probes are left out, and counted there too."""
    seed: int
    perturbations: tuple[PerturbationFigures, ...]
    deletion: tuple[DeletionGap, ...]
    drift: OutcomeDrift
    bias: tuple[Bias, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    """A suite's probes with the scores of every trace in them."""

    attempts: Mapping[str, Attempt]
    probes: Sequence[Probes]
    scorings: Mapping[str, Scoring]
    """By `original_key`, `perturbed_key` and `base_key`."""

    def scored(self) -> list[tuple[str, Attempt, StepScores]]:
        """The attempts that the scorer took."""
        found = ((key, attempt, self.scorings[original_key(key)].scores) for key, attempt in self.attempts.items())
        return [(key, attempt, scores) for key, attempt, scores in found if scores is not None]


def original_key(key: str) -> str:
    """Where the scores of an attempt itself stand."""
    return f"original/{key}"


def perturbed_key(name: str, key: str) -> str:
    """Where those of an attempt under the perturbation `name` stand."""
    return f"{name}/{key}"


def base_key(name: str, probe: Probe) -> str:
    """Where those of a probe's base stand: the attempt's own, unless the perturbation made a base."""
    return original_key(probe.key) if probe.perturbed.base is None else f"{name} base/{probe.key}"


def robustness_report(sitting: Sitting, hows: Sequence[str] = AGGREGATES, *, seed: int) -> RobustnessReport:
    """Every figure. Aggregates that need probabilities are left out where the scores are none."""
    scored = sitting.scored()
    usable = [how for how in hows if is_usable(how, [scores.convention for _, _, scores in scored])]
    pools: dict[str, list[StepScores]] = defaultdict(list)
    for _, attempt, scores in scored:
        pools[attempt.problem.id].append(scores)
    rows = {each.name: _measured(each, sitting, pools) for each in sitting.probes}
    return RobustnessReport(
        traces=len(sitting.attempts),
        problems=len({attempt.problem.id for attempt in sitting.attempts.values()}),
        refused=len(sitting.attempts) - len(scored),
        seed=seed,
        perturbations=tuple(
            figures(
                each.name,
                rows[each.name],
                usable,
                left_out=(each.inapplicable, _refusals(each, sitting)),
                seed=seed,
            )
            for each in sitting.probes
        ),
        deletion=deletion_gaps(rows.get(NECESSARY, []), rows.get(INERT, []), usable, seed=seed),
        drift=outcome_drift([(attempt, scores) for _, attempt, scores in scored], seed=seed),
        bias=biases([(attempt, scores) for _, attempt, scores in scored], usable, seed=seed),
    )


def is_usable(how: str, conventions: Sequence[Convention]) -> bool:
    """Whether the reducer `how` can take scores of these conventions."""
    return how.partition(":")[0] not in NEEDS_PROBABILITIES or all(each == "probability" for each in conventions)


def _measured(probes: Probes, sitting: Sitting, pools: Mapping[str, Sequence[StepScores]]) -> list[Measured]:
    found = []
    for probe in probes.made:
        base, new = _both(probes.name, probe, sitting)
        if base.scores is not None and new.scores is not None:
            pool = tuple(pools[probe.attempt.problem.id])
            found.append(Measured(probe=probe, base=base.scores, perturbed=new.scores, pool=pool))
    return found


def _refusals(probes: Probes, sitting: Sitting) -> dict[str, int]:
    reasons = Counter[str]()
    for probe in probes.made:
        base, new = _both(probes.name, probe, sitting)
        refused = new.refused or base.refused
        if refused:
            reasons[PARTICULARS.sub("...", refused)] += 1
    return dict(reasons)


def _both(name: str, probe: Probe, sitting: Sitting) -> tuple[Scoring, Scoring]:
    return sitting.scorings[base_key(name, probe)], sitting.scorings[perturbed_key(name, probe.key)]
